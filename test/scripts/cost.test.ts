/** The cost estimate: the three reference sizes as they are printed, their ceilings, and what is wrong on the command line. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { estimate } from '../../scripts/cost/model.ts';
import { COST_USAGE, readSize, report } from '../../scripts/cost/report.ts';

const script = fileURLToPath(new URL('../../scripts/cost.ts', import.meta.url));
const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

const SMALL = { devices: 10, everySeconds: 60, streams: 0 };
const MEDIUM = { devices: 1_000, everySeconds: 10, streams: 10 };
const LARGE = { devices: 100_000, everySeconds: 10, streams: 1_000 };

test.each([
  ['small', SMALL],
  ['medium', MEDIUM],
  ['large', LARGE],
])('%s, as it is printed', (_name, size) => {
  expect(report(size)).toMatchSnapshot();
});

test('small without streams stays below 30 dollars, medium below 600', () => {
  expect(estimate(SMALL).total).toBeLessThanOrEqual(30);
  expect(estimate(MEDIUM).total).toBeLessThanOrEqual(600);
});

test('the total is the sum of the lines, and what dominates is the dearest and has a lever', () => {
  for (const size of [SMALL, MEDIUM, LARGE, { ...SMALL, streams: 5_000 }, { ...LARGE, everySeconds: 3_600 }]) {
    const { lines, total, dominates, lever } = estimate(size);
    expect(total).toBeCloseTo(lines.reduce((sum, { usd }) => sum + usd, 0));
    expect(dominates.usd).toBe(Math.max(...lines.map(({ usd }) => usd)));
    expect(lever).not.toBe('');
    for (const { usd } of lines) expect(usd).toBeGreaterThanOrEqual(0);
  }
});

test('more devices, a shorter interval or more streams never cost less', () => {
  for (const size of [SMALL, MEDIUM, LARGE]) {
    const { total } = estimate(size);
    expect(estimate({ ...size, devices: size.devices * 2 }).total).toBeGreaterThanOrEqual(total);
    expect(estimate({ ...size, everySeconds: size.everySeconds / 2 }).total).toBeGreaterThanOrEqual(total);
    expect(estimate({ ...size, streams: size.streams + 1_000 }).total).toBeGreaterThanOrEqual(total);
  }
});

test('the command prints the estimate', () => {
  const { status, stdout, stderr } = run('--devices', '10', '--every', '60');
  expect([status, stdout, stderr]).toEqual([0, `${report(SMALL)}\n`, '']);
  expect(run('--help').stdout).toBe(`${COST_USAGE}\n`);
});

test.each([
  [[], /^--devices must be a whole number from 1 to 10000000, and is missing\.$/],
  [['--devices', '1'], /^--every must be a number .* and is missing\.$/],
  [['--devices', '1.5', '--every', '1'], /^--devices .* not '1\.5'\.$/],
  [['--devices', '0', '--every', '1'], /^--devices .* not '0'\.$/],
  [['--devices', '1e3', '--every', '1'], /^--devices .* not '1e3'\.$/],
  [['--devices', '1', '--every', '0'], /^--every .* not '0'\.$/],
  [['--devices', '1', '--every', 'ten'], /^--every .* not 'ten'\.$/],
  [['--devices', '1', '--every', '1', '--streams', '0x10'], /^--streams .* not '0x10'\.$/],
  [['--devices'], /--devices/],
  [['--devices', '1', '--every', '1', '--stream', '1'], /--stream/],
  [['ten'], /ten/],
])('%j is refused in one line', (args, message) => {
  expect(() => readSize(args)).toThrow(message);
});

test('a refusal is one line on standard error and exit code 1', () => {
  for (const args of [['--devices', '-1', '--every', '1'], ['--devices', 'x', '--every', '1'], ['--nothing']]) {
    const { status, stdout, stderr } = run(...args);
    expect([status, stdout, stderr.trim().split('\n').length]).toEqual([1, '', 1]);
  }
});
