/** docs/seeds.md lists every requirement of the two pages, each with a test that exists. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const page = readFileSync(new URL('../../docs/seeds.md', import.meta.url), 'utf8');
const ROW = /^\| ([AB]\d+) \| .* \| `([^`]+)` in \[[^\]]+\]\(\.\.\/(test\/[^)]+)\) \|$/gm;
const rows = [...page.matchAll(ROW)].map(([, id = '', title = '', file = '']) => ({ id, title, file }));
const sources = new Map<string, string>();

function source(file: string): string {
  const known = sources.get(file) ?? readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
  sources.set(file, known);
  return known;
}

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

test.each([...numbered('A', 21), ...numbered('B', 13)])('%s has a line', (id) => {
  expect(rows.map((row) => row.id)).toContain(id);
});

test.each(rows)('$id: there is a test "$title"', ({ title, file }) => {
  expect(source(file)).toMatch(new RegExp(`test\\(\\s*'${title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}'`));
});
