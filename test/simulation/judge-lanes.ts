/**
 * Invariants of the journal: entries numbered without holes or repeats; a lane of a partition says what was applied and
 * what that caused, in the order of the hub; the lane `ops` says everything that no event caused, once, in the order of
 * each device; nothing is told to live streams that is not in a lane, in another number or with other words.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JournalEntry, JournalEvent } from '../../shared/journal/journal-entry.ts';
import { difference, type Applied, type DeviceHistory } from './judge-device.ts';
import type { Outcome } from './world.ts';

/** Judges all lanes of all tenants. */
export function judgeLanes(
  { account, hub, scenario, published }: Outcome,
  histories: readonly DeviceHistory[],
): string[] {
  const wrong: string[] = [];
  const lanes = new Map<string, JournalEntry[]>();
  for (const { container, pk, documents } of account.commits) {
    if (container !== 'journal') continue;
    for (const document of documents) {
      if (document['kind'] !== 'entry') continue;
      const { tenantId, lane, n, to, e } = document as unknown as JournalEntry;
      lanes.set(pk, [...(lanes.get(pk) ?? []), { tenantId, lane, n, to, e }]);
    }
  }
  for (const [pk, entries] of lanes) {
    const hole = entries.findIndex(({ n }, index) => n !== index + 1);
    if (hole >= 0) wrong.push(`${pk}: entry ${hole + 1} has the number ${entries[hole]?.n}.`);
    const listed = account.read('journal', entries[0]?.lane ?? '', `${entries[0]?.tenantId}|lanes`);
    if (!listed) wrong.push(`${pk}: the lane is not listed.`);
    const head = account.read('journal', 'head', pk);
    if (head?.['n'] !== entries.at(-1)?.n)
      wrong.push(`${pk}: the head says ${JSON.stringify(head?.['n'])}, of ${entries.length}.`);
  }
  for (const tenantId of new Set(scenario.devices.map((device) => device.tenantId))) {
    const ofTenant = histories.filter(({ device }) => device.tenantId === tenantId);
    for (const { lane, all } of hub.partitions) {
      // By the hub's order: numbers begin again where it was created again, but the log does not.
      const order = new Map(all.map(({ seq, enqueuedMs }, index) => [`${seq}/${enqueuedMs}`, index]));
      const placeOf = ({ seq, enq }: Applied) => order.get(`${seq}/${enq}`) ?? -1;
      const wanted = ofTenant
        .flatMap(({ applied }) => applied.filter((set) => set.lane === lane))
        .toSorted((a, b) => placeOf(a) - placeOf(b) || a.i - b.i)
        .flatMap((set) => [telemetryOf(set), ...set.caused.map(({ d }) => d.eventId)]);
      const told = (lanes.get(`${tenantId}|${lane}`) ?? []).flatMap(({ e }) => e.map(lineOf));
      if (!isDeepStrictEqual(told, wanted)) wrong.push(`${tenantId}|${lane}: ${difference(told, wanted)}.`);
    }
    const ops = (lanes.get(`${tenantId}|ops`) ?? []).flatMap(({ e }) => e);
    for (const { device, transitions } of ofTenant) {
      const told = ops.filter(({ d }) => d.deviceId === device.deviceId).map(({ d }) => d.eventId);
      const wanted = transitions.filter(({ lane }) => lane === 'ops').flatMap(({ e }) => e.map(({ d }) => d.eventId));
      if (!isDeepStrictEqual(told, wanted))
        wrong.push(`${tenantId}|ops of ${device.deviceId}: ${difference(told, wanted)}.`);
    }
  }
  for (const entry of published) {
    const kept = lanes.get(`${entry.tenantId}|${entry.lane}`)?.[entry.n - 1];
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(entry)), kept))
      wrong.push(`${entry.tenantId}|${entry.lane}: what was published as ${entry.n} is not what the lane says.`);
  }
  return wrong;
}

function telemetryOf({ event }: Applied): string {
  return `${event.eventId} ${event.deviceId} ${JSON.stringify(event.readings)}`;
}

function lineOf({ k, d }: JournalEvent): string {
  return k === 'telemetry' ? `${d.eventId} ${d.deviceId} ${JSON.stringify(d.readings)}` : d.eventId;
}
