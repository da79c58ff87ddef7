import { expect, test } from '@jest/globals';
import { CachedReads } from '../../shared/store/cached-reads.ts';

function counted(options: { lastKnownMs?: number; entriesMax?: number } = {}) {
  const state = { nowMs: 0, reads: 0, fails: false };
  const cache = new CachedReads(
    async (key: string) => {
      state.reads++;
      await Promise.resolve();
      if (state.fails) throw new Error('the store is down');
      return `${key}${state.reads}`;
    },
    { freshMs: 100, entriesMax: 10, now: () => state.nowMs, ...options },
  );
  return { state, cache };
}

test('concurrent callers share one read, and a value is served until it is too old', async () => {
  const { state, cache } = counted();
  expect(await Promise.all([cache.get('a'), cache.get('a')])).toEqual(['a1', 'a1']);
  state.nowMs = 99;
  expect(await cache.get('a')).toBe('a1');
  state.nowMs = 100;
  expect(await cache.get('a')).toBe('a2');
});

test('absence is remembered too', async () => {
  let reads = 0;
  const cache = new CachedReads<string, void>(async () => void reads++, { freshMs: 100, entriesMax: 1, now: () => 0 });
  await cache.get('a');
  await cache.get('a');
  expect(reads).toBe(1);
});

test('the last known value serves through trouble for its time, and then the failure is thrown', async () => {
  const { state, cache } = counted({ lastKnownMs: 1000 });
  await cache.get('a');
  state.fails = true;
  state.nowMs = 999;
  expect(await cache.get('a')).toBe('a1');
  state.nowMs = 1000;
  await expect(cache.get('a')).rejects.toThrow('the store is down');
});

test('without a last known time a failure is thrown at once', async () => {
  const { state, cache } = counted();
  await cache.get('a');
  state.fails = true;
  state.nowMs = 100;
  await expect(cache.get('a')).rejects.toThrow('the store is down');
});

test('a read that forget() overtook is not kept', async () => {
  const { cache } = counted();
  const before = cache.get('a');
  cache.forget('a');
  await before;
  expect(await cache.get('a')).toBe('a2');
});

test('the oldest value goes when there are too many', async () => {
  const { cache } = counted({ entriesMax: 2 });
  for (const key of ['a', 'b', 'c']) await cache.get(key);
  expect(await cache.get('c')).toBe('c3');
  expect(await cache.get('a')).toBe('a4');
});

test('a caller with a last known value does not wait long for a slow store', async () => {
  const slow = Promise.withResolvers<string>();
  const answers = [Promise.resolve('old'), slow.promise];
  let nowMs = 0;
  const options = { freshMs: 100, lastKnownMs: 1000, patienceMs: 5, entriesMax: 1, now: () => nowMs };
  const cache = new CachedReads<string, string>(() => answers.shift() ?? Promise.resolve('other'), options);
  await cache.get('a');
  nowMs = 100;
  expect(await cache.get('a')).toBe('old');
  slow.resolve('new');
  await slow.promise;
  expect(await cache.get('a')).toBe('new');
});

test('without patience the last known value is served at once, and the next caller has the new one', async () => {
  let nowMs = 0;
  let value = 'old';
  const waiting: (() => void)[] = [];
  const options = { freshMs: 100, lastKnownMs: 1000, patienceMs: 0, entriesMax: 1, now: () => nowMs };
  const cache = new CachedReads<string, string>(async () => {
    if (nowMs > 0) await new Promise<void>((resolve) => waiting.push(resolve));
    return value;
  }, options);
  expect(await cache.get('a')).toBe('old');
  nowMs = 200;
  value = 'new';
  expect(await cache.get('a')).toBe('old');
  waiting[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await cache.get('a')).toBe('new');
});
