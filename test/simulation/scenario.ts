/** What a seed plays: the fleet, its rules, what devices send and when, and the trouble that befalls everybody meanwhile. */
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { noise } from '../support/signals.ts';
import { pick, type Random } from './scheduler.ts';

/** A device of the fleet. */
export interface SimulatedDevice {
  tenantId: string;
  deviceId: string;
  /** Milliseconds that its clock is off. */
  clockOffMs: number;
}

/** A message that a device sends. `body` gets the device's time when it is sent. */
interface Sending {
  afterMs: number;
  key: string;
  body: (nowMs: number) => unknown;
}

/** What happens to the hub or its consumers, before the sending of the same index. */
export type Incident =
  | { kind: 'crash' }
  | { kind: 'steal' }
  | { kind: 'checkpoint lost' }
  | { kind: 'partition added' }
  | { kind: 'hub re-created' }
  | { kind: 'consumers stall'; ms: number }
  | { kind: 'store out'; ms: number }
  | { kind: 'broker behind'; ms: number }
  | { kind: 'operator' };

/** See the top of the file. */
export interface Scenario {
  devices: SimulatedDevice[];
  rules: readonly RuleDefinition[];
  partitions: number;
  hosts: number;
  sendings: Sending[];
  incidents: Map<number, Incident[]>;
  journalSeconds: number;
  faults: FaultChances;
}

/** Chances of what may happen to one request. */
interface FaultChances {
  crash: number;
  fails: number;
  answerLost: number;
  arrivesLate: number;
  slowAnswer: number;
  uncheckpointed: number;
}

/** A value that the simulated store refuses with 413, whoever writes it. */
export const POISON = 'poison';
/** Milliseconds of a clean silence: longer than any `nodata` rule here waits. */
export const SILENCE_MS = 95_000;
/** Milliseconds that the clock of a broker may be behind. */
export const BROKER_OFF_MS = 4_000;

const MESSAGES_REPEATED = 0.15;

/** Shared by all seeds, so that they are compiled once. Ids are those of the product: no `~`. */
const RULE_SETS: readonly (readonly RuleDefinition[])[] = [
  [rule('level', { when: above('level', 82) })],
  [
    rule('level', { when: above('level', 82) }),
    rule('hold', {
      for: '20s',
      keepFiring: '10s',
      when: {
        kind: 'condition',
        if: {
          all: [
            { param: 'level', op: 'gt', value: 50 },
            { param: 'on', op: 'eq', value: true },
          ],
        },
      },
    }),
  ],
  [
    rule('silent', { when: { kind: 'nodata', after: '40s' } }),
    rule('level', { when: above('level', 75), clear: { param: 'level', op: 'lt', value: 60 }, times: 2 }),
  ],
  [
    rule('silent', { when: { kind: 'nodata', after: '60s', params: ['level'] } }),
    rule('timer', { when: { kind: 'timer', cron: '30 * * * * *', tz: 'UTC' } }),
    rule('asked', {
      when: {
        kind: 'timer',
        cron: '*/20 * * * * *',
        tz: 'Europe/London',
        if: { param: 'level', op: 'gt', value: 55 },
      },
    }),
  ],
  [
    rule('mean', {
      when: { kind: 'window', param: 'level', agg: 'avg', period: '1m', op: 'gt', value: 55, clearValue: 50 },
    }),
    rule('few', { when: { kind: 'window', param: 'level', agg: 'count', period: '1m', op: 'lt', value: 3 } }),
    rule('steep', { when: { kind: 'rate', param: 'level', per: '1m', over: '30s', op: 'gt', value: 60 } }),
  ],
  [
    rule('latched', { latch: true, when: above('level', 70) }),
    rule('manual', { autoResolve: false, when: above('level', 78) }),
    rule('odd', { when: { kind: 'anomaly', minScore: 0.05, within: '2m' } }),
    rule('worse', {
      when: above('level', 60),
      raise: [{ severity: 'critical', if: { param: 'level', op: 'gt', value: 80 } }],
    }),
  ],
];

function above(param: string, value: number) {
  return { kind: 'condition', if: { param, op: 'gt', value } };
}

function rule(id: string, content: object): RuleDefinition {
  return { ...ruleDefinition.parse({ name: id, ...content }), id: `rul_${id}`, version: 1 };
}

/** Draws a scenario. */
export function drawScenario(random: Random): Scenario {
  const devices = ['a', 'a', 'b'].slice(pick(random, 3) === 0 ? 1 : 0).map((tenantId, index): SimulatedDevice => ({
    tenantId,
    deviceId: `d${index}`,
    clockOffMs: [0, 0, -30_000, 20_000][pick(random, 4)] ?? 0,
  }));
  const sendings = drawSendings(devices, random);
  const isCalm = random() < 0.1;
  const chance = (most: number) => (isCalm ? 0 : most * random());
  return {
    devices,
    rules: RULE_SETS[pick(random, RULE_SETS.length)] ?? [],
    partitions: 1 + pick(random, 3),
    hosts: 2 + pick(random, 2),
    sendings,
    incidents: isCalm ? new Map() : drawIncidents(sendings.length, random),
    journalSeconds: random() < 0.2 ? 120 : 86_400,
    faults: {
      crash: chance(0.008),
      fails: chance(0.04),
      answerLost: chance(0.04),
      arrivesLate: chance(0.03),
      slowAnswer: chance(0.3),
      uncheckpointed: chance(0.8),
    },
  };
}

function drawSendings(devices: SimulatedDevice[], random: Random): Sending[] {
  const messageIds = new Map<string, string[]>();
  const unlike = Math.floor(random() * 3);
  const isPoisoned = random() < 0.3;
  let silent: { device: SimulatedDevice; until: number } | undefined;
  return Array.from({ length: 12 + pick(random, 16) }, (_, index): Sending => {
    const device = devices[pick(random, devices.length)] ?? { tenantId: '', deviceId: '', clockOffMs: 0 };
    const { deviceId: key, clockOffMs } = device;
    const afterMs = random() < 0.06 ? SILENCE_MS : pick(random, random() < 0.3 ? 15_000 : 2_500);
    const kind = random();
    if (kind < 0.04) return { afterMs, key, body: () => '{"no json' };
    if (kind < 0.07) return { afterMs, key: 'nobody', body: () => ({ deviceId: 'nobody', readings: { level: 1 } }) };
    // Devices that fall silent for a while leave the others sending.
    if (silent && silent.device === device && index < silent.until) {
      return { afterMs, key: 'nobody', body: () => ({ deviceId: 'nobody', readings: { level: 2 } }) };
    }
    if (random() < 0.05) silent = { device, until: index + 6 };
    if (kind < 0.35) {
      const values = Array.from({ length: 2 + pick(random, 28) }, () => readings(random, unlike, isPoisoned));
      return {
        afterMs,
        key,
        body: (nowMs) =>
          values.map((each, place) => ({
            deviceId: key,
            ts: nowMs + clockOffMs - (values.length - 1 - place) * 100,
            readings: each,
          })),
      };
    }
    const known = messageIds.get(key) ?? [];
    messageIds.set(key, known);
    const again = known.length > 0 && random() < MESSAGES_REPEATED;
    // Most often the last one: its acknowledgement was lost.
    const sent = random() < 0.6 ? known.at(-1) : known[pick(random, known.length)];
    const messageId = again ? (sent ?? '') : `m${index}`;
    if (!again) known.push(messageId);
    const lateMs = random() < 0.08 ? 15_000 : pick(random, 300);
    const value = readings(random, unlike, isPoisoned && !again);
    return {
      afterMs,
      key,
      body: (nowMs) => ({ deviceId: key, ts: nowMs + clockOffMs - lateMs, messageId, readings: value }),
    };
  });
}

function readings(random: Random, unlike: number, isPoisoned: boolean): Record<string, number | boolean | string> {
  const level = random() < 0.08 ? 500 : Math.round(50 + 20 * noise(random));
  return {
    level,
    ...(unlike === 0 ? {} : { on: random() < 0.7 }),
    ...(isPoisoned && random() < 0.06 ? { [POISON]: POISON } : {}),
  };
}

function drawIncidents(sendings: number, random: Random): Map<number, Incident[]> {
  const incidents = new Map<number, Incident[]>();
  const plan = (most: number, draw: () => Incident) => {
    for (let count = pick(random, most + 1); count > 0; count--) {
      const at = pick(random, sendings);
      incidents.set(at, [...(incidents.get(at) ?? []), draw()]);
    }
  };
  plan(2, () => ({ kind: 'crash' }));
  plan(4, () => ({ kind: 'steal' }));
  plan(2, () => ({ kind: 'checkpoint lost' }));
  plan(4, () => ({ kind: 'operator' }));
  plan(2, () => ({ kind: 'broker behind', ms: BROKER_OFF_MS }));
  if (random() < 0.3) plan(1, () => ({ kind: 'consumers stall', ms: 20_000 + pick(random, 580_000) }));
  if (random() < 0.2) plan(1, () => ({ kind: 'store out', ms: 2_000 + pick(random, 40_000) }));
  if (random() < 0.4) plan(1, () => ({ kind: 'partition added' }));
  if (random() < 0.4) plan(1, () => ({ kind: 'hub re-created' }));
  return incidents;
}
