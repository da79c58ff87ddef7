/** Rules and events for tests: a rule by what matters, an event by minute and readings. */
import { compileForDevice, type RuleDevice } from '../../shared/rules/compile-rules.ts';
import type { Condition } from '../../shared/rules/condition.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { closeFold, openFold } from '../../shared/rules/rule-fold.ts';
import type { LastValues, RuleStates } from '../../shared/rules/rule-states.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';
import { step } from '../../shared/rules/step.ts';
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

/** A device whose state is stored as JSON after every event, as ingest does at the least convenient. */
export class RuledDevice {
  states: RuleStates | undefined;
  last: LastValues | undefined;

  /** One event under these rules; what it caused. */
  send(rules: RuleDefinition[], minute: number, readings: Readings, device: RuleDevice = DEVICE): RuleTransition[] {
    const fold = openFold(compileForDevice(rules, device), this.states, this.last);
    const transitions = step(fold, event(minute, readings));
    ({ states: this.states, last: this.last } = JSON.parse(JSON.stringify(closeFold(fold))) as ReturnType<
      typeof closeFold
    >);
    return transitions;
  }

  /** Values of the parameter `t`, one a minute or at the minutes given; what they caused, in short. */
  run(rules: RuleDefinition[], values: (number | [minute: number, value: number])[]): string[] {
    return values.flatMap((entry, index) => {
      const [minute, t] = typeof entry === 'number' ? [index, entry] : entry;
      return this.send(rules, minute, { t }).map((each) => brief(each, minute));
    });
  }
}

function brief(transition: RuleTransition, minute: number): string {
  const since = transition.kind === 'opened' ? transition.openedAt : transition.resolvedAt;
  return `${minute}: ${transition.kind} at ${(since - START_MS) / 60_000}`;
}
