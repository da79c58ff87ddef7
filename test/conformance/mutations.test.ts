/** The list of mutations itself; `npm run mutations` shows that each is caught. */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { MUTATIONS } from './mutations/list.ts';
import { Misfit, mutate } from './mutations/mutation.ts';

const read = (file: string): string =>
  fs.readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');

test('every mutation fits its file, changes it, and names a test that there is', () => {
  for (const mutation of MUTATIONS) {
    const { id, suite, file, caughtBy } = mutation;
    const source = read(file);
    expect([id, mutate(mutation, source) !== source]).toEqual([id, true]);
    const [testFile, title] = caughtBy;
    expect([id, read(`test/conformance/${suite}/${testFile}`).includes(title)]).toEqual([id, true]);
  }
});

test('no two share an id', () => {
  expect(new Set(MUTATIONS.map(({ id }) => id)).size).toBe(MUTATIONS.length);
});

test('a piece that is gone, or there twice, is an error and no mutant that nobody notices', () => {
  const mutation = { id: 'x', file: 'f', replace: ['a', 'b'], caughtBy: ['', ''] } as const;
  expect(mutate(mutation, 'cat')).toBe('cbt');
  for (const source of ['dog', 'aa']) expect(() => mutate(mutation, source)).toThrow(Misfit);
});
