/** Recorded measurements of one device, and how to go through them again and again without a jump. */

/** What a device measured at one moment: value by parameter. */
export type Readings = Record<string, number | string | boolean>;

export interface Series {
  rows: readonly Readings[];
  /** Time from each row to the next, in multiples of the recording's usual interval. */
  gaps: readonly number[];
  /** The row to start with. */
  first: number;
  /** `loop`: begin again after the last row. `fold`: go back the same way, where beginning again would be a jump. */
  wrap: 'loop' | 'fold';
}

/** How much wider than the widest recorded step the seam of a loop may be before the series is folded instead. */
const SEAM_STEP_MAX = 1;

/** How a recording is best repeated. */
export function chooseWrap(rows: readonly Readings[]): Series['wrap'] {
  const first = rows[0] ?? {};
  const last = rows.at(-1) ?? {};
  for (const parameter in first) {
    const seam = step(last, first, parameter);
    let widest = 0;
    for (let i = 1; i < rows.length; i++) widest = Math.max(widest, step(rows[i - 1], rows[i], parameter));
    if (seam > SEAM_STEP_MAX * widest) return 'fold';
  }
  return 'loop';
}

function step(from: Readings | undefined, to: Readings | undefined, parameter: string): number {
  const a = from?.[parameter];
  const b = to?.[parameter];
  return typeof a === 'number' && typeof b === 'number' ? Math.abs(b - a) : 0;
}

/** The row that comes at a position of the endless repetition (0, 1, 2, …). */
export function rowAt(series: Series, position: number): number {
  const count = series.rows.length;
  if (series.wrap === 'loop' || count < 2) return (series.first + position) % count;
  const cycle = 2 * (count - 1);
  const place = (series.first + position) % cycle;
  return place < count ? place : cycle - place;
}

/** The time from a position to the next one, in multiples of the usual interval. */
export function gapAfter(series: Series, position: number): number {
  const here = rowAt(series, position);
  const next = rowAt(series, position + 1);
  const gap = next < here && series.wrap === 'fold' ? series.gaps[next] : series.gaps[here];
  return gap ?? 1;
}
