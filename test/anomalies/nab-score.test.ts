import { expect, test } from '@jest/globals';
import { PROFILES, probation, scoreCorpus } from '../../scripts/nab-score.ts';
import type { ScoredFile } from '../../scripts/nab-score.ts';

/** A file of 1000 rows whose rows at the given places score 1. */
function file(alarms: number[], windows: [number, number][]): ScoredFile {
  const scores = new Float64Array(1000);
  for (const row of alarms) scores[row] = 1;
  return { scores, windows };
}

test('silence scores 0, and an alarm at the left edge of every window 100', () => {
  const windows: [number, number][] = [
    [300, 399],
    [600, 699],
  ];
  expect(scoreCorpus([file([], windows)], PROFILES.standard, 1).score).toBe(0);
  expect(scoreCorpus([file([300, 600], windows)], PROFILES.standard, 1).score).toBeCloseTo(100);
  expect(scoreCorpus([file([300, 600], windows)], PROFILES.lowFalseNegatives, 1).score).toBeCloseTo(100);
});

test('a later alarm in a window earns less, and only the earliest of several counts', () => {
  const windows: [number, number][] = [[300, 399]];
  const at = (...rows: number[]): number => scoreCorpus([file(rows, windows)], PROFILES.standard, 1).score;
  expect(at(350)).toBeLessThan(at(320));
  expect(at(350, 360, 399)).toBe(at(350));
  expect(at(399)).toBeGreaterThan(50);
});

test('a false alarm costs its full weight before any window and far behind one, less just behind one', () => {
  const windows: [number, number][] = [[300, 399]];
  const cost = (row: number): number => -scoreCorpus([file([row], windows)], PROFILES.standard, 1).score / 50;
  expect(cost(200)).toBeCloseTo(0.11);
  expect(cost(900)).toBeCloseTo(0.11);
  expect(cost(405)).toBeLessThan(0.11 / 4);
});

test('the head of a file is not judged', () => {
  expect(probation(1000)).toBe(150);
  expect(probation(100_000)).toBe(750);
  expect(scoreCorpus([file([10, 149], [[300, 399]])], PROFILES.standard, 1)).toMatchObject({
    score: 0,
    falseAlarms: 0,
  });
});

test('the best threshold serves all files together', () => {
  const loud = { scores: [...new Float64Array(1000)], windows: [[300, 399]] as [number, number][] };
  loud.scores[310] = 0.9;
  loud.scores[200] = 0.5;
  const quiet = { scores: [...new Float64Array(1000)], windows: [[300, 399]] as [number, number][] };
  quiet.scores[305] = 0.4;
  expect(scoreCorpus([loud, quiet], PROFILES.standard)).toMatchObject({
    threshold: 0.4,
    windowsFound: 2,
    falseAlarms: 1,
  });
  expect(scoreCorpus([loud], PROFILES.standard)).toMatchObject({ threshold: 0.9, windowsFound: 1, falseAlarms: 0 });
});
