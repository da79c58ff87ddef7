/**
 * What one calm writer would have made of the same world: the log of the hub, folded in sequence by the pure reducer.
 * Where time or people moved a device as well, the fold takes those steps where the device's commits say they were
 * taken. This file gets the product's code as it is, also while a planted bug is in the code that is simulated.
 */
import { DeviceDetectors } from '../../shared/anomalies/device-detectors.ts';
import { newState, type AppliedSet, type StateDocument } from '../../shared/ingest/device-state.ts';
import { foldDevice, foldTime, type ReadingSet } from '../../shared/ingest/fold-device.ts';
import type { CompiledRules } from '../../shared/rules/compile-rules.ts';
import { RuleBook } from '../../shared/rules/rule-book.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';
import { decodeDirect } from '../../shared/telemetry/decode-direct.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';

/** A reading set of the log, and whether the store refuses it. */
export interface LoggedSet extends ReadingSet {
  isRefused: boolean;
}

/** What the hub's log holds, by device and by lane. */
export interface Log {
  /** By device, by lane: reading sets in order. */
  sets: Map<string, Map<string, LoggedSet[]>>;
  /** `lane/id` of the events that belong into quarantine. */
  quarantined: Set<string>;
}

/** Reads the whole log. @param isRefused whether the store refuses a raw event's set */
export function readLog(
  lanes: { lane: string; all: RawEvent[] }[],
  deviceIds: ReadonlySet<string>,
  isRefused: (set: ReadingSet) => boolean,
): Log {
  const log: Log = { sets: new Map([...deviceIds].map((id) => [id, new Map()])), quarantined: new Set() };
  for (const { lane, all } of lanes) {
    for (const raw of all) {
      const decoded = decodeDirect(raw);
      const ofDevice = decoded.ok ? log.sets.get(decoded.deviceId) : undefined;
      const aside = `${lane}/${raw.seq}-${raw.enqueuedMs}`;
      if (!decoded.ok || !ofDevice) {
        log.quarantined.add(aside);
        continue;
      }
      const sets = ofDevice.get(lane) ?? [];
      ofDevice.set(lane, sets);
      for (const [index, event] of decoded.events.entries()) {
        const isLast = index === decoded.events.length - 1;
        const set: ReadingSet = {
          at: { seq: raw.seq, enq: raw.enqueuedMs, ...(isLast ? {} : { i: index }) },
          event,
          ...(decoded.messageId === undefined ? {} : { messageId: decoded.messageId }),
        };
        const refused = isRefused(set);
        if (refused) log.quarantined.add(aside);
        sets.push({ ...set, isRefused: refused });
      }
    }
  }
  return log;
}

const ruleBook = new RuleBook();

/** The fold of one device, step by step. */
export class Oracle {
  state: StateDocument;
  readonly detectors = DeviceDetectors.restore();
  readonly #compiled: CompiledRules;

  constructor(rules: readonly RuleDefinition[], tenantId: string, deviceId: string) {
    this.state = newState(tenantId, deviceId);
    this.#compiled = ruleBook.compiledFor(rules, { id: deviceId, name: deviceId, groups: [] });
  }

  /** Applies reading sets of a lane. @returns what is applied, and the ids of what that causes */
  apply(lane: string, sets: readonly ReadingSet[]): { applied: AppliedSet[]; caused: string[]; causes: string[] } {
    const causedIds: string[] = [];
    const causes: string[] = [];
    const applied: AppliedSet[] = [];
    let rest = sets;
    while (rest.length > 0) {
      const folded = foldDevice(this.state, this.detectors, this.#compiled, lane, rest);
      this.state = folded.state;
      applied.push(...folded.applied);
      for (const caused of folded.caused) {
        causedIds.push(caused.k === 'alert' ? caused.transition.id : caused.transition.event.eventId);
        causes.push(caused.cause);
      }
      rest = rest.slice(folded.taken);
    }
    return { applied, caused: causedIds, causes };
  }

  /** Lets time pass. */
  tick(processedMs: number): RuleTransition[] {
    // As the sweep has it: read from the store, and beside what the instances remember.
    const { state, transitions } = foldTime(asStored(this.state), this.#compiled, processedMs);
    this.state = asStored(transitions.length > 0 ? { ...state, ops: (this.state.ops ?? 0) + 1 } : state);
    return transitions;
  }

  /** A person ended an alert of a rule. */
  end(ruleId: string): void {
    const { rules } = this.state;
    if (!rules) return;
    const { [ruleId]: _, ...r } = rules.r;
    this.state = { ...this.state, rules: { ...rules, r } };
  }
}

function asStored<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
