/** The app is what functions/index.ts imports: a file that is left out would be missed by nobody but its callers. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const folder = fileURLToPath(new URL('../../functions/', import.meta.url));
const sources = readdirSync(folder).map((file) => ({ file, text: readFileSync(`${folder}${file}`, 'utf8') }));

test('every file that registers something is imported, the settings first and the unknown route last', () => {
  const registering = sources.filter(({ text }) => /^(?:app\.|httpRoute\()|^ {2}httpRoute\(/m.test(text));
  const imported = [...readFileSync(`${folder}index.ts`, 'utf8').matchAll(/^import '\.\/(.+)';$/gm)].map(
    ([, file]) => file,
  );
  expect(new Set(imported)).toEqual(new Set(registering.map(({ file }) => file)));
  expect([imported[0], imported.at(-1)]).toEqual(['setup.ts', 'zz-not-found.ts']);
});
