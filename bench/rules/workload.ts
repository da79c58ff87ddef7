/** What the rule benchmarks run: conditions, definitions and events from one seed. */
import type { Condition } from '../../shared/rules/condition.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { Readings, TelemetryEvent } from '../../shared/telemetry/telemetry-event.ts';
import { seeded } from '../measure.ts';

const PARAMETERS = 10;
export const parameters = Array.from({ length: PARAMETERS }, (_, index) => `p${index}`);
const START_MS = 1_795_514_400_000;

/** One seeded world; two of the same seed are equal. */
export class Workload {
  readonly random: () => number;
  readonly #levels: number[];

  constructor(seed: number) {
    this.random = seeded(seed);
    this.#levels = parameters.map(() => this.random() * 100);
  }

  /** 60 limits, 25 pairs, 15 nested in a hundred: the mix of the study behind the goals. */
  condition(index: number): Condition {
    const [first = 'p0', second = 'p1', third = 'p2'] = parameters.toSorted(() => this.random() - 0.5);
    const place = index % 100;
    if (place < 60) return this.leaf(first);
    const other: Condition = { param: second, op: 'between', value: [20, 80] };
    return place < 85
      ? { all: [this.leaf(first), other] }
      : { all: [{ any: [this.leaf(first), this.leaf(third)] }, other] };
  }

  /** Values wander between 0 and 100; a limit in the outer tenth is crossed now and then, as in the field. */
  leaf(param: string): Condition {
    const high = 88 + Math.round(this.random() * 10);
    return this.random() < 0.5 ? { param, op: 'gt', value: high } : { param, op: 'lt', value: 100 - high };
  }

  /** The next event's readings: every parameter a step away from where it was. */
  readings(): Readings {
    const readings: Readings = {};
    for (const [at, name] of parameters.entries()) {
      const next = (this.#levels[at] ?? 50) + (this.random() - 0.5) * 2;
      this.#levels[at] = next < 0 ? -next : next > 100 ? 200 - next : next;
      readings[name] = Math.round((this.#levels[at] ?? 0) * 100) / 100;
    }
    return readings;
  }

  /** 20 limits, 5 holds, 4 windows, 1 rate: what a device of the field carries. */
  mixedRules(prefix = 'r'): RuleDefinition[] {
    const windows = [
      { agg: 'avg', param: 'p0', op: 'gt', value: 90 },
      { agg: 'max', param: 'p1', op: 'gt', value: 97 },
      { agg: 'min', param: 'p2', op: 'lt', value: 3 },
      { agg: 'stddev', param: 'p3', op: 'gt', value: 6 },
    ];
    return Array.from({ length: 30 }, (_, index) => {
      const id = `${prefix}${String(index).padStart(2, '0')}`;
      if (index < 25) {
        const more = index < 20 ? {} : { for: '1m', keepFiring: '30s' };
        return define(id, { kind: 'condition', if: this.condition(index < 12 ? 0 : 60 + index) }, more);
      }
      if (index < 29) return define(id, { kind: 'window', period: '10m', ...windows[index - 25] });
      return define(id, { kind: 'rate', param: 'p4', per: '1m', over: '5m', op: 'gt', value: 8 });
    });
  }
}

/** A checked rule. */
export function define(id: string, when: object, more: object = {}): RuleDefinition {
  return { ...ruleDefinition.parse({ name: id, when, ...more }), id };
}

/** An event of a device. */
export function eventOf(readings: Readings, index: number, deviceId = 'dev', everyMs = 10_000): TelemetryEvent {
  const ts = START_MS + index * everyMs;
  return { eventId: `direct-0:${index}`, deviceId, ts, receivedTs: ts, lane: 'direct-0', seq: index, readings };
}
