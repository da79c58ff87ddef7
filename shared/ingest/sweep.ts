/**
 * The sweep: lets time pass for devices whose rules wait for it. What is due is in the device's state, in the hub's time,
 * so a sweep reads only devices that have something to do. Devices of tenants whose rules have changed are looked at
 * once, because their states do not know yet what they wait for.
 */
import type { Device } from '../devices/devices.ts';
import type { TenantId } from '../identity/ids.ts';
import { count } from '../observability.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import { withoutSystemFields, type Document, type Store } from '../store/store.ts';
import type { AlertDesk } from './commit-handling.ts';
import { commitTime } from './commit-time.ts';
import { deviceKey, type StateDocument } from './device-state.ts';
import type { PartitionEnd, ProcessedTime } from './processed-time.ts';
import { rulesOf, type RulesOfDevices } from './rules-of-device.ts';

/** What the sweep works with. */
export interface SweepServices extends RulesOfDevices {
  store: Store;
  processed: ProcessedTime;
  desk: AlertDesk;
  /** Asks the hub where its partitions end. */
  partitionEnds(): Promise<PartitionEnd[]>;
  readDevice(deviceId: string): Promise<Device | undefined>;
  /** Registered devices of a tenant in the order of their ids. */
  listDevices(tenantId: TenantId, after: string | undefined, limit: number): Promise<Device[]>;
  now(): number;
  /** Seconds that transitions are kept. */
  transitionsTtl: number;
}

/** Devices of one look; the sweep looks again while there are more. */
const DEVICES_AT_A_TIME = 500;
/** Looks of one sweep: the next sweep goes on. */
const LOOKS_MAX = 20;
/** Devices committed at the same time. */
const IN_PARALLEL = 16;

/** Container `leases`: which rules of a tenant have been swept for. */
interface SweptRules extends Document {
  tenantId: TenantId;
  rules: string;
}

/** What one sweep did. */
export interface Swept {
  devices: number;
  transitions: number;
}

/** Sweeps once. @throws the first error, after all that started has ended; the next sweep comes anyway */
export async function sweep(services: SweepServices): Promise<Swept> {
  const askedMs = services.now();
  const processedMs = await services.processed.upTo(await services.partitionEnds(), askedMs);
  const swept: Swept = { devices: 0, transitions: 0 };
  if (!Number.isFinite(processedMs)) return swept;
  await sweepChangedRules(services, processedMs, swept);
  for (let look = 0; look < LOOKS_MAX; look++) {
    const due = await services.store.all<Pick<StateDocument, 'tenantId' | 'deviceId'>>('device-data', {
      query: `SELECT c.tenantId, c.deviceId FROM c WHERE c.kind = 'state' AND c.due <= @now ORDER BY c.due ASC OFFSET 0 LIMIT ${DEVICES_AT_A_TIME}`,
      parameters: [{ name: '@now', value: processedMs }],
    });
    await inParallel(due, (device) => letTimePass(services, device, processedMs, swept));
    if (due.length < DEVICES_AT_A_TIME) break;
  }
  count('sluice.sweep.devices', swept.devices);
  return swept;
}

async function letTimePass(
  services: SweepServices,
  { tenantId, deviceId }: { tenantId: string; deviceId: string },
  processedMs: number,
  swept: Swept,
): Promise<void> {
  const device = await services.readDevice(deviceId);
  swept.devices++;
  if (!device || device.tenantId !== tenantId || !device.enabled) {
    // Nobody is missed who is not expected: a device that is gone ends its alerts, a disabled one keeps them.
    if (!device || device.tenantId !== tenantId) await services.desk.endAll(tenantId, deviceId, 'deviceRemoved');
    await forgetDue(services.store, tenantId, deviceId);
    return;
  }
  swept.transitions += await commit(services, device, await rulesOf(services, device), processedMs);
}

async function commit(
  services: SweepServices,
  { tenantId, deviceId }: Device,
  compiled: CompiledRules,
  processedMs: number,
): Promise<number> {
  const { store, transitionsTtl: ttl } = services;
  const nowMs = services.now();
  const transitions = await commitTime(store, { tenantId, deviceId, compiled, processedMs, nowMs, ttl });
  if (transitions > 0) count('sluice.rules.transitions', transitions, { change: 'time' });
  return transitions;
}

async function sweepChangedRules(services: SweepServices, processedMs: number, swept: Swept): Promise<void> {
  const { store } = services;
  const known = await store.all<SweptRules>('leases', { query: "SELECT * FROM c WHERE STARTSWITH(c.id, 'swept|')" });
  const withRules = await store.all<{ tenantId: TenantId }>('rules', { query: 'SELECT DISTINCT c.tenantId FROM c' });
  const tenants = new Set([...known, ...withRules].map(({ tenantId }) => tenantId));
  for (const tenantId of tenants) {
    const rules = (await services.activeRules(tenantId)).map(({ id, version }) => `${id} ${version ?? 0}`).join('\n');
    if (known.find((each) => each.tenantId === tenantId)?.rules === rules) continue;
    let after: string | undefined;
    for (;;) {
      const devices = await services.listDevices(tenantId, after, DEVICES_AT_A_TIME);
      await inParallel(devices, async (device) => {
        if (!device.enabled) return;
        const compiled = await rulesOf(services, device);
        if (!(await mayMove(store, device, compiled))) return;
        swept.devices++;
        swept.transitions += await commit(services, device, compiled, processedMs);
      });
      if (devices.length < DEVICES_AT_A_TIME) break;
      after = devices.at(-1)?.deviceId;
    }
    const id = `swept|${tenantId}`;
    await store.upsert<SweptRules>('leases', { id, tenantId, rules });
  }
}

/** Whether a change of rules asks a device for anything before its next event. */
async function mayMove(store: Store, { tenantId, deviceId }: Device, compiled: CompiledRules): Promise<boolean> {
  if (compiled.timers.length > 0 || compiled.silences.length > 0) return true;
  const state = await store.read<StateDocument>('device-data', 'state', deviceKey(tenantId, deviceId));
  return Object.entries(state?.rules?.r ?? {}).some(([ruleId, { h }]) => compiled.byId.get(ruleId)?.hash !== h);
}

async function forgetDue(store: Store, tenantId: string, deviceId: string): Promise<void> {
  const stored = await store.read<StateDocument>('device-data', 'state', deviceKey(tenantId, deviceId));
  if (!stored) return;
  const { due: _, ...state } = withoutSystemFields<StateDocument>(stored);
  await store.replace('device-data', state, stored._etag);
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const errors: unknown[] = [];
  const worker = async () => {
    for (const item of queue) await work(item).catch((error: unknown) => errors.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(IN_PARALLEL, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
}
