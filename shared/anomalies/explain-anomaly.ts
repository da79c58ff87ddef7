/** Says in one sentence why a point is an anomaly. */
import type { AnomalyEvent } from './anomalies.ts';
import type { AnomalyKind } from './detector.ts';

/** The facts that an explanation draws on. */
export interface AnomalyFacts {
  parameter: string;
  kind: AnomalyKind;
  direction: AnomalyEvent['direction'];
  value: number;
  expected: number;
  lower: number;
  upper: number;
  /** The nearest value ever seen before. */
  near: number;
}

/** One sentence for people: what was seen, and what was known before. */
export function explainAnomaly(facts: AnomalyFacts): string {
  const { parameter, kind, direction } = facts;
  const value = short(facts.value);
  const up = direction === 'up';
  switch (kind) {
    case 'spike':
      return facts.value >= facts.lower && facts.value <= facts.upper
        ? `${parameter} is ${value}, in a gap between the values seen before; the nearest was ${short(facts.near)}.`
        : `${parameter} is ${value}, ${up ? 'higher' : 'lower'} than anything seen before; the nearest value was ${short(facts.near)}.`;
    case 'shift':
      return `${parameter} has moved ${up ? 'up' : 'down'} from its longer-term level faster or further than ever before; now ${value}.`;
    case 'level':
      return `The recent mean of ${parameter} has ${up ? 'risen' : 'fallen'} to where it has not been before; now ${value}.`;
    case 'drift':
      return `${parameter} is drifting ${up ? 'up' : 'down'} in a way not seen before; now ${value}.`;
    case 'jump':
      return `${parameter} jumped ${up ? 'up' : 'down'} to ${value} in a step unlike any before.`;
    case 'season':
      return `${parameter} is ${value}, unusually ${up ? 'high' : 'low'} for this time of day; about ${short(facts.expected)} is usual.`;
    case 'stuck':
      return `${parameter} normally changes, but keeps repeating ${value}.`;
  }
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
