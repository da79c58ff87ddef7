/**
 * Exactly once, whatever dies: the real ingest and the real journal over the local Cosmos DB, in a seeded storm.
 * More seeds: `INGEST_SEEDS=5000 npm test -- test/chaos` (`INGEST_FIRST_SEED` chooses where to begin).
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ReadingsDocument, StateDocument } from '../../shared/ingest/device-state.ts';
import { DeviceMemories } from '../../shared/ingest/device-memory.ts';
import type { BatchOperation, BatchOutcome } from '../../shared/store/store.ts';
import { newTally, simulate, type Plant } from '../support/ingest-simulation.ts';
import { ingestWorld, type IngestWorld } from '../support/ingest-world.ts';

const SEEDS = Number(process.env['INGEST_SEEDS'] ?? 12);
const FIRST_SEED = Number(process.env['INGEST_FIRST_SEED'] ?? 1);
/** Seeds within which a planted bug must be found. */
const PLANT_SEEDS = 25;

let world: IngestWorld;
beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());

test(
  `${SEEDS} storms leave exactly what one calm writer would`,
  async () => {
    const tally = newTally();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const wrong = await simulate(world, seed, 'storm', { tally });
      expect({ seed, wrong }).toEqual({ seed, wrong: [] });
    }
    // A storm in which something never happens proves less than it says.
    for (const [what, times] of Object.entries(tally))
      expect({ what, often: times >= SEEDS / 2 }).toEqual({ what, often: true });
  },
  60_000 + SEEDS * 5_000,
);

/** Changes the operations of device commits, or of appends, before they are sent. */
function rewriting(container: 'device-data' | 'journal', change: (operation: BatchOperation) => BatchOperation): Plant {
  return {
    around: (request, run) => {
      if (request.kind === 'batch' && request.name === container)
        request.operations.splice(0, Infinity, ...request.operations.map(change));
      return run();
    },
  };
}

function unfenced(operation: BatchOperation): BatchOperation {
  return 'document' in operation ? { kind: 'upsert', document: operation.document } : operation;
}

/** Changes what queries of device data answer, by a word of their text. */
function forgetting(word: string, keep: (document: { kind?: string }) => boolean = () => false): Plant {
  return {
    around: async (request, run) => {
      const answer = await run();
      const isMeant = request.kind === 'query' && request.name === 'device-data' && request.query.query.includes(word);
      return isMeant && Array.isArray(answer) ? (answer.filter(keep) as typeof answer) : answer;
    },
  };
}

const plants: Record<string, Plant> = {
  'positions are not looked at': {
    around: async (request, run) => {
      const answer = await run();
      if (request.kind === 'read' && request.id === 'state' && answer) Object.assign(answer, { pos: {} });
      return answer;
    },
  },
  'the state is written without its etag': rewriting('device-data', unfenced),
  'the journal is written without looking at its head': rewriting('journal', unfenced),
  'nothing is recovered of a writer that died': forgetting("'transitions'"),
  'transitions are not recovered': forgetting("'transitions'", ({ kind }) => kind !== 'transitions'),
  'detectors are not taught what came after they were saved': forgetting('c.n > @after'),
  'a commit is acknowledged before it is applied': {
    around: (request, run) => {
      if (request.kind !== 'batch' || request.name !== 'device-data') return run();
      void run().catch(() => undefined);
      const etags = request.operations.map(() => 'unknown');
      return Promise.resolve({ kind: 'committed', etags } satisfies BatchOutcome) as ReturnType<typeof run>;
    },
  },
  'a commit is not atomic': {
    around: async (request, run) => {
      if (request.kind !== 'batch' || request.name !== 'device-data') return run();
      const rest = request.operations.splice(1);
      const first = await run();
      if ((first as BatchOutcome).kind !== 'committed' || rest.length === 0) return first;
      request.operations.splice(0, Infinity, ...rest);
      await run();
      return first;
    },
  },
  'trouble of the store is swallowed': {
    committer: (committer) => {
      const commit = committer.commit.bind(committer);
      committer.commit = (batch) => commit(batch).catch(() => ({ positioned: [], repeated: [], duplicates: 0 }));
      return committer;
    },
  },
  'the position is that of the last event, although its broker was behind': {
    around: (request, run) => {
      if (request.kind === 'batch' && request.name === 'device-data') {
        const [state, chunk] = request.operations.map((operation) =>
          'document' in operation ? operation.document : {},
        );
        const last = (chunk as Partial<ReadingsDocument> | undefined)?.e?.at(-1)?.at;
        const { pos } = state as Partial<StateDocument>;
        for (const lane in pos) if (last) pos[lane] = last;
      }
      return run();
    },
  },
};

describe('finds it when', () => {
  test.each(Object.entries(plants))(
    '%s',
    async (what, plant) => {
      const name = what.replaceAll(/\W/g, '').slice(0, 30);
      expect(await seedThatFinds(name, plant)).toBeLessThanOrEqual(PLANT_SEEDS);
    },
    120_000,
  );

  test('the memory of a device survives a commit that failed', async () => {
    // oxlint-disable-next-line typescript/unbound-method -- it is bound anew at every call, and put back as it was
    const { take } = DeviceMemories.prototype;
    DeviceMemories.prototype.take = async function (this: DeviceMemories, ...args) {
      const memory = await take.apply(this, args);
      this.put(memory);
      return memory;
    };
    try {
      expect(await seedThatFinds('memory', {})).toBeLessThanOrEqual(PLANT_SEEDS);
    } finally {
      DeviceMemories.prototype.take = take;
    }
  }, 120_000);
});

async function seedThatFinds(name: string, plant: Plant): Promise<number> {
  for (let seed = 1; seed <= PLANT_SEEDS; seed++)
    if ((await simulate(world, seed, name, { plant })).length > 0) return seed;
  return Infinity;
}
