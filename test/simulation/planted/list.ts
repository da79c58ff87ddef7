/** Bugs that the simulator must find, each put into the product's code while Node loads it. */
import type { Defect } from '../../conformance/mutations/mutation.ts';

export const PLANTED: readonly Defect[] = [
  {
    id: 'the state is written without its etag',
    file: 'shared/ingest/commit-device.ts',
    replace: [": { kind: 'replace', document: state, etag: memory.etag },", ": { kind: 'upsert', document: state },"],
  },
  {
    id: 'what was applied before is applied again',
    file: 'shared/ingest/fold-device.ts',
    replace: ['if (!isBeyond(at, position)) {', 'if (false) {'],
  },
  {
    id: 'a hub that was created again is taken for the old one',
    file: 'shared/journal/journal-entry.ts',
    replace: [' || position.enq > covered.enq) return true;', ') return true;'],
  },
  {
    id: 'the position is that of the last event, although its broker was behind',
    file: 'shared/journal/journal-entry.ts',
    replace: [
      'return covered !== undefined && covered.enq > position.enq ? { ...position, enq: covered.enq } : position;',
      'return position;',
    ],
  },
  {
    id: 'state and transitions are two commits',
    file: 'shared/ingest/commit-device.ts',
    replace: [
      "const outcome = await this.#store.batch('device-data', pk, operations);",
      `const outcome = await this.#store.batch('device-data', pk, operations.splice(0, 1));
      if (outcome.kind === 'committed' && operations.length > 0) await this.#store.batch('device-data', pk, operations);`,
    ],
  },
  {
    id: 'transitions are committed before the state',
    file: 'shared/ingest/commit-device.ts',
    replace: [
      "const outcome = await this.#store.batch('device-data', pk, operations);",
      `const rest = operations.splice(1).map((each) => ({ ...each, kind: 'upsert' }));
      if (rest.length > 0) await this.#store.batch('device-data', pk, rest);
      const outcome = await this.#store.batch('device-data', pk, operations);`,
    ],
  },
  {
    id: 'trouble of the store is taken for success',
    file: 'shared/ingest/commit-device.ts',
    replace: [
      "if (Error.isError(error) && isTransient(error)) return { kind: 'lost', error, pauses: true };",
      "if (Error.isError(error) && isTransient(error)) return { kind: 'committed', memory, transitions: [] };",
    ],
  },
  {
    id: 'a batch of which a device failed is acknowledged',
    file: 'shared/ingest/ingest.ts',
    replace: ['  if (errors.length > 0) throw errors[0];', ''],
  },
  {
    id: 'what follows a refused reading set is dropped with it',
    file: 'shared/ingest/commit-device.ts',
    replace: ['rest = rest.slice(refused ? index + 1 : taken);', 'rest = rest.slice(taken);'],
  },
  {
    id: 'the memory of a device survives a commit that failed',
    file: 'shared/ingest/device-memory.ts',
    replace: ['      this.#byKey.delete(key);\n      return known;', '      return known;'],
  },
  {
    id: 'detectors are not taught what came after they were saved',
    file: 'shared/ingest/device-memory.ts',
    replace: ['if (after >= state.n) return detectors;', 'return detectors;'],
  },
  {
    id: 'detectors are taught once more what they knew when they were saved',
    file: 'shared/ingest/commit-device.ts',
    replace: [
      "{ id: 'detectors', ...device, kind: 'detectors', n, detectors }",
      "{ id: 'detectors', ...device, kind: 'detectors', n: n - folded.applied.length, detectors }",
    ],
  },
  {
    id: 'a message that is sent again is applied again',
    file: 'shared/ingest/fold-device.ts',
    replace: ['if (hash !== undefined && seen.includes(hash)) {', 'if (false) {'],
  },
  {
    id: 'the later sets of an event are taken for repeats of it',
    file: 'shared/ingest/fold-device.ts',
    replace: [
      'if (hash !== undefined && at.i === undefined) seen.push(hash);',
      'if (hash !== undefined) { seen.push(hash); if (seen.length > 1) seen.shift(); }',
    ],
  },
  {
    id: 'the journal is written without looking at its head',
    file: 'shared/journal/journal.ts',
    replace: [
      "operations.push(head ? { kind: 'replace', document: next, etag: head.etag } : { kind: 'create', document: next });",
      `for (const each of operations) each.kind = 'upsert';
    operations.push({ kind: 'upsert', document: next });`,
    ],
  },
  {
    id: 'the journal appends what it covers already',
    file: 'shared/journal/journal.ts',
    replace: [
      'events.length > 0 && isBeyond(at, head?.to));',
      'events.length > 0);\n      if (attempt > 0) return appended;',
    ],
  },
  {
    id: 'nothing is recovered of a writer that died',
    file: 'shared/ingest/ingest.ts',
    replace: ['if (repeated.length === 0) return positioned;', 'return positioned;'],
  },
  {
    id: 'transitions of a writer that died are not recovered',
    file: 'shared/ingest/journal-events.ts',
    replace: ["c.kind IN ('readings', 'transitions')", "c.kind IN ('readings')"],
  },
  {
    id: 'the tenants of a batch are journaled before its devices are committed',
    file: 'shared/ingest/ingest.ts',
    replace: [
      'const committed = await commitDevices(services, lane, [...devices.values()]);',
      `const committed = await commitDevices(services, lane, [...devices.values()].slice(0, 1));
  void commitDevices(services, lane, [...devices.values()].slice(1)).catch(() => undefined);`,
    ],
  },
  {
    id: 'the processed time moves before its batch is committed',
    file: 'shared/ingest/ingest.ts',
    replace: [
      'const devices = await sortOut(services, events);',
      `const first = events.at(-1);
  if (first) await services.processed.advance(lane, { seq: first.seq, enq: first.enqueuedMs });
  const devices = await sortOut(services, events);`,
    ],
  },
  {
    id: 'silence is judged by the wall clock',
    file: 'shared/ingest/processed-time.ts',
    replace: ['return Math.min(...times, askedMs - CLOCKS_APART_MS);', 'return askedMs - CLOCKS_APART_MS;'],
  },
  {
    id: 'the processed time forgets that brokers have different clocks',
    file: 'shared/ingest/processed-time.ts',
    replace: [
      'return (isCaughtUp ? askedMs : mark.enq) - CLOCKS_APART_MS;',
      'return isCaughtUp ? askedMs - CLOCKS_APART_MS : mark.enq;',
    ],
  },
  {
    id: 'time passes without the etag',
    file: 'shared/ingest/commit-time.ts',
    replace: ["{ kind: 'replace', document: state, etag: stored._etag }", "{ kind: 'upsert', document: state }"],
  },
  {
    id: 'a person ends an alert without the etag of the state',
    file: 'shared/ingest/commit-handling.ts',
    replace: [
      "operations.push({ kind: 'replace', document: state, etag: stored._etag });",
      "operations.push({ kind: 'upsert', document: state });",
    ],
  },
  {
    id: 'alerts are written over what people did to them',
    file: 'shared/ingest/transition-documents.ts',
    replace: [
      "known.etag === undefined ? { kind: 'upsert', document } : { kind: 'replace', document, etag: known.etag }",
      "{ kind: 'upsert', document }",
    ],
  },
  {
    id: 'the lane of what no event caused takes it at every delivery',
    file: 'shared/journal/journal.ts',
    replace: [
      "const next = await this.#commit(pk, head, group, { kind: 'create', document: marker });",
      'const next = await this.#commit(pk, head, group);',
    ],
  },
  {
    id: 'the list of alerts takes an older copy',
    file: 'shared/ingest/project.ts',
    replace: ['    if (known && known.revision >= alert.revision) return;\n', ''],
  },
];
