import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WindowFunction } from '../../shared/rules/watched.ts';
import { WINDOW_PANES, Window } from '../../shared/rules/window.ts';

const PERIOD_MS = 600_000;
const PANE_MS = PERIOD_MS / WINDOW_PANES;
const START_MS = Date.UTC(2026, 10, 24, 10);
const FUNCTIONS: WindowFunction[] = ['avg', 'sum', 'min', 'max', 'count', 'delta', 'stddev', 'rate', 'anomalies'];

function windowOf(fn: WindowFunction): Window {
  const spec = { key: fn, fn, params: ['t'], periodMs: PERIOD_MS, mode: 'sliding', minSamples: 1 } as const;
  return new Window({ ...spec, whole: false, perMs: 60_000, minScore: 0 });
}

type Sample = [ts: number, value: number];

/** What a window comes to, from all of its samples at once. */
function naive(fn: WindowFunction, all: readonly Sample[], now: number): number {
  const held = all.filter(([ts]) => ts > now - PERIOD_MS).toSorted(([a], [b]) => a - b);
  const values = held.map(([, value]) => value);
  const [first, last] = [held[0], held.at(-1)];
  if (fn === 'count' || fn === 'anomalies') return held.length;
  if (!first || !last) return Number.NaN;
  const sum = values.reduce((total, value) => total + value, 0);
  switch (fn) {
    case 'avg':
      return sum / values.length;
    case 'sum':
      return sum;
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'delta':
      return last[1] - first[1];
    case 'stddev': {
      const mean = sum / values.length;
      return Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length);
    }
    case 'rate': {
      const span = last[0] - first[0];
      return span * 2 >= PERIOD_MS ? ((last[1] - first[1]) / span) * 60_000 : Number.NaN;
    }
  }
}

/** Equal but for rounding; unknown is equal to unknown. */
function isSame(one: number, other: number, apart: number): boolean {
  return Math.abs(one - other) <= apart || (Number.isNaN(one) && Number.isNaN(other));
}

const value = fc.integer({ min: -50, max: 50 });
const gapsOf = (...gaps: number[]) =>
  fc.array(fc.tuple(fc.constantFrom(...gaps), value), { minLength: 1, maxLength: 150 });

function samplesOf(gaps: [gapMs: number, value: number][]): Sample[] {
  let ts = START_MS;
  return gaps.map(([gapMs, each]) => [(ts += gapMs), each]);
}

test.each(FUNCTIONS)('%s: up to 60 samples are exact, whatever their gaps', (fn) => {
  fc.assert(
    // Never more than 60 in ten minutes.
    fc.property(gapsOf(10_000, 11_000, 60_000, 250_000, 900_000), (gaps) => {
      const samples = samplesOf(gaps);
      const window = windowOf(fn);
      for (const [index, [ts, each]] of samples.entries()) {
        window.add(ts, each);
        const expected = naive(fn, samples.slice(0, index + 1), ts);
        expect(isSame(window.value(ts), expected, 1e-9)).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});

test.each(FUNCTIONS)('%s: beyond 60 samples the window is off by no more than a pane at its edge', (fn) => {
  fc.assert(
    fc.property(gapsOf(500, 1000, 3000), (gaps) => {
      const samples = samplesOf([...gaps, ...gaps, ...gaps, ...gaps]);
      const window = windowOf(fn);
      for (const [ts, each] of samples) window.add(ts, each);
      const now = samples.at(-1)?.[0] ?? 0;
      const held = (periodMs: number) => samples.filter(([ts]) => ts > now - periodMs);
      const candidates = held(PERIOD_MS).slice(0, held(PERIOD_MS).length - held(PERIOD_MS - PANE_MS).length + 1);
      // Exactly the samples from some moment within the first pane on.
      const possible = candidates.map(([from]) =>
        naive(
          fn,
          samples.filter(([ts]) => ts >= from),
          now,
        ),
      );
      const is = window.value(now);
      expect(possible.some((each) => isSame(each, is, 1e-6))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test.each(FUNCTIONS)('%s: stored and opened between any two samples it says the same to the last bit', (fn) => {
  fc.assert(
    fc.property(gapsOf(100, 1000, 10_000, 90_000), (gaps) => {
      const kept = windowOf(fn);
      let stored = kept.store();
      for (const [ts, each] of samplesOf(gaps.map(([gapMs, v]) => [gapMs, v / 7]))) {
        kept.add(ts, each);
        const opened = new Window(kept.spec, JSON.parse(JSON.stringify(stored)) as typeof stored);
        opened.add(ts, each);
        stored = opened.store();
        expect(opened.value(ts)).toBe(kept.value(ts));
      }
    }),
    { numRuns: 100 },
  );
});

test('a late sample goes to its place; a rate and a delta ignore it', () => {
  for (const fn of FUNCTIONS) {
    const window = windowOf(fn);
    window.add(START_MS, 1);
    window.add(START_MS + 400_000, 5);
    window.add(START_MS + 200_000, 9);
    const ordered: Sample[] = [
      [START_MS, 1],
      [START_MS + 400_000, 5],
      ...(fn === 'rate' || fn === 'delta' ? [] : [[START_MS + 200_000, 9] satisfies Sample]),
    ];
    expect(window.value(START_MS + 400_000)).toBeCloseTo(naive(fn, ordered, START_MS + 400_000), 9);
  }
});

test('a thousand samples a second take no more state than sixty panes', () => {
  const window = windowOf('avg');
  for (let ms = 0; ms < 1_200_000; ms += 20) window.add(START_MS + ms, (ms % 977) / 10);
  expect(JSON.stringify(window.store()).length).toBeLessThan(2200);
});

test('at 6,000 samples in regular order a window takes at most 1,400 bytes', () => {
  const window = windowOf('avg');
  for (let ms = 0; ms < 1_200_000; ms += 100)
    window.add(START_MS + ms, Math.round(50 + 10 * Math.sin(ms / 60_000)) + 0.25);
  const stored = window.store();
  expect(stored.d).toBe(PANE_MS);
  expect(JSON.stringify(stored).length).toBeLessThanOrEqual(1400);
});

test('a window stored with a list of equal gaps is read as one with a single gap', () => {
  const window = windowOf('avg');
  for (let minute = 0; minute < 5; minute++) window.add(START_MS + minute * 60_000, minute);
  const stored = window.store();
  expect(stored).toMatchObject({ d: 60_000 });
  const listed = new Window(window.spec, { ...stored, d: [60_000, 60_000, 60_000, 60_000] });
  expect(listed.store()).toEqual(stored);
});
