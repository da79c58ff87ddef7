/**
 * Runs the shipped detector over a folder of the Numenta Anomaly Benchmark and prints its scores:
 * `node scripts/nab.ts DIR [--causal]`, DIR holding `data/` and `labels/combined_windows.json`.
 * Every file gets a process of its own that sees neither its name nor its length. `--causal` runs each file again, cut
 * at 60 %, and demands the same scores for what is left.
 */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { ALARM_LEVELS } from '../shared/anomalies/anomalies.ts';
import { PROFILES, scoreCorpus } from './nab-score.ts';
import type { Outcome, ScoredFile } from './nab-score.ts';

/** Share of a file's rows that is left for the check of causality. */
const CUT = 0.6;

const ADAPTER = path.join(import.meta.dirname, 'anomaly-scores.ts');

async function scoresOf(csv: string): Promise<number[]> {
  const adapter = spawn(process.execPath, [ADAPTER], { stdio: ['pipe', 'pipe', 'inherit'] });
  adapter.stdin.end(csv);
  const scores = (await text(adapter.stdout)).trimEnd().split('\n').map(Number);
  const rows = csv.trimEnd().split('\n').length - 1;
  if (scores.length !== rows) throw new Error(`The adapter gave ${scores.length} scores for ${rows} rows.`);
  return scores;
}

/** Labels give times with microseconds; rows do not. A window begins at the first row of its time. */
function windowRows(csv: string, windows: readonly (readonly [string, string])[]): [number, number][] {
  const times = csv
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(',')));
  return windows.map((window): [number, number] => {
    const [first, last] = window.map((time) => times.indexOf(time.replace(/\.0+$/, '')));
    if (first === undefined || last === undefined || first < 0 || last < 0) {
      throw new Error(`No row of the file has the time of the window ${window.join(' to ')}.`);
    }
    return [first, last];
  });
}

async function scoreFile(
  folder: string,
  name: string,
  windows: [string, string][],
  causal: boolean,
): Promise<ScoredFile> {
  const csv = readFileSync(path.join(folder, 'data', name), 'utf8').replaceAll('\r\n', '\n');
  const scores = await scoresOf(csv);
  if (causal) {
    const lines = csv.trimEnd().split('\n');
    const kept = await scoresOf(lines.slice(0, 1 + Math.floor(CUT * (lines.length - 1))).join('\n'));
    const row = kept.findIndex((score, index) => score !== scores[index]);
    if (row >= 0) throw new Error(`${name}, row ${row + 1}: the score depends on later rows.`);
  }
  return { scores, windows: windowRows(csv, windows) };
}

function line(name: string, outcome: Outcome): string {
  const found = `${outcome.windowsFound} of ${outcome.windows} windows, ${outcome.falseAlarms} false alarms`;
  return `${name.padEnd(28)}${outcome.score.toFixed(2).padStart(7)}   at ${outcome.threshold.toFixed(4)}   ${found}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { causal: { type: 'boolean' } } });
  const folder = positionals[0];
  if (folder === undefined) throw new Error('Usage: node scripts/nab.ts DIR [--causal]');
  const labels: Record<string, [string, string][]> = JSON.parse(
    readFileSync(path.join(folder, 'labels/combined_windows.json'), 'utf8'),
  );
  const names = readdirSync(path.join(folder, 'data'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll(path.sep, '/'))
    .filter((name) => name.endsWith('.csv'))
    .toSorted();
  const files: ScoredFile[] = [];
  for (const name of names) {
    const windows = labels[name];
    if (!windows) throw new Error(`labels/combined_windows.json says nothing of ${name}.`);
    files.push(await scoreFile(folder, name, windows, values.causal ?? false));
  }
  console.log(`${files.length} files, ${files.reduce((rows, file) => rows + file.scores.length, 0)} rows`);
  console.log(line('standard', scoreCorpus(files, PROFILES.standard)));
  console.log(line('low false positives', scoreCorpus(files, PROFILES.lowFalsePositives)));
  console.log(line('low false negatives', scoreCorpus(files, PROFILES.lowFalseNegatives)));
  for (const [sensitivity, level] of Object.entries(ALARM_LEVELS)) {
    console.log(line(`standard, as "${sensitivity}"`, scoreCorpus(files, PROFILES.standard, level)));
  }
}

try {
  await main();
} catch (error) {
  console.error(Error.isError(error) ? error.message : error);
  process.exitCode = 1;
}
