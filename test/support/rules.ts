/** Rules and events for tests: a rule by what matters, an event by minute and readings. */
import { compileForDevice, type RuleDevice } from '../../shared/rules/compile-rules.ts';
import type { Condition } from '../../shared/rules/condition.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { closeFold, openFold, type RuleFold } from '../../shared/rules/rule-fold.ts';
import type { LastValues, RuleStates } from '../../shared/rules/rule-states.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';
import { step, type Scores } from '../../shared/rules/step.ts';
import { tick } from '../../shared/rules/tick.ts';
import type { Readings, TelemetryEvent } from '../../shared/telemetry/telemetry-event.ts';

export const START_MS = Date.UTC(2026, 10, 24, 10);
export const DEVICE: RuleDevice = { id: 'freezer-1', groups: ['freezers'], name: 'Freezer 1' };

/** A checked rule; its id is `r1` unless given. */
export function rule(condition: Condition, more: Record<string, unknown> = {}): RuleDefinition {
  const { id = 'r1', ...rest } = more;
  return {
    ...ruleDefinition.parse({ name: 'Too warm', when: { kind: 'condition', if: condition }, ...rest }),
    id: String(id),
  };
}

/** Epoch milliseconds of a minute of the test. */
export function at(minute: number): number {
  return START_MS + Math.round(minute * 60_000);
}

/** An event of `DEVICE` at a minute of the test. */
export function event(minute: number, readings: Readings): TelemetryEvent {
  const ts = at(minute);
  return { eventId: `direct-0:${minute}`, deviceId: DEVICE.id, ts, receivedTs: ts, lane: 'direct-0', seq: 0, readings };
}

/** A checked rule of any kind; its id is `r1` unless given. */
export function ruleOf(when: Record<string, unknown>, more: Record<string, unknown> = {}): RuleDefinition {
  const { id = 'r1', ...rest } = more;
  return { ...ruleDefinition.parse({ name: 'Watched', when, ...rest }), id: String(id) };
}

/** A device whose state is stored as JSON after every event, as ingest does at the least convenient. */
export class RuledDevice {
  states: RuleStates | undefined;
  last: LastValues | undefined;
  /** Minute at which time alone may move a rule next. */
  due: number | undefined;
  /** How far the device's clock is behind the hub's, in minutes. */
  behind = 0;

  /** One event under these rules; what it caused. */
  send(
    rules: RuleDefinition[],
    minute: number,
    readings: Readings,
    { device = DEVICE, scores }: { device?: RuleDevice; scores?: Scores } = {},
  ): RuleTransition[] {
    const received = { ...event(minute, readings), receivedTs: at(minute + this.behind) };
    return this.#fold(rules, device, (fold) => step(fold, received, scores));
  }

  /** Time passes without an event; what it caused. The minute is the hub's. */
  tick(rules: RuleDefinition[], minute: number, device: RuleDevice = DEVICE): RuleTransition[] {
    return this.#fold(rules, device, (fold) => tick(fold, at(minute)));
  }

  /** Ticks whenever something is due, as the sweep does, until a minute. */
  wait(rules: RuleDefinition[], minute: number, device: RuleDevice = DEVICE): string[] {
    const all: string[] = [];
    for (let ticks = 0; this.due !== undefined && this.due <= minute; ticks++) {
      if (ticks > 100) throw new Error('a tick did not move what was due');
      const now = this.due;
      all.push(...this.tick(rules, now, device).map((each) => brief(each, now)));
    }
    return all;
  }

  /** Values of the parameter `t`, one a minute or at the minutes given; what they caused, in short. */
  run(rules: RuleDefinition[], values: (number | [minute: number, value: number])[]): string[] {
    return values.flatMap((entry, index) => {
      const [minute, t] = typeof entry === 'number' ? [index, entry] : entry;
      return this.send(rules, minute, { t }).map((each) => brief(each, minute));
    });
  }

  #fold(rules: RuleDefinition[], device: RuleDevice, move: (fold: RuleFold) => RuleTransition[]): RuleTransition[] {
    const fold = openFold(compileForDevice(rules, device), this.states, this.last);
    const transitions = move(fold);
    const { due, ...closed } = closeFold(fold);
    this.due = due === undefined ? undefined : (due - START_MS) / 60_000;
    ({ states: this.states, last: this.last } = JSON.parse(JSON.stringify(closed)) as typeof closed);
    return transitions;
  }
}

/** A transition in short: when it was noticed, what, and when it happened; minutes of the test. */
export function brief(transition: RuleTransition, minute: number): string {
  const { kind } = transition;
  const since =
    kind === 'opened' ? transition.openedAt : kind === 'raised' ? transition.raisedAt : transition.resolvedAt;
  return `${minute}: ${kind} at ${(since - START_MS) / 60_000}`;
}
