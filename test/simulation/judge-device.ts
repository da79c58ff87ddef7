/**
 * Invariants of one device: every reading set of the log applied once and in the order of its lane, none lost; each
 * commit exactly what the sequential fold makes of it (state, readings, transitions, saved detectors); each transition
 * once, and an alert opened before it ends.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CausedTransition, DetectorsDocument, StateDocument } from '../../shared/ingest/device-state.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { TelemetryEvent } from '../../shared/telemetry/telemetry-event.ts';
import { textOf, type Commit, type StoredDocument } from './account.ts';
import { Oracle, type LoggedSet } from './oracle.ts';
import type { SimulatedDevice } from './scenario.ts';

/** A set that was applied, with what it caused, in the order of the journal. */
export interface Applied {
  lane: string;
  seq: number;
  i: number;
  /** How many hubs of the name had been before: later ones number from 0 again. */
  enq: number;
  event: TelemetryEvent;
  caused: CausedTransition[];
}

/** What became of a device, and what is wrong with it. */
export interface DeviceHistory {
  device: SimulatedDevice;
  applied: Applied[];
  /** Transitions in the order of their commits. */
  transitions: { lane: string; e: CausedTransition[] }[];
  /** Moments at which time was let pass, with the number of sets applied before. */
  ticks: { processedMs: number; after: number }[];
  wrong: string[];
}

/** Walks through the commits of a device. */
export function judgeDevice(
  rules: readonly RuleDefinition[],
  device: SimulatedDevice,
  commits: readonly Commit[],
  lanes: ReadonlyMap<string, LoggedSet[]>,
): DeviceHistory {
  const walk = new Walk(rules, device, lanes);
  for (const commit of commits) walk.take(commit);
  return walk.end();
}

class Walk {
  readonly #device: SimulatedDevice;
  readonly #lanes: ReadonlyMap<string, LoggedSet[]>;
  readonly #oracle: Oracle;
  /** By lane: how many sets the device has behind it. */
  readonly #behind = new Map<string, number>();
  readonly #history: DeviceHistory;
  /** Ids of messages that were applied. */
  readonly #messages = new Set<string>();

  constructor(rules: readonly RuleDefinition[], device: SimulatedDevice, lanes: ReadonlyMap<string, LoggedSet[]>) {
    this.#device = device;
    this.#lanes = lanes;
    this.#oracle = new Oracle(rules, device.tenantId, device.deviceId);
    this.#history = { device, applied: [], transitions: [], ticks: [], wrong: [] };
  }

  take({ by, documents }: Commit): void {
    const state = documents.find(({ kind }) => kind === 'state') as StoredState | undefined;
    const transitions = documents.filter(({ kind }) => kind === 'transitions');
    const told = transitions.flatMap(({ lane, e }) => ({
      lane: textOf(lane),
      e: e as unknown as CausedTransition[],
    }));
    this.#history.transitions.push(...told);
    const ids = told.flatMap(({ e }) => e.map(({ d }) => d.eventId));
    switch (by.by) {
      case 'ingest':
        if (state)
          this.#takeEvents(
            state,
            documents,
            told.flatMap(({ e }) => e),
          );
        else
          this.#expect(
            documents.every(({ kind }) => kind === 'alert' || kind === 'anomaly'),
            'a commit lacks its state',
          );
        return;
      case 'sweep': {
        if (!state) return;
        const processedMs = by.processedMs ?? Number.NaN;
        this.#history.ticks.push({ processedMs, after: this.#history.applied.length });
        const caused = this.#oracle.tick(processedMs).map(({ id }) => id);
        this.#sameIds('what time causes', ids, caused);
        return this.#sameState(state);
      }
      case 'operator':
        for (const { kind, ruleId, condition } of documents)
          if (state && kind === 'alert' && condition === 'resolved') this.#oracle.end(textOf(ruleId));
        if (state) this.#sameState(state);
        return;
      case 'journal':
      case 'projection':
      case 'setup':
        this.#expect(false, `${by.by} wrote to it`);
    }
  }

  end(): DeviceHistory {
    this.#expectOnce(
      'reading set',
      this.#history.applied.map(({ event }) => event.eventId),
    );
    this.#expectMessagesOnce();
    const all = this.#history.transitions.flatMap(({ e }) => e);
    this.#expectOnce(
      'transition',
      all.map(({ d }) => d.eventId),
    );
    this.#expectLives(all);
    return this.#history;
  }

  #takeEvents(state: StoredState, documents: readonly StoredDocument[], told: CausedTransition[]): void {
    const before = this.#oracle.state.pos;
    const [lane, ...others] = Object.keys(state.pos).filter(
      (each) => !isDeepStrictEqual(state.pos[each], before[each]),
    );
    if (lane === undefined || others.length > 0)
      return this.#expect(false, `a commit moves the positions of ${[lane, ...others].join(', ') || 'no lane'}`);
    // What the store refuses is looked at all the same when the message was applied before from elsewhere: as a repeat.
    const isTaken = (set: LoggedSet) => !set.isRefused || this.#messages.has(set.messageId ?? '');
    const sets = this.#lanes.get(lane) ?? [];
    const behind = this.#behind.get(lane) ?? 0;
    const at = state.pos[lane];
    const end = sets.findIndex(
      (set, index) =>
        index >= behind &&
        isTaken(set) &&
        set.at.seq === at?.seq &&
        set.at.i === at.i &&
        // The latest time stays. It tells apart what another hub of the name has numbered alike.
        Math.max(
          before[lane]?.enq ?? 0,
          ...sets
            .slice(behind, index + 1)
            .filter(isTaken)
            .map((each) => each.at.enq),
        ) === at.enq,
    );
    if (end < 0)
      return this.#expect(false, `the position in ${lane} goes to ${JSON.stringify(at)}, which is not ahead`);
    this.#behind.set(lane, end + 1);
    const taken = sets.slice(behind, end + 1).filter(isTaken);
    const { applied, caused } = this.#oracle.apply(lane, taken);
    const chunk = documents.find(({ kind }) => kind === 'readings');
    this.#same(`the readings up to ${lane}:${at?.seq}`, chunk?.['e'] ?? [], applied);
    // What waited for a person gives way to the next alert: that follows from the alert, and not from the fold.
    const own = told.filter(({ k, d }) => k !== 'alert' || d.reason !== 'retriggered').map(({ d }) => d.eventId);
    this.#sameIds(`what ${lane}:${at?.seq} causes`, own, caused);
    const detectors = documents.find(({ kind }) => kind === 'detectors') as DetectorsDocument | undefined;
    if (detectors) {
      this.#oracle.state = { ...this.#oracle.state, saved: this.#oracle.state.n };
      this.#same('the saved detectors', detectors.detectors, this.#oracle.detectors.state());
    }
    this.#sameState(state);
    for (const set of taken) {
      if (!applied.some(({ id }) => id === set.event.eventId)) continue;
      if (set.messageId !== undefined) this.#messages.add(set.messageId);
      const ofSet = told.filter(
        ({ cause, at: { seq, enq, i } }) =>
          cause === set.event.eventId && seq === set.at.seq && enq === set.at.enq && i === set.at.i,
      );
      this.#history.applied.push({
        lane,
        seq: set.at.seq,
        i: set.at.i ?? Number.MAX_SAFE_INTEGER,
        enq: set.at.enq,
        event: set.event,
        caused: ofSet,
      });
    }
  }

  /** A message that the device sent again is applied once, whichever of its copies came first. */
  #expectMessagesOnce(): void {
    const applied = new Set(this.#history.applied.map(({ event }) => event.eventId));
    const messages = Map.groupBy(
      accepted([...this.#lanes.values()].flat()),
      ({ messageId, event }) => messageId ?? `${event.lane}:${event.seq}:${event.receivedTs}`,
    );
    for (const [message, sets] of messages) {
      const copies = Map.groupBy(sets, ({ at }) => `${at.seq}/${at.enq}`);
      const told = [...copies.values()].filter((copy) => copy.some(({ event }) => applied.has(event.eventId)));
      const [first = []] = told;
      this.#expect(told.length === 1, `the message ${message} was applied ${told.length} times, not once`);
      this.#expect(
        first.every(({ event }) => applied.has(event.eventId)),
        `the message ${message} was applied in part`,
      );
    }
  }

  /** Opened once, before everything else; ended at most once, after everything else but what people do. */
  #expectLives(all: readonly CausedTransition[]): void {
    const condition = new Map<string, string>();
    for (const { k, d } of all) {
      if (k === 'anomaly') continue;
      const { alertId, change } = d;
      const before = condition.get(alertId);
      const isRight =
        change === 'opened'
          ? before === undefined
          : before !== undefined && (before !== 'resolved' || d.condition === 'resolved');
      this.#expect(isRight, `the alert ${alertId} is ${change} when it is ${before ?? 'not there'}`);
      this.#expect(change !== 'resolved' || before !== 'resolved', `the alert ${alertId} ends twice`);
      condition.set(alertId, d.condition);
    }
  }

  #sameState(stored: StoredState): void {
    const { _etag, _ts, ...state } = stored;
    this.#same('the state', state, { ...this.#oracle.state, saved: state.saved });
  }

  #sameIds(what: string, actual: readonly string[], wanted: readonly string[]): void {
    if (!isDeepStrictEqual(actual, wanted))
      this.#expect(false, `${what} is ${actual.join(' ')}, and not ${wanted.join(' ')}`);
  }

  #same(what: string, actual: unknown, wanted: unknown): void {
    // As JSON: what is absent and what is undefined are stored alike.
    if (isDeepStrictEqual(actual, JSON.parse(JSON.stringify(wanted)))) return;
    this.#expect(false, `${what} differs: ${difference(actual, JSON.parse(JSON.stringify(wanted)))}`);
  }

  #expectOnce(what: string, ids: readonly string[]): void {
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    this.#expect(twice === undefined, `the ${what} ${twice} is there twice`);
  }

  #expect(isTrue: boolean, what: string): void {
    if (!isTrue) this.#history.wrong.push(`${this.#device.deviceId}: ${what}.`);
  }
}

function accepted(sets: readonly LoggedSet[]): LoggedSet[] {
  return sets.filter(({ isRefused }) => !isRefused);
}

type StoredState = StateDocument & StoredDocument;

/** Where two JSON values part, in short. */
export function difference(actual: unknown, wanted: unknown, path = ''): string {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (!isObject(actual) || !isObject(wanted))
    return `${path || 'it'} is ${JSON.stringify(actual)?.slice(0, 120)}, and not ${JSON.stringify(wanted)?.slice(0, 120)}`;
  const names = new Set([...Object.keys(wanted), ...Object.keys(actual)]);
  const name = [...names].find((each) => !isDeepStrictEqual(actual[each], wanted[each]));
  return name === undefined ? 'nowhere' : difference(actual[name], wanted[name], path ? `${path}.${name}` : name);
}
