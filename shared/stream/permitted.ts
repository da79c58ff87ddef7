/** Refuses selections that an application may not have. A filter that names what it may not see would look like silence. */
import { invalidInput, Problem } from '../http/problem.ts';
import type { Authority } from './authority-watch.ts';
import type { Selection } from './view.ts';

/** Devices whose last values one stream may ask for: each costs a read. */
export const SNAPSHOT_DEVICES_MAX = 1_000;

/** @throws Problem 403 naming the first device that is not the application's, or groups without any that is */
export function refuseForeign({ devices, groups }: Selection, authority: Authority): void {
  const foreign = [...(devices ?? [])].find((device) => !authority.devices.has(device));
  if (foreign !== undefined) throw notPermitted('devices', foreign, 'is not a device that this application may see');
  if (groups === undefined || authority.devices.size > 0) return;
  throw notPermitted('groups', [...groups].join(','), 'holds no device that this application may see');
}

/** @throws Problem 400 for a snapshot of too many devices */
export function refuseLargeSnapshot(devices: ReadonlySet<string>): void {
  if (devices.size <= SNAPSHOT_DEVICES_MAX) return;
  const rule = `is for at most ${SNAPSHOT_DEVICES_MAX} devices, and this is ${devices.size}: name some in devices`;
  throw invalidInput('query', [{ field: 'snapshot', rule }]);
}

function notPermitted(field: string, got: string, rule: string): Problem {
  const detail = `${field}: "${got.slice(0, 100)}" ${rule}.`;
  return new Problem('not-permitted', 403, detail, { extensions: { errors: [{ field, rule, got }] } });
}
