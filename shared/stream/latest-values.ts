/** The last values of devices, as ingest keeps them in each device's state document. */
import type { LastValues } from '../rules/rule-states.ts';
import type { Store } from '../store/store.ts';
import type { Readings } from '../telemetry/telemetry-event.ts';

/** The last value of each parameter of a device. */
export interface LatestValues {
  deviceId: string;
  /** When the newest of them was taken, ISO 8601. */
  ts: string;
  readings: Readings;
}

/** Reads at a time: a snapshot is not urgent, and ingest shares the store. */
const READS_AT_A_TIME = 16;

/** What is looked at of a state document (`device-data`, key `tenant|device`, id `state`). */
interface DeviceState {
  deviceId: string;
  last?: LastValues;
}

/** The last values of the devices that have sent any, in the order of the ids. One point read per device. */
export async function latestValues(
  store: Pick<Store, 'read'>,
  tenantId: string,
  devices: ReadonlySet<string>,
): Promise<LatestValues[]> {
  const ids = [...devices].toSorted();
  const found: LatestValues[] = [];
  for (let from = 0; from < ids.length; from += READS_AT_A_TIME) {
    const some = ids.slice(from, from + READS_AT_A_TIME);
    // oxlint-disable-next-line no-await-in-loop -- a few at a time
    const states = await Promise.all(
      some.map((id) => store.read<DeviceState>('device-data', 'state', `${tenantId}|${id}`)),
    );
    found.push(...states.flatMap((state) => (state?.last ? valuesOf(state.deviceId, state.last) : [])));
  }
  return found;
}

function valuesOf(deviceId: string, last: LastValues): LatestValues[] {
  const values = Object.entries(last);
  if (values.length === 0) return [];
  return [
    {
      deviceId,
      ts: new Date(Math.max(...values.map(([, [ts]]) => ts))).toISOString(),
      readings: Object.fromEntries(values.map(([name, [, value]]) => [name, value])),
    },
  ];
}

/** Leaves the chosen parameters; a device that has none of them is left out. */
export function cutReadings(all: LatestValues[], parameters: ReadonlySet<string> | undefined): LatestValues[] {
  if (parameters === undefined) return all;
  return all
    .map((values) => ({
      ...values,
      readings: Object.fromEntries(Object.entries(values.readings).filter(([name]) => parameters.has(name))),
    }))
    .filter(({ readings }) => Object.keys(readings).length > 0);
}
