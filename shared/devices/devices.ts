/**
 * A device is known by its source and its id in that source. The registration says whose it is: tenant, groups and
 * whether it may report are attributes of it and never of an event. Groups are named sets of devices of one tenant;
 * membership is kept with the device, because ingest reads exactly that document.
 */
import { z } from 'zod';
import type { TenantId } from '../identity/ids.ts';
import { DEVICE_ID_CHARS_MAX, isDeviceId, type ReadingValue } from '../telemetry/telemetry-event.ts';

/** Where events of a device come from. Trust is configured per trigger, so the source is part of the identity. */
export type DeviceSource = 'direct' | 'iot-hub' | 'event-grid';

/** Groups of one device: each is looked at for every event. */
export const DEVICE_GROUPS_MAX = 50;

/** The document: container `devices`. Times are ISO 8601. */
export interface Device {
  /** `source|deviceId`. */
  id: string;
  source: DeviceSource;
  deviceId: string;
  tenantId: TenantId;
  name: string;
  groups: string[];
  /** What kind of device it is (`device-profiles.ts`). */
  profile?: string | undefined;
  /** Its own attributes, which win over inherited ones. */
  attributes?: Readonly<Record<string, ReadingValue>> | undefined;
  /** A disabled device's events are refused. */
  enabled: boolean;
  createdAt: string;
  updatedAt: string;
}

/** The document: container `groups`. */
export interface DeviceGroup {
  /** The group id, unique in its tenant. */
  id: string;
  tenantId: TenantId;
  name: string;
  /** What its devices inherit. */
  attributes?: Readonly<Record<string, ReadingValue>> | undefined;
  createdAt: string;
  updatedAt: string;
}

const DEVICE_RULE = `must be 1 to ${DEVICE_ID_CHARS_MAX} of A-Z a-z 0-9 . _ : @ = + ~ -`;
const GROUP_RULE = 'must be 1 to 64 of A-Z a-z 0-9 . _ -, starting with a letter or digit';

/** A device id as it comes from outside. */
export const deviceId = z.string(DEVICE_RULE).refine(isDeviceId, DEVICE_RULE);
/** A group id as it comes from outside. */
export const groupId = z.string(GROUP_RULE).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, GROUP_RULE);

/** Characters of a name that people read. */
const NAME_CHARS_MAX = 128;

/** A name that people read: one line, no control characters. */
export const displayName = z
  .string('must be a string')
  .trim()
  .min(1, 'must not be empty')
  .max(NAME_CHARS_MAX, `must be at most ${NAME_CHARS_MAX} characters`)
  .regex(/^[^\p{Cc}]*$/u, 'must not hold control characters')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode');

/** The id of a registration. */
export function registrationId(source: DeviceSource, device: string): string {
  return `${source}|${device}`;
}
