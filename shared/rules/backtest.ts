/**
 * A backtest: rules over stored history, through the same step and tick as live, with no effect. Time between events
 * passes as the sweep would have let it, every 30 s.
 */
import type { TelemetryEvent } from '../telemetry/telemetry-event.ts';
import { compileForDevice, type RuleDevice } from './compile-rules.ts';
import type { RuleDefinition } from './rule-definition.ts';
import { dueAt, openFold, type RuleFold } from './rule-fold.ts';
import type { RuleTransition } from './rule-transition.ts';
import { step, type Scores } from './step.ts';
import { tick } from './tick.ts';

/** Milliseconds between two looks of the sweep. */
const SWEEP_MS = 30_000;
const DAY_MS = 86_400_000;
/** Transitions of one rule that an answer lists; all are counted. */
export const BACKTEST_TRANSITIONS_MAX = 1000;
/** Ticks between two events: a timer that fires every second must not run a month of them one by one. */
const TICKS_PER_GAP_MAX = 10_000;

/** What a rule would have done. Times are epoch milliseconds. */
export interface BacktestOutcome {
  opened: number;
  resolved: number;
  /** Time in alert, summed over its alerts; an open one until the end. */
  inAlertMs: number;
  /** Alerts opened by day, in UTC. */
  perDay: Record<string, number>;
  /** The first of them. */
  transitions: RuleTransition[];
}

/** Runs rules over the events of one device, in the order in which they were applied. */
export class Backtest {
  readonly #fold: RuleFold;
  readonly #outcomes = new Map<string, BacktestOutcome>();
  readonly #open = new Map<string, number>();
  #nextSweep = 0;
  #day = { number: Number.NaN, text: '' };
  events = 0;

  constructor(rules: readonly RuleDefinition[], device: RuleDevice) {
    this.#fold = openFold(compileForDevice(rules, device), undefined, undefined);
    for (const { definition } of this.#fold.compiled.rules) {
      this.#outcomes.set(definition.id, { opened: 0, resolved: 0, inAlertMs: 0, perDay: {}, transitions: [] });
    }
  }

  /** Takes the next event. @param scores what a detector says of its numbers, for `anomaly` rules */
  add(event: TelemetryEvent, scores?: Scores): void {
    if (event.receivedTs > this.#nextSweep) this.#pass(event.receivedTs);
    this.events++;
    for (const transition of step(this.#fold, event, scores)) this.#take(transition);
  }

  /** Lets the time until the end pass, and says what each rule has done, by rule id. */
  finish(toMs: number): ReadonlyMap<string, BacktestOutcome> {
    if (this.events > 0) this.#pass(toMs);
    for (const [ruleId, openedAt] of this.#open) this.#outcome(ruleId).inAlertMs += Math.max(0, toMs - openedAt);
    this.#open.clear();
    return this.#outcomes;
  }

  /** The sweep: ticks at its moments before `untilMs` at which something is due. */
  #pass(untilMs: number): void {
    for (let ticks = 0; this.events > 0 && ticks < TICKS_PER_GAP_MAX; ticks++) {
      const due = dueAt(this.#fold);
      if (due === undefined) break;
      const sweep = Math.max(this.#nextSweep, Math.ceil(due / SWEEP_MS) * SWEEP_MS);
      if (sweep >= untilMs) break;
      for (const transition of tick(this.#fold, sweep)) this.#take(transition);
      this.#nextSweep = sweep + SWEEP_MS;
    }
    this.#nextSweep = Math.max(this.#nextSweep, Math.ceil(untilMs / SWEEP_MS) * SWEEP_MS);
  }

  #take(transition: RuleTransition): void {
    const outcome = this.#outcome(transition.ruleId);
    if (outcome.transitions.length < BACKTEST_TRANSITIONS_MAX) outcome.transitions.push(transition);
    if (transition.kind === 'opened') {
      outcome.opened++;
      const day = this.#dayOf(transition.openedAt);
      outcome.perDay[day] = (outcome.perDay[day] ?? 0) + 1;
      this.#open.set(transition.ruleId, transition.openedAt);
    } else if (transition.kind === 'resolved') {
      outcome.resolved++;
      outcome.inAlertMs += Math.max(0, transition.resolvedAt - transition.openedAt);
      this.#open.delete(transition.ruleId);
    }
  }

  /** A date costs more than the step that opened the alert, and most follow one of the same day. */
  #dayOf(ms: number): string {
    const number = Math.floor(ms / DAY_MS);
    if (number !== this.#day.number) this.#day = { number, text: new Date(ms).toISOString().slice(0, 10) };
    return this.#day.text;
  }

  #outcome(ruleId: string): BacktestOutcome {
    const outcome = this.#outcomes.get(ruleId);
    if (!outcome) throw new Error(`a transition of the rule ${ruleId}, which was not asked for`);
    return outcome;
  }
}
