/** Judges what a run has left behind: empty when every invariant holds. */
import { isDeepStrictEqual } from 'node:util';
import type { StateDocument } from '../../shared/ingest/device-state.ts';
import { textOf } from './account.ts';
import { judgeDevice, type DeviceHistory } from './judge-device.ts';
import { judgeLanes } from './judge-lanes.ts';
import { judgeProjection } from './judge-projection.ts';
import { judgeSilence } from './judge-silence.ts';
import { readLog } from './oracle.ts';
import { POISON } from './scenario.ts';
import type { Outcome } from './world.ts';

/** What is wrong with a run, one sentence each. */
export function judge(outcome: Outcome): string[] {
  const { scenario, hub, account, stuck, tally } = outcome;
  if (stuck !== undefined) return [stuck];
  const wrong: string[] = Object.keys(tally).filter((what) => what.startsWith('unexpected'));
  const ids = new Set(scenario.devices.map(({ deviceId }) => deviceId));
  const log = readLog(hub.partitions, ids, ({ event }) => event.readings[POISON] !== undefined);

  const aside = new Set(account.all('quarantine').map(({ id, lane }) => `${textOf(lane)}/${id}`));
  if (!isDeepStrictEqual(aside, log.quarantined))
    wrong.push(`Quarantine holds ${[...aside].join(' ')}, and not ${[...log.quarantined].join(' ')}.`);

  const commits = Map.groupBy(
    account.commits.filter(({ container }) => container === 'device-data'),
    ({ pk }) => pk,
  );
  const histories: DeviceHistory[] = [];
  for (const device of scenario.devices) {
    const { tenantId, deviceId } = device;
    const ofDevice = commits.get(`${tenantId}|${deviceId}`) ?? [];
    const history = judgeDevice(scenario.rules, device, ofDevice, log.sets.get(deviceId) ?? new Map());
    const stored = account.read('device-data', 'state', `${tenantId}|${deviceId}`) as StateDocument | undefined;
    wrong.push(...history.wrong, ...judgeSilence(scenario.rules, history, stored));
    histories.push(history);
  }
  wrong.push(...judgeLanes(outcome, histories), ...judgeProjection(account, scenario.devices));
  return wrong;
}
