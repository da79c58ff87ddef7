/**
 * `npm run bench -- cold-start`: milliseconds that a fresh process needs to import the app, bundled (what ships) against
 * unbundled (the same sources compiled, with node_modules beside them), net of what Node itself needs to start. The
 * candidates take turns; medians are reported. Trust the ratio.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const RUNS = Number(process.env['COLD_START_RUNS'] ?? 15);
const core = path.join(root, 'local/host/core/register.ts');

const { Values } = JSON.parse(readFileSync(path.join(root, 'local.settings.sample.json'), 'utf8')) as {
  Values: Record<string, string>;
};
const settings = Object.fromEntries(
  Object.entries(Values).map(([name, value]) => [name, value.replaceAll(/<[^>]+>/g, 'example')]),
);
const env = { ...process.env, ...settings, SLUICE_MASTER_KEY: Buffer.alloc(32).toString('base64') };

spawnSync(process.execPath, [path.join(root, 'scripts/build.ts')], { stdio: 'inherit' });
// Below the root, so that node_modules is found.
const folder = mkdtempSync(path.join(root, 'build', 'cold-start-'));
try {
  spawnSync(
    process.execPath,
    [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', root, '--noEmit', 'false', '--outDir', folder],
    { stdio: 'inherit' },
  );
  const unbundled = path.join(folder, 'functions/index.js');
  const entries = { 'bare Node': undefined, bundled: path.join(root, 'build/app/index.js'), unbundled };
  const samples = new Map(Object.keys(entries).map((name) => [name, [] as number[]]));
  for (let run = 0; run <= RUNS; run++) {
    for (const [name, entry] of Object.entries(entries)) {
      const script =
        `const { supplyFunctionsCore } = await import(${JSON.stringify(core)}); supplyFunctionsCore();` +
        (entry === undefined ? '' : `await import(${JSON.stringify(entry)});`) +
        'process.exit();';
      const start = performance.now();
      const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        env,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
      // The first round fills the caches of the disk.
      if (run > 0) samples.get(name)?.push(performance.now() - start);
    }
  }
  const median = (name: string) =>
    (samples.get(name) ?? []).toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? Number.NaN;
  const net = (name: string) => median(name) - median('bare Node');
  for (const name of ['bundled', 'unbundled']) console.log(`${name.padEnd(10)} ${net(name).toFixed(0).padStart(5)} ms`);
  console.log(`ratio      ${(net('unbundled') / net('bundled')).toFixed(1).padStart(5)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
