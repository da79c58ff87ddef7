import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { ALARM_LEVELS } from '../../shared/anomalies/anomalies.ts';
import { Detector } from '../../shared/anomalies/detector.ts';
import { POINTS_PER_DAY, roomTemperature } from '../support/signals.ts';

const SCRIPTS = path.join(import.meta.dirname, '../../scripts');

async function run(script: string, args: string[], input = ''): Promise<{ out: string; err: string }> {
  const child = spawn(process.execPath, [path.join(SCRIPTS, script), ...args]);
  child.stdin.end(input);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err };
}

const POINTS = roomTemperature(8 * POINTS_PER_DAY, 21).map((point, i) =>
  i === 2000 ? { ...point, value: 60 } : point,
);

function csvOf(points: typeof POINTS): string {
  const rows = points.map(({ ts, value }) => `${new Date(ts).toISOString().slice(0, 19).replace('T', ' ')},${value}`);
  return ['timestamp,value', ...rows].join('\n');
}

test('the adapter gives the scores of the detector, one a row, although it saves and restores on the way', async () => {
  const detector = new Detector();
  const expected = POINTS.map(({ value, ts }) => detector.update(value, ts, ALARM_LEVELS.normal)?.score ?? 0);
  const { out } = await run('anomaly-scores.ts', [], csvOf(POINTS));
  expect(out.trimEnd().split('\n').map(Number)).toEqual(expected);
  expect(expected[2000]).toBeGreaterThan(1);
});

test('the adapter gives a row that cannot be judged a 0', async () => {
  const rows = [
    '2026-01-01 00:00:00,1',
    '2026-01-01 00:05:00,',
    'never,3',
    '2026-01-01 00:00:00,4',
    '1767300000,nonsense',
  ];
  const { out } = await run('anomaly-scores.ts', [], `timestamp,value\r\n${rows.join('\r\n')}\r\n`);
  expect(out).toBe('0\n0\n0\n0\n0\n');
});

test('the scorer runs a folder, checks causality and prints every profile', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-nab-'));
  try {
    mkdirSync(path.join(folder, 'data/rooms'), { recursive: true });
    mkdirSync(path.join(folder, 'labels'));
    writeFileSync(path.join(folder, 'data/rooms/a.csv'), csvOf(POINTS));
    const windowAt = (row: number): string => `${csvOf(POINTS).split('\n')[row + 1]?.slice(0, 19)}.000000`;
    const labels = { 'rooms/a.csv': [[windowAt(1990), windowAt(2050)]] };
    writeFileSync(path.join(folder, 'labels/combined_windows.json'), JSON.stringify(labels));
    const { out, err } = await run('nab.ts', [folder, '--causal']);
    expect(err).toBe('');
    expect(out).toMatch(/^1 files, 2304 rows\n/);
    expect(out).toMatch(/^standard +9\d\.\d\d .*1 of 1 windows, 0 false alarms$/m);
    expect(out).toMatch(/^low false positives +9\d/m);
    expect(out).toMatch(/^low false negatives +9\d/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
