/**
 * The streaming anomaly detector of one parameter. It remembers which values a signal has visited, and likewise its
 * slow and fast levels, its steps and its distance from the usual time of day; a point is as anomalous as the most
 * novel of these. It needs no training, looks at nothing but value and event time, and never looks ahead.
 *
 * The same points in the same order give the same state and the same verdicts, whether the state lived in memory or
 * was written and restored in between: everything kept as a 32-bit float is one in memory too.
 */
import { StateReader, StateWriter } from './detector-state.ts';
import { SeasonalProfile } from './seasonal-profile.ts';
import { StuckWatch } from './stuck-watch.ts';
import { VisitedValues } from './visited-values.ts';

/** Points that are only learnt before the first one is judged. */
export const WARMUP_POINTS = 100;
/** Points judged by the time of day before that channel speaks: its residuals have a memory of their own to fill. */
const SEASON_WARMUP_POINTS = 400;
/** Points for which a score silences every score that does not exceed it: one alarm per episode. */
const REFRACTORY_POINTS = 60;
/** How strongly recent novelty dampens a score: a signal that is novel all the time is not anomalous all the time. */
const FATIGUE = 0.7;
/** What one point can add to the fatigue, at most. */
const FATIGUE_PER_POINT_MAX = 0.1;
/** What fatigue forgets with each point. */
const FATIGUE_LEAK = 1e-3;
/** Consecutive points from the past after which the clock is taken to have been set back, and time starts anew. */
const LATE_POINTS_MAX = 20;
/** Larger values lose too much in 32-bit arithmetic; no sensor sends them. */
export const VALUE_MAX = 1e30;

/** Representatives kept of the value itself, and of each signal derived from it. */
const VALUES_KEPT = 192;
const LEVELS_KEPT = 64;
/** Share of the range within which a value of the signal counts as known. */
const VALUE_CLOSENESS = 0.005;
const LEVEL_CLOSENESS = 0.015;
const STEP_CLOSENESS = 0.03;
const SEASON_CLOSENESS = 0.02;

/** How much a novelty of each channel counts; the largest product is the score. */
const WEIGHTS = { spike: 1, shift: 0.2, level: 0.2, drift: 0.3, jump: 0.2, season: 0.5 } as const;

/** What is unusual: the value itself, one of its levels, its step, its time of day, or that it does not move at all. */
export type AnomalyKind = keyof typeof WEIGHTS | 'stuck';

/** Whether the signal is above or below what was known. */
export type AnomalyDirection = 'up' | 'down';

/** What the detector says of one point. The object is reused by the next `update`: copy what must be kept. */
export interface Verdict {
  /** 0 for a normal point; compare with an alarm level. Counts the first and every worse point of an episode. */
  score: number;
  /** As `score`, without the silence after an earlier alarm: 0 as soon as the signal is back in known territory. */
  novelty: number;
  /** Which channel was the most novel. Means something only where `novelty` is above 0. */
  kind: AnomalyKind;
  direction: AnomalyDirection;
  /** What would have been usual: the profile of the hour where there is one, else the recent mean. */
  expected: number;
  /** Bounds of what would have been normal at the alarm level. A value outside exceeds it before fatigue. */
  lower: number;
  upper: number;
  /** The nearest value ever seen before. */
  near: number;
  /** A signal that normally changes repeats one value: from 1 on for far too long. Never part of the score. */
  stuck: number;
}

/** A detector's memory as JSON: at most 4 KB. */
export interface DetectorState {
  /** Version of the layout of `m`. */
  v: 1;
  /** Epoch milliseconds of the last point learnt. */
  t: number;
  /** Everything else, base64. */
  m: string;
}

export class Detector {
  #lastMs = -Infinity;
  #late = 0;
  #points = 0;
  #seasonPoints = 0;
  #previous = 0;
  #fatigue = 0;
  #peak = 0;
  #sincePeak = 0;
  #mean8 = 0;
  #mean16 = 0;
  #mean50 = 0;
  #mean125 = 0;
  readonly #values = new VisitedValues(VALUES_KEPT, VALUE_CLOSENESS);
  readonly #shifts = new VisitedValues(LEVELS_KEPT, LEVEL_CLOSENESS);
  readonly #levels = new VisitedValues(LEVELS_KEPT, LEVEL_CLOSENESS);
  readonly #drifts = new VisitedValues(LEVELS_KEPT, LEVEL_CLOSENESS);
  readonly #steps = new VisitedValues(LEVELS_KEPT, STEP_CLOSENESS);
  readonly #residuals = new VisitedValues(LEVELS_KEPT, SEASON_CLOSENESS);
  readonly #profile = new SeasonalProfile();
  readonly #stuck = new StuckWatch();
  readonly #verdict: Verdict = {
    score: 0,
    novelty: 0,
    kind: 'spike',
    direction: 'up',
    expected: 0,
    lower: 0,
    upper: 0,
    near: 0,
    stuck: 0,
  };

  /**
   * Judges a point and learns it.
   * @param epochMs event time; a point not newer than the last one is late or a duplicate and changes nothing
   * @param level alarm level for which `lower` and `upper` are computed
   * @returns the verdict, or undefined for a point that was ignored: late, not finite, or beyond {@link VALUE_MAX}
   */
  update(value: number, epochMs: number, level: number): Verdict | undefined {
    if (!(Math.abs(value) <= VALUE_MAX) || !Number.isFinite(epochMs)) return undefined;
    if (epochMs <= this.#lastMs && ++this.#late <= LATE_POINTS_MAX) return undefined;
    this.#lastMs = epochMs;
    this.#late = 0;

    const verdict = this.#verdict;
    const first = this.#points++ === 0;
    const seasonal = this.#profile.observe(value, epochMs);
    verdict.expected = first ? value : seasonal ? this.#profile.expected : this.#mean16;
    this.#bound(seasonal, first, value, level);
    verdict.stuck = this.#stuck.observe(value);

    verdict.novelty = 0;
    verdict.kind = 'spike';
    verdict.direction = 'up';
    this.#hear('spike', this.#values, value);
    verdict.near = this.#values.near;
    this.#mean8 += this.#rate(1 / 8) * (value - this.#mean8);
    this.#mean16 += this.#rate(1 / 16) * (value - this.#mean16);
    this.#mean50 += this.#rate(1 / 50) * (value - this.#mean50);
    this.#mean125 += this.#rate(1 / 125) * (value - this.#mean125);
    this.#hear('shift', this.#shifts, this.#mean8 - this.#mean125);
    this.#hear('level', this.#levels, this.#mean16);
    this.#hear('drift', this.#drifts, this.#mean16 - this.#mean50);
    if (!first) this.#hear('jump', this.#steps, value - this.#previous);
    this.#previous = value;
    if (seasonal) {
      const { novelty, kind, direction } = verdict;
      this.#hear('season', this.#residuals, value - this.#profile.expected);
      if (++this.#seasonPoints <= SEASON_WARMUP_POINTS) {
        verdict.novelty = novelty;
        verdict.kind = kind;
        verdict.direction = direction;
      }
    }
    this.#settle();
    return verdict;
  }

  /** Feeds one channel's signal to its memory and keeps the loudest channel in the verdict. */
  #hear(kind: keyof typeof WEIGHTS, memory: VisitedValues, signal: number): void {
    const novelty = memory.observe(signal);
    if (novelty === 0) return;
    const weighed = WEIGHTS[kind] * novelty;
    const verdict = this.#verdict;
    if (weighed <= verdict.novelty) return;
    verdict.novelty = weighed;
    verdict.kind = kind;
    verdict.direction = signal >= memory.near ? 'up' : 'down';
  }

  #rate(rate: number): number {
    return Math.max(rate, 1 / this.#points);
  }

  /** From the raw novelty of the point to its score: warm-up, fatigue, one alarm per episode. */
  #settle(): void {
    const verdict = this.#verdict;
    verdict.score = 0;
    if (this.#points <= WARMUP_POINTS) {
      verdict.novelty = 0;
      return;
    }
    const raw = verdict.novelty;
    const novelty = raw / (1 + FATIGUE * this.#fatigue);
    this.#fatigue += Math.min(FATIGUE_PER_POINT_MAX, raw) - FATIGUE_LEAK * this.#fatigue;
    verdict.novelty = novelty;
    if (++this.#sincePeak > REFRACTORY_POINTS) this.#peak = 0;
    if (novelty <= this.#peak) return;
    this.#peak = novelty;
    this.#sincePeak = 0;
    verdict.score = novelty;
  }

  #bound(seasonal: boolean, first: boolean, value: number, level: number): void {
    const verdict = this.#verdict;
    verdict.lower = first ? value : this.#values.lower(level);
    verdict.upper = first ? value : this.#values.upper(level);
    if (!seasonal || this.#seasonPoints < SEASON_WARMUP_POINTS) return;
    const lower = this.#profile.expected + this.#residuals.lower(level / WEIGHTS.season);
    const upper = this.#profile.expected + this.#residuals.upper(level / WEIGHTS.season);
    // The two memories can contradict each other after the signal moved: then the time of day decides alone.
    if (Math.max(lower, verdict.lower) > Math.min(upper, verdict.upper)) {
      verdict.lower = lower;
      verdict.upper = upper;
      return;
    }
    verdict.lower = Math.max(lower, verdict.lower);
    verdict.upper = Math.min(upper, verdict.upper);
  }

  /** The memory as JSON; the detector goes on unchanged. */
  state(): DetectorState {
    const out = new StateWriter();
    for (const number of this.#scalars()) out.number(number);
    for (const memory of this.#memories()) memory.write(out);
    this.#profile.write(out);
    this.#stuck.write(out);
    return { v: 1, t: this.#lastMs, m: out.toBase64() };
  }

  /**
   * A detector that goes on exactly where the one that gave the state was.
   * @throws {RangeError} when the state is of another version or damaged
   */
  static restore(state: DetectorState): Detector {
    if (state.v !== 1) throw new RangeError(`A detector's state has version ${String(state.v)}; this code knows 1.`);
    const detector = new Detector();
    const from = new StateReader(state.m);
    detector.#lastMs = state.t;
    detector.#readScalars(from);
    for (const memory of detector.#memories()) memory.read(from);
    detector.#profile.read(from);
    detector.#stuck.read(from);
    from.end();
    return detector;
  }

  #memories(): VisitedValues[] {
    return [this.#values, this.#shifts, this.#levels, this.#drifts, this.#steps, this.#residuals];
  }

  #scalars(): number[] {
    return [
      this.#late,
      this.#points,
      this.#seasonPoints,
      this.#previous,
      this.#fatigue,
      this.#peak,
      this.#sincePeak,
      this.#mean8,
      this.#mean16,
      this.#mean50,
      this.#mean125,
    ];
  }

  #readScalars(from: StateReader): void {
    this.#late = from.number();
    this.#points = from.number();
    this.#seasonPoints = from.number();
    this.#previous = from.number();
    this.#fatigue = from.number();
    this.#peak = from.number();
    this.#sincePeak = from.number();
    this.#mean8 = from.number();
    this.#mean16 = from.number();
    this.#mean50 = from.number();
    this.#mean125 = from.number();
  }
}
