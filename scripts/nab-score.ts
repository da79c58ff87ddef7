/**
 * The scoring rules of the Numenta Anomaly Benchmark, as a pure function of scores and windows.
 * A detector gives one score a row; the benchmark finds the one threshold, for all files together, that scores best.
 */

/** One file of the corpus with a detector's scores. Windows are inclusive row ranges, in order. */
export interface ScoredFile {
  scores: ArrayLike<number>;
  windows: readonly (readonly [first: number, last: number])[];
}

/** What a true detection, a missed window and a false alarm weigh. */
export interface Profile {
  truePositive: number;
  falseNegative: number;
  falsePositive: number;
}

/** The benchmark's three application profiles. */
export const PROFILES = {
  standard: { truePositive: 1, falseNegative: 1, falsePositive: 0.11 },
  lowFalsePositives: { truePositive: 1, falseNegative: 1, falsePositive: 0.22 },
  lowFalseNegatives: { truePositive: 1, falseNegative: 2, falsePositive: 0.11 },
} as const satisfies Record<string, Profile>;

/** The outcome at one threshold; `score` is 0 for silence and 100 for perfection. */
export interface Outcome {
  score: number;
  threshold: number;
  windowsFound: number;
  windows: number;
  falseAlarms: number;
}

/** Rows at the head of a file that are not judged: 15 % of it, at most 750. */
export function probation(rows: number): number {
  return Math.min(Math.floor(0.15 * rows), 750);
}

/** Past this many window widths a false alarm costs its full weight. */
const WIDTHS_PAST_MAX = 3;

function sigmoid(position: number): number {
  return position > WIDTHS_PAST_MAX ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

const BEST_CREDIT = sigmoid(-1);

interface Judged {
  score: number;
  /** Index of the window over all files, or -1 outside of any. */
  window: number;
  /** Credit inside a window (at most 1), cost outside (at least -1), both before weighing. */
  worth: number;
}

function judge(file: ScoredFile, firstWindow: number): { rows: Judged[]; windows: number[] } {
  const rows: Judged[] = [];
  const windows = new Set<number>();
  let next = 0;
  let past: { last: number; width: number } | undefined;
  for (let row = 0, skip = probation(file.scores.length); row < file.scores.length; row++) {
    let window = file.windows[next];
    if (window && row > window[1]) {
      past = { last: window[1], width: window[1] - window[0] + 1 };
      window = file.windows[++next];
    }
    if (row < skip) continue;
    const score = file.scores[row] ?? 0;
    if (window && row >= window[0]) {
      const position = -(window[1] - row + 1) / (window[1] - window[0] + 1);
      rows.push({ score, window: firstWindow + next, worth: sigmoid(position) / BEST_CREDIT });
      windows.add(firstWindow + next);
    } else {
      rows.push({ score, window: -1, worth: past ? sigmoid((row - past.last) / (past.width - 1)) : -1 });
    }
  }
  return { rows, windows: [...windows] };
}

/** The rows of all files, judged and sorted from the highest score down: what every profile starts from. */
function judgeAll(files: readonly ScoredFile[]): { rows: Judged[]; windows: number[] } {
  const rows: Judged[] = [];
  const windows: number[] = [];
  let first = 0;
  for (const file of files) {
    const judged = judge(file, first);
    for (const row of judged.rows) rows.push(row);
    windows.push(...judged.windows);
    first += file.windows.length;
  }
  rows.sort((a, b) => b.score - a.score);
  return { rows, windows };
}

/**
 * Scores a corpus under one profile.
 * @param fixed judge at this threshold; without it every distinct score is tried and the best one taken
 */
export function scoreCorpus(files: readonly ScoredFile[], profile: Profile, fixed?: number): Outcome {
  const { rows, windows } = judgeAll(files);
  const credit = new Map(windows.map((window) => [window, -profile.falseNegative]));
  const worst = -profile.falseNegative * windows.length;
  const range = profile.truePositive * windows.length - worst;
  let total = worst;
  let falseAlarms = 0;
  let windowsFound = 0;
  const outcome = (threshold: number): Outcome => ({
    score: range === 0 ? 0 : (100 * (total - worst)) / range,
    threshold,
    windowsFound,
    windows: windows.length,
    falseAlarms,
  });
  let best = outcome(Infinity);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (!row || (fixed !== undefined && row.score < fixed)) break;
    if (row.window < 0) {
      total += row.worth * profile.falsePositive;
      falseAlarms++;
    } else {
      const before = credit.get(row.window) ?? 0;
      const after = Math.max(before, row.worth * profile.truePositive);
      if (before === -profile.falseNegative) windowsFound++;
      credit.set(row.window, after);
      total += after - before;
    }
    if (fixed === undefined && row.score !== rows[i + 1]?.score) {
      const here = outcome(row.score);
      if (here.score > best.score) best = here;
    }
  }
  return fixed === undefined ? best : outcome(fixed);
}
