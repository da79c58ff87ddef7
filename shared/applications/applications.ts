/**
 * An External Application: a third party that may read the telemetry of some devices of a tenant for a time. It has a
 * client id, one secret (two while it is rotated) and a policy: devices, device groups and whether anomalies belong to
 * it. Tokens and open streams are caches of this document: a change of it acts on them within seconds.
 *
 * - `epoch` ends every token issued before it: disabling raises it, so enabling does not revive old tokens.
 * - `policyVersion` tells whether the claims in a token still say what the policy is.
 * - `version` counts what a person changed; it is the ETag. Housekeeping (last used) leaves it alone.
 * - A deleted application stays as a tombstone, because its client id must never be issued again.
 */
import { createHash } from 'node:crypto';
import type { ClientId, TenantId } from '../identity/ids.ts';
import type { ApplicationScope } from '../identity/principal.ts';
import type { SecretHash } from './client-credentials.ts';
import { clientSettingsOf, type ClientSettings } from './client-settings.ts';

/** Live secrets of one application. */
export const SECRETS_MAX = 2;
/** Devices that one application names; more belong into groups. */
export const APPLICATION_DEVICES_MAX = 10_000;
/** Groups that one application names. */
export const APPLICATION_GROUPS_MAX = 200;
/** Single tokens that are revoked before their end; above it the epoch is raised, which ends all of them. */
export const REVOKED_TOKENS_MAX = 100;

/** A secret as stored. Times are ISO 8601. */
export interface StoredSecret extends SecretHash {
  id: string;
  /** Its last four characters, so that a person can tell two secrets apart. */
  hint: string;
  createdAt: string;
  /** The end of its grace, once a newer secret exists. */
  endsAt?: string;
  lastUsedAt?: string;
}

/** The document: container `applications`, found by its client id. Times are ISO 8601. */
export interface Application extends Partial<ClientSettings> {
  id: ClientId;
  kind: 'application';
  tenantId: TenantId;
  /** The id in URLs; sorts by the time of creation. */
  applicationId: string;
  name: string;
  createdAt: string;
  updatedAt: string;
  expiresAt: string;
  enabled: boolean;
  includeAnomalies: boolean;
  devices: string[];
  groups: string[];
  scopes: ApplicationScope[];
  /** Origins of web pages that may use it, such as `https://app.example`; absent in documents older than the field. */
  allowedOrigins?: string[];
  version: number;
  epoch: number;
  policyVersion: number;
  /** The newest first; a public client has none. */
  secrets: StoredSecret[];
  /** Tokens that were revoked one by one; `exp` in epoch seconds. */
  revoked: { jti: string; exp: number }[];
  lastUsedAt?: string;
}

/** What remains of a deleted application. */
export interface Tombstone {
  id: ClientId;
  kind: 'deleted-application';
  tenantId: TenantId;
  applicationId: string;
  deletedAt: string;
}

/** What an administrator sees: everything but credentials. */
export interface ApplicationView extends ClientSettings {
  id: string;
  name: string;
  status: 'enabled' | 'disabled';
  expired: boolean;
  createdAt: string;
  updatedAt: string;
  expiresAt: string;
  lastUsedAt: string | null;
  includeAnomalies: boolean;
  devices: string[];
  groups: string[];
  scopes: ApplicationScope[];
  allowedOrigins: string[];
  /** The last four characters of the client id. */
  clientIdHint: string;
  secrets: { hint: string; createdAt: string; endsAt: string | null; lastUsedAt: string | null }[];
}

/** Shows an application without its credentials; secrets whose grace is over are left out. */
export function viewOf(application: Application, nowMs: number): ApplicationView {
  const { applicationId, id, enabled, name, createdAt, updatedAt, expiresAt, lastUsedAt } = application;
  return {
    id: applicationId,
    name,
    status: enabled ? 'enabled' : 'disabled',
    expired: Date.parse(expiresAt) <= nowMs,
    createdAt,
    updatedAt,
    expiresAt,
    lastUsedAt: lastUsedAt ?? null,
    includeAnomalies: application.includeAnomalies,
    devices: application.devices,
    groups: application.groups,
    scopes: application.scopes,
    ...clientSettingsOf(application),
    allowedOrigins: application.allowedOrigins ?? [],
    clientIdHint: id.slice(-4),
    secrets: liveSecrets(application, nowMs).map((secret) => ({
      hint: secret.hint,
      createdAt: secret.createdAt,
      endsAt: secret.endsAt ?? null,
      lastUsedAt: secret.lastUsedAt ?? null,
    })),
  };
}

/** The secrets that authenticate now, the newest first. */
export function liveSecrets({ secrets }: Application, nowMs: number): StoredSecret[] {
  return secrets.filter(({ endsAt }) => endsAt === undefined || Date.parse(endsAt) > nowMs);
}

/** Names are unique without regard to case, width and spaces at the ends. Hashed, because ids may not hold every character. */
export function nameKey(tenantId: TenantId, name: string): string {
  const normal = name.normalize('NFKC').trim().toLowerCase();
  return `name|${tenantId}|${createHash('sha256').update(normal).digest('hex')}`;
}
