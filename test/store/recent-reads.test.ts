import { expect, test } from '@jest/globals';
import { RecentReads } from '../../shared/store/recent-reads.ts';

function memory(entriesMax = 10) {
  const clock = { ms: 0 };
  return { clock, reads: new RecentReads<string>({ maxAgeMs: 100, entriesMax, now: () => clock.ms }) };
}

test('a value serves until its read began 100 ms ago', async () => {
  const { clock, reads } = memory();
  expect(reads.get('a')).toBeUndefined();
  await reads.remember('a', async () => {
    clock.ms += 40;
    return 'one';
  });
  clock.ms = 99;
  expect(reads.get('a')).toBe('one');
  clock.ms = 100;
  expect(reads.get('a')).toBeUndefined();
});

test('what was forgotten while it was read is not remembered, what is read afterwards is', async () => {
  const { clock, reads } = memory();
  const reading = Promise.withResolvers<string>();
  const first = reads.remember('a', () => reading.promise);
  clock.ms = 1;
  reads.forget('a');
  reading.resolve('before');
  expect(await first).toBe('before');
  expect(reads.get('a')).toBeUndefined();
  clock.ms = 2;
  await reads.remember('a', async () => 'after');
  expect(reads.get('a')).toBe('after');
});

test('a slow read does not replace what a later one saw', async () => {
  const { clock, reads } = memory();
  const slow = Promise.withResolvers<string>();
  const first = reads.remember('a', () => slow.promise);
  clock.ms = 1;
  await reads.remember('a', async () => 'later');
  slow.resolve('earlier');
  await first;
  expect(reads.get('a')).toBe('later');
});

test('a read that fails is thrown and leaves nothing; the oldest goes when there are too many', async () => {
  const { reads } = memory(2);
  await expect(reads.remember('a', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
  expect(reads.get('a')).toBeUndefined();
  for (const key of ['b', 'c', 'd']) await reads.remember(key, async () => key);
  expect(['b', 'c', 'd'].map((key) => reads.get(key))).toEqual([undefined, 'c', 'd']);
});
