/** `POST /v1/rules/backtest`: what rules would have done, from stored history. Nothing is changed by it. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { stepAnomalies, NO_EPISODES } from '../anomalies/anomaly-episodes.ts';
import { DeviceDetectors } from '../anomalies/device-detectors.ts';
import { deviceId, type Device } from '../devices/devices.ts';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { Backtest, BACKTEST_TRANSITIONS_MAX, type BacktestOutcome } from '../rules/backtest.ts';
import { appliesTo } from '../rules/compile-rules.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import { eventsOf, moment } from './device-history.ts';
import { ruleBody, rulePath } from './manage-rules.ts';
import type { ManageCall, ManageServices } from './manage-services.ts';
import { everywhere, inline, ownDevice, ruleDevice, storedRule, viewOfTransition } from './rule-trial.ts';

/** Rules of one backtest. */
export const BACKTEST_RULES_MAX = 100;
/** Devices of one backtest. */
export const BACKTEST_DEVICES_MAX = 20;
/** Events of one backtest: 30 days of one device at one event every 10 s, and some. */
export const BACKTEST_EVENTS_MAX = 300_000;
/** Longest range of a backtest, milliseconds. */
const BACKTEST_RANGE_MAX_MS = 31 * 86_400_000;
const DAY_MS = 86_400_000;
const ruleId = rulePath.shape.ruleId;

/** The body of a backtest. */
export const ruleBacktest = z
  .strictObject({
    rule: ruleBody.optional(),
    ruleId: ruleId.optional(),
    rules: z.array(ruleBody).min(1).max(BACKTEST_RULES_MAX, `must hold at most ${BACKTEST_RULES_MAX} rules`).optional(),
    ruleIds: z.array(ruleId).min(1).max(BACKTEST_RULES_MAX, `must hold at most ${BACKTEST_RULES_MAX} ids`).optional(),
    deviceId: deviceId.optional(),
    /** None named: the first devices that the rules are for. */
    deviceIds: z
      .array(deviceId)
      .min(1)
      .max(BACKTEST_DEVICES_MAX, `must name at most ${BACKTEST_DEVICES_MAX} devices`)
      .optional(),
    /** Event times; absent: the last day. */
    from: moment.optional(),
    to: moment.optional(),
  })
  .refine(
    ({ rule, ruleId: id, rules, ruleIds }) =>
      [rule, id, rules, ruleIds].filter((each) => each !== undefined).length === 1,
    { path: ['rule'], error: 'give one of rule, ruleId, rules, ruleIds' },
  )
  .refine(({ from, to }) => from === undefined || to === undefined || from < to, {
    path: ['to'],
    error: 'must be after from',
  })
  .refine(({ from, to }) => from === undefined || to === undefined || to - from <= BACKTEST_RANGE_MAX_MS, {
    path: ['from'],
    error: 'must be at most 31 days before to',
  });

/**
 * Replays what the store has of devices through rules.
 * @throws Problem 404 for a rule or device that the tenant does not have, 422 where no device is left
 */
export async function backtestRules(
  services: ManageServices,
  call: ManageCall<unknown, undefined, z.output<typeof ruleBacktest>>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { rule, ruleId: id, rules = [], ruleIds = [], deviceId: one, deviceIds, ...range } = call.body;
  const given = [...(rule ? [rule] : []), ...rules];
  const definitions = [
    ...given.map((content, index) => inline(content, given.length === 1 ? 'rule' : `rules-${index}`)),
    ...(await Promise.all([...(id ? [id] : []), ...ruleIds].map((each) => storedRule(services, tenantId, each)))),
  ].map((definition) => ({ ...definition, enabled: true }));
  const toMs = range.to ?? services.now();
  const fromMs = range.from ?? toMs - DAY_MS;
  if (fromMs >= toMs || toMs - fromMs > BACKTEST_RANGE_MAX_MS) {
    throw new Problem('invalid-body', 400, 'from: must be before to, at most 31 days');
  }
  const named = deviceIds ?? (one === undefined ? undefined : [one]);
  const devices = named
    ? await Promise.all(named.map((each) => ownDevice(services, tenantId, each)))
    : await devicesFor(services, tenantId, definitions);
  const outcomes = new Map<string, BacktestOutcome>();
  let left = BACKTEST_EVENTS_MAX;
  let truncated = false;
  let events = 0;
  const usesScores = definitions.some(({ when }) => when.kind === 'anomaly');
  for (const device of devices) {
    const backtest = new Backtest(
      named ? definitions.map(everywhere) : definitions,
      await ruleDevice(services, device),
    );
    const score = usesScores ? scorer() : undefined;
    let last = toMs;
    for await (const each of eventsOf(services.store, device, { fromMs, toMs })) {
      if (left-- <= 0) {
        truncated = true;
        last = each.ts;
        break;
      }
      backtest.add(each, score?.(each));
    }
    events += backtest.events;
    for (const [ruleKey, outcome] of backtest.finish(Math.min(last, services.now()))) merge(outcomes, ruleKey, outcome);
    if (truncated) break;
  }
  return {
    jsonBody: {
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      devices: devices.map(({ deviceId: each }) => each),
      events,
      truncated,
      rules: definitions.map(({ id: key, name }) => viewOfOutcome(key, name, outcomes.get(key))),
    },
  };
}

async function devicesFor(
  { devices }: ManageServices,
  tenantId: TenantId,
  definitions: RuleDefinition[],
): Promise<Device[]> {
  const found = await devices.list(tenantId, { limit: 1000 });
  const wanted = found.filter((device) =>
    definitions.some((rule) =>
      appliesTo(rule, { id: device.deviceId, groups: device.groups, profile: device.profile }),
    ),
  );
  if (wanted.length > 0) return wanted.slice(0, BACKTEST_DEVICES_MAX);
  throw new Problem('no-device', 422, 'These rules are for no device of this tenant: name some in deviceIds.');
}

/** Detectors that learn from the beginning of the range, as new ones would have. */
function scorer() {
  const detectors = DeviceDetectors.restore();
  let episodes = NO_EPISODES;
  return (each: Parameters<typeof stepAnomalies>[2]) => {
    const judged = stepAnomalies(detectors, episodes, each);
    episodes = judged.episodes;
    return judged.scores;
  };
}

function merge(outcomes: Map<string, BacktestOutcome>, key: string, outcome: BacktestOutcome): void {
  const before = outcomes.get(key);
  if (!before) return void outcomes.set(key, outcome);
  before.opened += outcome.opened;
  before.resolved += outcome.resolved;
  before.inAlertMs += outcome.inAlertMs;
  for (const [day, count] of Object.entries(outcome.perDay)) before.perDay[day] = (before.perDay[day] ?? 0) + count;
  const room = BACKTEST_TRANSITIONS_MAX - before.transitions.length;
  before.transitions.push(...outcome.transitions.slice(0, Math.max(0, room)));
}

function viewOfOutcome(id: string, name: string, outcome: BacktestOutcome | undefined) {
  const { opened = 0, resolved = 0, inAlertMs = 0, perDay = {}, transitions = [] } = outcome ?? {};
  return {
    ruleId: id,
    name,
    opened,
    resolved,
    stillOpen: opened - resolved,
    inAlertMs,
    perDay: Object.entries(perDay)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([day, count]) => ({ day, opened: count })),
    transitions: transitions.map(viewOfTransition),
  };
}
