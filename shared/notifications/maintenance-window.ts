/**
 * A maintenance window: while it is open, alerts within its scope open and resolve as always and nobody is told. An alert
 * that is still active when it ends is told then, once.
 */
import { z } from 'zod';
import type { TenantId } from '../identity/ids.ts';
import { isOnSchedule, schedule } from '../rules/schedule.ts';
import type { Stored, Store } from '../store/store.ts';

/** Maintenance windows of one tenant. */
export const WINDOWS_PER_TENANT_MAX = 200;
/** Days that a single window may last. */
export const WINDOW_DAYS_MAX = 90;
/** Devices, groups or rules that one window names. */
const SCOPE_MAX = 1000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const ids = (what: string) =>
  z
    .array(z.string(`must be the id of a ${what}`).min(1).max(128), `must be an array of ids of ${what}s`)
    .max(SCOPE_MAX, `must name at most ${SCOPE_MAX}`)
    .transform((list) => [...new Set(list)])
    .default([]);
const MOMENT_RULE = 'must be a time such as 2026-11-24T10:00:00Z';
const moment = z.iso.datetime({ offset: true, error: MOMENT_RULE }).transform((text) => new Date(text).toISOString());

/** Input of POST /v1/maintenance-windows. */
export const maintenanceWindow = z.strictObject({
  name: z
    .string('must be a string')
    .trim()
    .min(1, 'must not be empty')
    .max(128, 'must be at most 128 characters')
    .regex(/^[^\p{Cc}]*$/u, 'must not hold control characters'),
  enabled: z.boolean('must be true or false').default(true),
  /** Devices named or in one of the groups; and, where rules are named, of these rules. Nothing named: everything. */
  scope: z
    .strictObject(
      { devices: ids('device'), groups: ids('group'), rules: ids('rule') },
      'must be {devices, groups, rules}',
    )
    .default({ devices: [], groups: [], rules: [] }),
  when: z.discriminatedUnion(
    'kind',
    [
      z
        .strictObject({ kind: z.literal('once'), from: moment, until: moment })
        .refine(({ from, until }) => Date.parse(until) > Date.parse(from), {
          path: ['until'],
          error: 'must be later than "from"',
        })
        .refine(({ from, until }) => Date.parse(until) - Date.parse(from) <= WINDOW_DAYS_MAX * DAY_MS, {
          path: ['until'],
          error: `must be at most ${WINDOW_DAYS_MAX} days after "from"`,
        }),
      /** Days and hours in a time zone, as rules have them. */
      z.strictObject({ kind: z.literal('weekly'), schedule, from: moment.optional(), until: moment.optional() }),
    ],
    'must be once or weekly',
  ),
});
export type WindowContent = z.output<typeof maintenanceWindow>;

/** The document: container `actions`, key tenant. */
export interface WindowDocument {
  id: string;
  tenantId: TenantId;
  kind: 'maintenance-window';
  content: WindowContent;
  createdAt: string;
  updatedAt: string;
}

/** What a window may cover. */
export interface Covered {
  deviceId: string;
  groups: readonly string[];
  ruleId: string;
}

/**
 * Until when a window covers something, epoch milliseconds; undefined: it does not now. The end of a weekly one is looked
 * for a day ahead: whoever holds something looks again then.
 */
export function coversUntil({ enabled, scope, when }: WindowContent, what: Covered, nowMs: number): number | undefined {
  if (!enabled || !isInScope(scope, what)) return undefined;
  const from = when.from === undefined ? -Infinity : Date.parse(when.from);
  const until = when.until === undefined ? Infinity : Date.parse(when.until);
  if (nowMs < from || nowMs >= until) return undefined;
  if (when.kind === 'once') return until;
  if (!isOnSchedule(when.schedule, nowMs)) return undefined;
  let at = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  while (at < Math.min(until, nowMs + DAY_MS) && isOnSchedule(when.schedule, at)) at += MINUTE_MS;
  return Math.min(at, until);
}

function isInScope({ devices, groups, rules }: WindowContent['scope'], { deviceId, groups: its, ruleId }: Covered) {
  const isDevice =
    (devices.length === 0 && groups.length === 0) ||
    devices.includes(deviceId) ||
    groups.some((group) => its.includes(group));
  return isDevice && (rules.length === 0 || rules.includes(ruleId));
}

/** Access to the windows of a tenant. */
export interface WindowsRepository {
  find(tenantId: string, id: string): Promise<Stored<WindowDocument> | undefined>;
  list(tenantId: string): Promise<Stored<WindowDocument>[]>;
  create(document: WindowDocument): Promise<Stored<WindowDocument> | undefined>;
  replace(document: WindowDocument, etag: string): Promise<Stored<WindowDocument> | undefined>;
  remove(document: Stored<WindowDocument>): Promise<boolean>;
}

/** Makes the repository over the store. */
export function createWindowsRepository(store: Store): WindowsRepository {
  return {
    find: async (tenantId, id) => {
      const found = await store.read<WindowDocument>('actions', id, tenantId);
      return found?.kind === 'maintenance-window' ? found : undefined;
    },
    list: (tenantId) =>
      store.all<WindowDocument>(
        'actions',
        { query: "SELECT * FROM c WHERE c.kind = 'maintenance-window' ORDER BY c.id" },
        tenantId,
      ),
    create: (document) => store.create('actions', document),
    replace: (document, etag) => store.replace('actions', document, etag),
    remove: ({ id, tenantId, _etag }) => store.delete('actions', id, tenantId, _etag),
  };
}
