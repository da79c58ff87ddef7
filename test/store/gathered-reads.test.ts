import { expect, test } from '@jest/globals';
import { GatheredReads } from '../../shared/store/gathered-reads.ts';

function gathered(keysMax = 100) {
  const asked: string[] = [];
  const valueOf = (key: string) => (key.startsWith('no') ? undefined : `value of ${key}`);
  const reads = new GatheredReads<string>(
    (key) => {
      asked.push(key);
      return key === 'bad' ? Promise.reject(new Error('down')) : Promise.resolve(valueOf(key));
    },
    (keys) => {
      asked.push(keys.join('+'));
      if (keys.includes('bad')) return Promise.reject(new Error('down'));
      const found = keys.flatMap((key): [string, string][] => {
        const value = valueOf(key);
        return value === undefined ? [] : [[key, value]];
      });
      return Promise.resolve(new Map(found));
    },
    keysMax,
  );
  return { reads, asked };
}

test('what is asked for at the same moment is one read, and each gets its own; what is not there is undefined', async () => {
  const { reads, asked } = gathered();
  const values = await Promise.all(['a', 'b', 'none'].map((key) => reads.get(key)));
  expect(values).toEqual(['value of a', 'value of b', undefined]);
  expect(asked).toEqual(['a+b+none']);
});

test('one alone is a point read, and later ones never see an earlier answer', async () => {
  const { reads, asked } = gathered();
  expect(await reads.get('a')).toBe('value of a');
  expect(await reads.get('none')).toBeUndefined();
  expect(asked).toEqual(['a', 'none']);
});

test('no read takes more keys than it may', async () => {
  const { reads, asked } = gathered(2);
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => reads.get(key)));
  expect(asked.toSorted()).toEqual(['a+b', 'c+d', 'e']);
});

test('a read that fails fails for those who waited for it, and for nobody after', async () => {
  const { reads } = gathered();
  const outcomes = await Promise.allSettled([reads.get('a'), reads.get('bad')]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await reads.get('a')).toBe('value of a');
});
