/**
 * Every kind but `nodata` and `timer` as conditions over numbers. A window, a rate and a count of anomalies are numbers
 * that the fold computes: to a rule they look like one more parameter, so that holds, recovery, guards and three-valued
 * logic are one machinery for all kinds.
 */
import type { Condition } from './condition.ts';
import type { RuleContent } from './rule-definition.ts';
import type { AGGREGATES, When } from './rule-kinds.ts';

/** What a window computes: the aggregates of the schema, the rate of change, and how many anomalous readings it saw. */
export type WindowFunction = (typeof AGGREGATES)[number] | 'rate' | 'anomalies';

/** A window over one parameter, or over the scores of several. Rules that want the same share it. */
export interface WindowSpec {
  /** Names it in the state. No parameter can have such a name. */
  key: string;
  fn: WindowFunction;
  /** Empty only for the anomalies of any parameter. */
  params: readonly string[];
  periodMs: number;
  mode: 'sliding' | 'tumbling';
  minSamples: number;
  /** Unknown until a whole period has passed since the first sample: a small sum of half a period says nothing. */
  whole: boolean;
  /** Rate: the unit of time, in milliseconds. */
  perMs: number;
  /** Hits: the score from which a reading counts. */
  minScore: number;
}

/** A rule as conditions: what opens, what clears, and the window behind both. */
export interface Watched {
  open: Condition;
  /** Absent: clear is the opposite of open. */
  clear: Condition | undefined;
  window: WindowSpec | undefined;
}

/** What a rule watches, as conditions; undefined for the kinds that time alone drives. */
export function watchedOf({ when, clear }: Pick<RuleContent, 'when' | 'clear'>): Watched | undefined {
  switch (when.kind) {
    case 'condition':
      return { open: when.if, clear, window: undefined };
    case 'window':
    case 'rate': {
      const window = windowOf(when);
      const open: Condition = { param: window.key, op: when.op, value: when.value };
      const { clearValue } = when;
      const back = clearValue === undefined ? undefined : comeBack(window.key, when.op, clearValue);
      const both = clear && back ? { all: [back, clear] } : (clear ?? back);
      return { open, clear: both, window };
    }
    case 'anomaly': {
      const window = windowOf(when);
      return { open: { param: window.key, op: 'gte', value: when.count }, clear, window };
    }
    case 'nodata':
    case 'timer':
      return undefined;
  }
}

/** The parameters a rule is about, each once; none for a rule about any. */
export function ownParameters(when: When): string[] {
  switch (when.kind) {
    case 'window':
    case 'rate':
      return [when.param];
    case 'nodata':
    case 'anomaly':
      return when.params;
    case 'condition':
    case 'timer':
      return [];
  }
}

function comeBack(param: string, op: 'gt' | 'gte' | 'lt' | 'lte', value: Extract<When, { kind: 'rate' }>['value']) {
  return { param, op: op === 'gt' || op === 'gte' ? 'lte' : 'gte', value } as const;
}

function windowOf(when: Extract<When, { kind: 'window' | 'rate' | 'anomaly' }>): WindowSpec {
  const base = { mode: 'sliding', minSamples: 1, whole: false, perMs: 0, minScore: 0 } as const;
  switch (when.kind) {
    case 'window': {
      const { agg, param, period, mode, minSamples } = when;
      const whole = (agg === 'count' || agg === 'sum') && (when.op === 'lt' || when.op === 'lte');
      const variant = `${mode === 'sliding' ? 's' : 't'}${whole ? 'w' : ''}${minSamples > 1 ? minSamples : ''}`;
      const key = `${agg}(${param})/${period}/${variant}`;
      return { ...base, key, fn: agg, params: [param], periodMs: period, mode, minSamples, whole };
    }
    case 'rate': {
      const { param, over, per } = when;
      const key = `rate(${param})/${over}/${per}`;
      return { ...base, key, fn: 'rate', params: [param], periodMs: over, minSamples: 2, perMs: per };
    }
    case 'anomaly': {
      const { params, within, minScore } = when;
      const key = `anomalies(${params.toSorted().join(',')})/${within}/${minScore}`;
      return { ...base, key, fn: 'anomalies', params, periodMs: within, minScore };
    }
  }
}
