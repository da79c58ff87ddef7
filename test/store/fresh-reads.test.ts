import { describe, expect, test } from '@jest/globals';
import { FreshReads } from '../../shared/store/fresh-reads.ts';

/** Reads that end when the test says so. */
function manualReads() {
  const started: PromiseWithResolvers<number>[] = [];
  const clock = { now: 0 };
  const reads = new FreshReads(
    () => {
      const read = Promise.withResolvers<number>();
      started.push(read);
      return read.promise;
    },
    () => clock.now,
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { reads, started, clock, settle };
}

describe('fresh reads', () => {
  test('who asks while a read is under way gets the next one, together with all others', async () => {
    const { reads, started, settle } = manualReads();
    const first = reads.get('a');
    const later = [reads.get('a'), reads.get('a'), reads.get('a')];
    expect(started).toHaveLength(1);
    started[0]?.resolve(1);
    await settle();
    expect(started).toHaveLength(2);
    started[1]?.resolve(2);
    expect(await first).toBe(1);
    expect(await Promise.all(later)).toEqual([2, 2, 2]);
  });

  test('no answer is older than its question', async () => {
    let stored = 0;
    const reads = new FreshReads(async () => {
      const value = stored;
      await new Promise((resolve) => setImmediate(resolve));
      return value;
    });
    const ask = async () => {
      const asked = stored;
      expect(await reads.get('a')).toBeGreaterThanOrEqual(asked);
    };
    const all: Promise<void>[] = [];
    for (let round = 0; round < 300; round++) {
      all.push(ask());
      stored++;
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(all).toHaveLength(300);
  });

  test('a read that fails fails for those who waited for it, and the next is tried', async () => {
    const { reads, started, settle } = manualReads();
    const first = reads.get('a');
    const second = reads.get('a');
    started[0]?.reject(new Error('away'));
    await expect(first).rejects.toThrow('away');
    await settle();
    started[1]?.resolve(2);
    expect(await second).toBe(2);
  });

  test('a read that hangs holds up nobody', async () => {
    const { reads, started, clock } = manualReads();
    void reads.get('a');
    clock.now = 60;
    const other = reads.get('a');
    expect(started).toHaveLength(2);
    started[1]?.resolve(2);
    expect(await other).toBe(2);
  });

  test('subjects do not wait for one another', () => {
    const { reads, started } = manualReads();
    void reads.get('a');
    void reads.get('b');
    expect(started).toHaveLength(2);
  });
});
