/** The simulator itself; the tens of thousands of seeds are `npm run simulate`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { mutate } from '../conformance/mutations/mutation.ts';
import { judge } from './judge.ts';
import { PLANTED } from './planted/list.ts';
import { simulate } from './simulate.ts';
import { runShare } from './workers.ts';
import { runWorld } from './world.ts';

const SEEDS = 60;
/** Seeds that have found a bug of the product. */
const REGRESSIONS: readonly [seed: number, found: string][] = [
  [19130, 'an old event of a partition that lagged set the clock of its device ahead: a false silence'],
  [501, 'a message behind one that the store refuses was dropped with it'],
];

test('whatever happens, nothing is lost and nothing happens twice', async () => {
  const violations: object[] = [];
  let tally: Record<string, number> = {};
  // In a process of its own: within Jest a seed takes ten times as long.
  await runShare({ from: 1, step: 1, count: SEEDS }, (line) => {
    if (line.kind === 'violation') violations.push(line);
    else ({ tally } = line);
  });
  expect(violations).toEqual([]);
  // A world in which nothing goes wrong would prove nothing.
  const expected = [
    'its host ends before it',
    'its host ends after it',
    'is applied, and its answer is lost',
    'is given up, and arrives later',
    'arrives although its host has ended',
    'invocation failed',
    'steal',
    'checkpoint lost',
    'partition added',
    'hub re-created',
    'consumers stall',
    'store out',
    'broker behind',
    'operator',
  ];
  expect(expected.filter((what) => !tally[what])).toEqual([]);
}, 120_000);

test.each(REGRESSIONS)('seed %i, which found that %s', async (seed) => {
  expect((await simulate(seed)).wrong).toEqual([]);
});

test('a seed says everything: the same world, line by line', async () => {
  for (const seed of [3, 9, 873]) {
    const traces: string[][] = [[], []];
    for (const trace of traces) await simulate(seed, trace);
    expect(traces[0]?.length).toBeGreaterThan(100);
    expect(traces[1]).toEqual(traces[0]);
  }
});

describe('the judge notices', () => {
  test.each([
    ['a reading that is gone', 'device-data', 'readings'],
    ['a transition that is gone', 'device-data', 'transitions'],
    ['an entry of the journal that is gone', 'journal', 'entry'],
  ])('%s', async (_, container, kind) => {
    const outcome = await runWorld(1);
    expect(judge(outcome)).toEqual([]);
    const commit = outcome.account.commits.find(
      (each) => each.container === container && each.documents.some((document) => document['kind'] === kind),
    );
    if (commit) commit.documents = commit.documents.filter((document) => document['kind'] !== kind);
    expect(judge(outcome)).not.toEqual([]);
  });

  test('an event that was never quarantined', async () => {
    const outcome = await runWorld(1);
    const partition = outcome.hub.partitions[0];
    const raw = { body: 'no json', properties: {}, lane: 'direct-0', seq: 999, enqueuedMs: 1 };
    partition?.all.push(raw);
    expect(judge(outcome)).toEqual([expect.stringContaining('Quarantine')]);
  });
});

describe('planted bugs', () => {
  test.each(PLANTED.map((planted) => [planted.id, planted] as const))('fits its file: %s', (_, planted) => {
    const source = readFileSync(fileURLToPath(new URL(`../../${planted.file}`, import.meta.url)), 'utf8');
    expect(mutate(planted, source)).not.toBe(source);
  });

  test('are enough, and no two share an id', () => {
    expect(new Set(PLANTED.map(({ id }) => id)).size).toBe(PLANTED.length);
    expect(PLANTED.length).toBeGreaterThanOrEqual(12);
  });
});
