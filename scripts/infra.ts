/**
 * `npm run infra`: the real Bicep compiler over infra/. A diagnostic of any level fails, because the compiler reports most
 * faults as warnings and exits with 0. `--update` writes formatted sources and the evaluated snapshots.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, cpSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packaged = path.join(root, 'build/bicep/azure.bicep.commandline.linux-x64/0.49.2/tools/bicep');
const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const LOCATION = 'westeurope';
/** Deployments that are evaluated: each has parameters and a committed snapshot. */
export const PROFILES = ['dev', 'prod', 'private'] as const;

/** The compiler: BICEP, the PATH, or the NuGet package through the .NET SDK; undefined when none of them is there. */
export function findBicep(): string | undefined {
  const { BICEP } = process.env;
  if (BICEP) return BICEP;
  if (existsSync(packaged)) return packaged;
  if (spawnSync('bicep', ['--version']).status === 0) return 'bicep';
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  if (
    spawnSync('dotnet', ['restore', '.ci/bicep.proj'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }).status !==
    0
  )
    return undefined;
  chmodSync(packaged, 0o755);
  return packaged;
}

/** The compiler's runs over one folder; each profile's includes the build of main.bicep. */
export const RUNS = {
  build: ['build', 'main.bicep', '--stdout'],
  lint: ['lint', 'main.bicep'],
  ...(Object.fromEntries(
    PROFILES.map((profile) => [profile, ['build-params', `params/${profile}.bicepparam`, '--stdout']]),
  ) as Record<(typeof PROFILES)[number], string[]>),
};

/** What the compiler says about a copy of infra/: its diagnostics, line by line. */
export function diagnose(bicep: string, folder: string, runs: string[][] = Object.values(RUNS)): string[] {
  const said = runs.flatMap((args) => {
    const { stderr, status } = spawnSync(bicep, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    const lines = stderr.split('\n').filter((line) => line.trim() !== '');
    return status === 0 || lines.length > 0 ? lines : [`bicep ${args.join(' ')} ended with ${status}`];
  });
  return [...new Set(said)].map((line) => line.replaceAll(`${folder}${path.sep}`, ''));
}

/** Formats every source and evaluates the deployment of every profile, in place. */
export function update(bicep: string, folder: string): void {
  for (const file of bicepFiles(folder)) run(bicep, ['format', file], folder);
  for (const profile of PROFILES) evaluate(bicep, folder, profile);
}

/** Writes the snapshot of `params/<profile>.bicepparam` beside it: what a deployment of this scope would make. */
export function evaluate(
  bicep: string,
  folder: string,
  profile: string,
  scope: 'group' | 'subscription' = 'subscription',
): void {
  const args = ['snapshot', `params/${profile}.bicepparam`, '--mode', 'overwrite', '--subscription-id', SUBSCRIPTION];
  run(bicep, [...args, ...(scope === 'group' ? ['--resource-group', 'rg'] : ['--location', LOCATION])], folder);
  sortMembers(path.join(folder, 'params', `${profile}.snapshot.json`));
}

/** The compiler writes outputs in any order: sorted, a snapshot changes only when the deployment does. */
function sortMembers(file: string): void {
  const sorted = JSON.stringify(
    JSON.parse(readFileSync(file, 'utf8')),
    (_name, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    2,
  );
  writeFileSync(file, `${sorted}\n`);
}

function bicepFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.bicep(?:param)?$/.test(file));
}

function run(bicep: string, args: string[], folder: string): void {
  const { status, stderr } = spawnSync(bicep, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`bicep ${args.join(' ')} failed:\n${stderr}`);
}

/** Files that formatting or evaluating would change. */
function stale(bicep: string, folder: string): string[] {
  const copy = mkdtempSync(path.join(os.tmpdir(), 'sluice-infra-'));
  try {
    cpSync(folder, copy, { recursive: true });
    update(bicep, copy);
    const files = [...bicepFiles(folder), ...PROFILES.map((profile) => `params/${profile}.snapshot.json`)];
    return files.filter(
      (file) =>
        !existsSync(path.join(folder, file)) ||
        readFileSync(path.join(folder, file), 'utf8') !== readFileSync(path.join(copy, file), 'utf8'),
    );
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function main(): number {
  const bicep = findBicep();
  if (bicep === undefined) {
    console.log('Skipped: there is no Bicep compiler here. Put bicep on the PATH, set BICEP, or install the .NET SDK.');
    return process.env['CI'] ? 1 : 0;
  }
  const infra = path.join(root, 'infra');
  if (process.argv.includes('--update')) update(bicep, infra);
  const faults = [
    ...diagnose(bicep, infra),
    ...stale(bicep, infra).map((file) => `${file} is not what the compiler writes; run npm run infra -- --update`),
  ];
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0
      ? 'infra: no diagnostic of any level; sources formatted, snapshots up to date.'
      : `infra: ${faults.length} diagnostics.`,
  );
  return faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();
