/**
 * What ships: `azd package` and `func azure functionapp publish --no-build` both take build/app as it is, so that folder is
 * the package; and azure.yaml, which says so.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { deflateRawSync } from 'node:zlib';
import { runToEnd } from '../support/local-system.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const app = path.join(root, 'build/app');
/** Bytes of the zip: a cold start fetches it. */
const ZIP_BYTES_MAX = 600_000;

/** Relative paths of all files of the package, with the hash of each. */
function contents(): Record<string, string> {
  const files = readdirSync(app, { recursive: true, encoding: 'utf8' }).toSorted();
  return Object.fromEntries(
    files.map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(path.join(app, file)))
        .digest('hex'),
    ]),
  );
}

/** Names of the functions that a file registers, as a worker that supplies @azure/functions-core sees them. */
async function registered(entry: string): Promise<string[]> {
  const { code, output } = await runToEnd(['test/infra/registered.ts', entry], {
    ...Object.fromEntries(
      Object.entries(settings()).map(([name, value]) => [name, value.replaceAll(/<[^>]+>/g, 'example')]),
    ),
    SLUICE_MASTER_KEY: Buffer.alloc(32).toString('base64'),
  });
  expect([code, output]).toEqual([0, expect.stringMatching(/^\[/)]);
  return JSON.parse(output) as string[];
}

function settings(): Record<string, string> {
  return (
    JSON.parse(readFileSync(path.join(root, 'local.settings.sample.json'), 'utf8')) as {
      Values: Record<string, string>;
    }
  ).Values;
}

describe('the package', () => {
  test('is three files, the same at every build, and small', async () => {
    expect(await runToEnd(['scripts/build.ts'])).toMatchObject({ code: 0 });
    const first = contents();
    expect(await runToEnd(['scripts/build.ts'])).toMatchObject({ code: 0 });
    expect(contents()).toEqual(first);
    // No source, no map, no test, no local settings, no node_modules.
    expect(Object.keys(first)).toEqual(['host.json', 'index.js', 'package.json']);
    const zipped = Object.keys(first).map(
      (file) => deflateRawSync(readFileSync(path.join(app, file)), { level: 9 }).length,
    );
    expect(zipped.reduce((sum, bytes) => sum + bytes + 200)).toBeLessThan(ZIP_BYTES_MAX);
  });

  test('needs no installation: no dependency, and one file that is its main', () => {
    const manifest = JSON.parse(readFileSync(path.join(app, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(manifest).toSorted()).toEqual(['main', 'name', 'type', 'version']);
    expect([manifest['main'], manifest['type']]).toEqual(['index.js', 'commonjs']);
    const bundle = readFileSync(path.join(app, 'index.js'), 'utf8');
    expect(bundle).not.toMatch(/sourceMappingURL|__non_webpack_require__/);
    const required = [...bundle.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = '']) => name);
    // The worker supplies the first; the others only make ws faster, which does without them.
    expect([...new Set(required)].filter((name) => !isBuiltin(name)).toSorted()).toEqual([
      '@azure/functions-core',
      'bufferutil',
      'utf-8-validate',
    ]);
  });

  test('registers the functions of the sources', async () => {
    const [shipped, sources] = [await registered('build/app/index.js'), await registered('functions/index.ts')];
    expect(shipped).toEqual(sources);
    expect(shipped).toEqual(expect.arrayContaining(['ingest-telemetry', 'stream-telemetry', 'project-device-data']));
  });
});

describe('azure.yaml', () => {
  const text = readFileSync(path.join(root, 'azure.yaml'), 'utf8');

  test('ships build/app as it is: no remote build, and no .funcignore that would ask for one', () => {
    expect(text.match(/dist: build\/app/g)).toHaveLength(2);
    expect(text.match(/remoteBuild: false/g)).toHaveLength(2);
    expect(text.match(/language: ts/g)).toHaveLength(2);
    expect([existsSync(path.join(root, '.funcignore')), existsSync(path.join(app, '.funcignore'))]).toEqual([
      false,
      false,
    ]);
  });

  test('names hooks that are there, in JavaScript, which every system runs', () => {
    const hooks = [...text.matchAll(/^ {2}(\w+):\n {4}run: (\S+)$/gm)].map(([, when, file]) => [when, file]);
    expect(hooks.map(([when]) => when)).toEqual(['preprovision', 'postprovision', 'postdeploy']);
    for (const [, file = ''] of hooks) {
      expect(file).toMatch(/^scripts\/azd\/[a-z-]+\.js$/);
      expect(existsSync(path.join(root, file))).toBe(true);
    }
  });

  test('every output that a hook reads is an output of main.bicep', () => {
    const main = readFileSync(path.join(root, 'infra/main.bicep'), 'utf8');
    const outputs = [...main.matchAll(/^output (\w+) /gm)].map(([, name = '']) => name);
    const used = readdirSync(path.join(root, 'scripts/azd'))
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => [
        ...readFileSync(path.join(root, 'scripts/azd', file), 'utf8').matchAll(
          /(?:env\['|output\('|^ {4})((?:DEPLOYED|SERVICE|STREAM|COSMOS|WEBPUBSUB|KEY_VAULT)_[A-Z_]+|EVENT_HUBS_NAMESPACE)\b/gm,
        ),
      ])
      .map(([, name = '']) => name);
    expect([...new Set(used)].filter((name) => !outputs.includes(name))).toEqual([]);
    expect(new Set(used).size).toBeGreaterThanOrEqual(9);
  });
});
