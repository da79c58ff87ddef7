import { describe, expect, test } from '@jest/globals';
import { ALARM_LEVELS } from '../../shared/anomalies/anomalies.ts';
import { Detector, VALUE_MAX, WARMUP_POINTS } from '../../shared/anomalies/detector.ts';
import type { DetectorState, Verdict } from '../../shared/anomalies/detector.ts';
import { FIVE_MINUTES_MS, MONDAY_MS, POINTS_PER_DAY, flat, roomTemperature, seeded } from '../support/signals.ts';
import type { Point } from '../support/signals.ts';

const LEVEL = ALARM_LEVELS.normal;

/** Feeds points and keeps a copy of every verdict. */
function run(points: readonly Point[], detector = new Detector(), level = LEVEL): (Verdict | undefined)[] {
  return points.map(({ value, ts }) => {
    const verdict = detector.update(value, ts, level);
    return verdict && { ...verdict };
  });
}

function alarms(verdicts: readonly (Verdict | undefined)[]): number[] {
  return verdicts.flatMap((verdict, index) => (verdict && verdict.score >= LEVEL ? [index] : []));
}

function throughJson(detector: Detector): Detector {
  const saved: DetectorState = JSON.parse(JSON.stringify(detector.state()));
  return Detector.restore(saved);
}

/** A long signal with something unusual in it, so that every part of the detector is in use. */
function eventful(seed: number): Point[] {
  const points = roomTemperature(12 * POINTS_PER_DAY, seed);
  const random = seeded(seed + 1);
  for (let i = 0; i < 12; i++) {
    const at = Math.floor(random() * points.length);
    points[at] = { ts: points[at]?.ts ?? 0, value: 40 * random() };
  }
  return points;
}

describe('what it notices', () => {
  test.each([1, 2, 3, 4, 5])('a spike and a dip, once each (seed %i)', (seed) => {
    const points = roomTemperature(6 * POINTS_PER_DAY, seed);
    const spike = 4 * POINTS_PER_DAY + 7;
    const dip = 5 * POINTS_PER_DAY + 99;
    const put = (at: number, value: number): void => void (points[at] = { ts: points[at]?.ts ?? 0, value });
    put(spike, 35);
    put(dip, 2);
    const verdicts = run(points);
    const after = alarms(verdicts).filter((at) => at >= 4 * POINTS_PER_DAY);
    expect(after).toEqual(expect.arrayContaining([spike, dip]));
    expect(verdicts[spike]).toMatchObject({ kind: 'spike', direction: 'up' });
    expect(verdicts[dip]).toMatchObject({ kind: 'spike', direction: 'down' });
    expect(after.length).toBeLessThanOrEqual(4);
  });

  test.each([1, 2, 3, 4, 5])('a shift of the level, within ten points (seed %i)', (seed) => {
    const at = 4 * POINTS_PER_DAY;
    const points = flat(5 * POINTS_PER_DAY, seed).map((point, i) => ({
      ...point,
      value: point.value + (i >= at ? 8 : 0),
    }));
    expect(alarms(run(points)).some((index) => index >= at && index < at + 10)).toBe(true);
  });

  test.each([1, 2, 3])('a value that is usual at noon but not at midnight (seed %i)', (seed) => {
    const points = roomTemperature(21 * POINTS_PER_DAY, seed);
    const at = 18 * POINTS_PER_DAY + (3 * POINTS_PER_DAY) / 4;
    const moved = points.map((point, i) => (i >= at && i < at + 6 ? { ...point, value: point.value + 5 } : point));
    const verdicts = run(moved);
    const found = alarms(verdicts).filter((index) => index >= at && index < at + 6);
    expect(found).toHaveLength(1);
    expect(verdicts[found[0] ?? 0]?.direction).toBe('up');
    expect(verdicts[at]?.upper).toBeLessThan(22);
  });

  test('a drift that leaves the known range', () => {
    const points = flat(6 * POINTS_PER_DAY, 9).map((point, i) => {
      return { ...point, value: point.value + Math.max(0, i - 4 * POINTS_PER_DAY) * 0.05 };
    });
    expect(alarms(run(points)).some((index) => index > 4 * POINTS_PER_DAY)).toBe(true);
  });

  test('a signal that stops moving, as stuck and not as a score', () => {
    const points = flat(1000, 3).map((point, i) => (i >= 800 ? { ...point, value: 50 } : point));
    const verdicts = run(points);
    const stuckAt = verdicts.findIndex((verdict) => (verdict?.stuck ?? 0) >= 1);
    expect(stuckAt).toBe(811);
    expect(alarms(verdicts).filter((index) => index >= 820)).toEqual([]);
  });
});

describe('what it does not mind', () => {
  test.each([0, 5, -3.25, 1e-9, 1e12, -1e29])('a constant %d, however long', (value) => {
    const verdicts = run(Array.from({ length: 3000 }, (_, i) => ({ value, ts: MONDAY_MS + i * FIVE_MINUTES_MS })));
    expect(verdicts.every((verdict) => verdict?.score === 0 && verdict.stuck < 1)).toBe(true);
  });

  test('the first points, whatever they are', () => {
    const random = seeded(4);
    const wild = Array.from({ length: WARMUP_POINTS }, (_, i) => ({ value: 10 ** (12 * random()), ts: MONDAY_MS + i }));
    expect(run(wild).every((verdict) => verdict?.score === 0)).toBe(true);
  });

  test('a signal that only repeats itself: fewer than one alarm a week', () => {
    let count = 0;
    const weeks = 4;
    const runs = 5;
    for (let seed = 1; seed <= runs; seed++) {
      const points = roomTemperature((3 + 7 * weeks) * POINTS_PER_DAY, seed);
      count += alarms(run(points)).filter((index) => index >= 3 * POINTS_PER_DAY).length;
    }
    expect(count / (weeks * runs)).toBeLessThan(1);
  });

  test('a switch that is on or off for long times is never stuck', () => {
    const points = Array.from({ length: 3000 }, (_, i) => ({ value: Math.floor(i / 50) % 2, ts: MONDAY_MS + i }));
    expect(run(points).every((verdict) => (verdict?.stuck ?? 0) < 1)).toBe(true);
  });
});

describe('laws', () => {
  test.each([1, 2, 3])('causality: what comes later changes no earlier verdict (seed %i)', (seed) => {
    const points = eventful(seed);
    const whole = run(points);
    const random = seeded(seed + 100);
    for (let i = 0; i < 4; i++) {
      const cut = Math.floor(random() * points.length);
      expect(run(points.slice(0, cut))).toEqual(whole.slice(0, cut));
    }
  });

  test.each([1, 2, 3])('saving and restoring between any two points changes nothing at all (seed %i)', (seed) => {
    const points = eventful(seed);
    const whole = new Detector();
    const verdicts = run(points, whole);
    const random = seeded(seed + 200);
    let detector = new Detector();
    const disturbed = points.flatMap((point) => {
      if (random() < 0.1) detector = throughJson(detector);
      return run([point], detector);
    });
    expect(disturbed).toEqual(verdicts);
    expect(detector.state()).toEqual(whole.state());
    expect(throughJson(detector).state()).toEqual(whole.state());
  });

  test.each([1 / 1024, 4, 2 ** 40])('a scale of a power of two gives the very same scores (times %d)', (scale) => {
    const points = eventful(5);
    const scaled = points.map(({ value, ts }) => ({ value: value * scale, ts }));
    expect(run(scaled).map((verdict) => verdict?.score)).toEqual(run(points).map((verdict) => verdict?.score));
  });

  test.each([0.001, 1.8, 3600])('any scale gives the same alarms (times %d)', (scale) => {
    const points = eventful(6);
    const scaled = points.map(({ value, ts }) => ({ value: value * scale, ts }));
    expect(alarms(run(scaled))).toEqual(alarms(run(points)));
  });

  test('a value beyond the bounds scores the alarm level before fatigue; the bounds enclose what is expected', () => {
    const points = eventful(7);
    const detector = new Detector();
    let outside = 0;
    for (const [i, { value, ts }] of points.entries()) {
      const before = throughJson(detector);
      const verdict = detector.update(value, ts, LEVEL);
      if (!verdict || i <= WARMUP_POINTS) continue;
      expect(verdict.lower).toBeLessThanOrEqual(verdict.upper);
      if (value >= verdict.lower && value <= verdict.upper) continue;
      outside++;
      // The novelty is dampened by fatigue, of which there is little in this signal, never raised.
      expect(verdict.novelty).toBeGreaterThan(LEVEL / 4);
      // The bound is where the alarm begins: twice as far out it is at least as loud.
      const twice = value > verdict.upper ? 2 * value - verdict.upper : 2 * value - verdict.lower;
      const novelty = verdict.novelty;
      expect(before.update(twice, ts, LEVEL)?.novelty).toBeGreaterThanOrEqual(novelty);
    }
    expect(outside).toBeGreaterThan(3);
  });

  test('the state never exceeds 4 KB', () => {
    const random = seeded(8);
    const detector = new Detector();
    let largest = 0;
    for (let i = 0; i < 20_000; i++) {
      detector.update((random() - 0.5) * 10 ** (20 * random()), MONDAY_MS + i * FIVE_MINUTES_MS, LEVEL);
      if (i % 500 === 0) largest = Math.max(largest, JSON.stringify(detector.state()).length);
    }
    expect(largest).toBeGreaterThan(2500);
    expect(largest).toBeLessThanOrEqual(4096);
  });
});

describe('hostile input', () => {
  test.each([NaN, Infinity, -Infinity, VALUE_MAX * 1.01, -Number.MAX_VALUE])(
    'a value of %d is passed over',
    (value) => {
      const detector = new Detector();
      run(flat(300, 1), detector);
      const before = detector.state();
      expect(detector.update(value, MONDAY_MS + 1e12, LEVEL)).toBeUndefined();
      expect(detector.state()).toEqual(before);
    },
  );

  test.each([NaN, Infinity, -Infinity])('a time of %d is passed over', (time) => {
    const detector = new Detector();
    expect(detector.update(1, time, LEVEL)).toBeUndefined();
    expect(detector.state()).toEqual(new Detector().state());
  });

  test('the largest, smallest and oddest numbers never make a score, bound or state that is not finite', () => {
    const odd = [0, -0, Number.MIN_VALUE, -1e-40, VALUE_MAX, -VALUE_MAX, 1e29, 1, 1e-30];
    const random = seeded(11);
    const detector = new Detector();
    const broken: unknown[] = [];
    for (let i = 0; i < 5000; i++) {
      const value = odd[Math.floor(random() * odd.length)] ?? 0;
      const verdict = detector.update(value, MONDAY_MS + i * 60_000, LEVEL);
      const { score, novelty, expected, lower, upper, near } = verdict ?? {};
      if (![score, novelty, expected, lower, upper, near].every(Number.isFinite)) broken.push({ i, ...verdict });
    }
    expect(broken).toEqual([]);
    expect(throughJson(detector).state()).toEqual(detector.state());
  });

  test('late and repeated points change no verdict', () => {
    const points = eventful(12);
    const detector = new Detector();
    const verdicts = run(points, detector);
    const disturbed = new Detector();
    const seen = points.map(({ value, ts }, i) => {
      const earlier = points[Math.max(0, i - 3)];
      const verdict = disturbed.update(value, ts, LEVEL);
      const copy = verdict && { ...verdict };
      expect(disturbed.update(value, ts, LEVEL)).toBeUndefined();
      expect(disturbed.update(-1e6, earlier?.ts ?? 0, LEVEL)).toBeUndefined();
      return copy;
    });
    expect(seen).toEqual(verdicts);
  });

  test('a clock that was ahead for one point does not silence the detector for longer than twenty points', () => {
    const points = flat(600, 13);
    const detector = new Detector();
    run(points.slice(0, 300), detector);
    detector.update(50, MONDAY_MS + 10 ** 12, LEVEL);
    const after = run(points.slice(300), detector);
    expect(after.findIndex((verdict) => verdict !== undefined)).toBe(20);
    expect(after.slice(20).every((verdict) => verdict !== undefined)).toBe(true);
  });

  test.each<[string, (state: DetectorState) => unknown]>([
    ['another version', (state) => ({ ...state, v: 2 })],
    ['cut short', (state) => ({ ...state, m: state.m.slice(0, 400) })],
    [
      'too long',
      (state) => ({ ...state, m: Buffer.concat([Buffer.from(state.m, 'base64'), Buffer.alloc(8)]).toString('base64') }),
    ],
    ['empty', (state) => ({ ...state, m: '' })],
  ])('a state that is %s is refused', (_what, damage) => {
    const detector = new Detector();
    run(flat(300, 1), detector);
    const damaged: DetectorState = JSON.parse(JSON.stringify(damage(detector.state())));
    expect(() => Detector.restore(damaged)).toThrow(/detector's state|bounds|Offset/i);
  });
});
