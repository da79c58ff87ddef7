/**
 * Scores a series with the shipped detector: `timestamp,value` CSV with a header on stdin, one score per row on stdout.
 * The detector is saved and restored on the way, as it is between two instances of the product, so what is measured
 * here is what runs there.
 */
import { createInterface } from 'node:readline';
import { ALARM_LEVELS } from '../shared/anomalies/anomalies.ts';
import { Detector } from '../shared/anomalies/detector.ts';
import type { DetectorState } from '../shared/anomalies/detector.ts';

/** Rows between two rounds of save and restore. */
const ROWS_PER_RESTORE = 97;

let detector = new Detector();
let row = -1;
let out = '';
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (row++ < 0 || line === '') continue;
  const comma = line.indexOf(',');
  const verdict = detector.update(numberOf(line.slice(comma + 1)), timeOf(line.slice(0, comma)), ALARM_LEVELS.normal);
  out += `${verdict?.score ?? 0}\n`;
  if (row % ROWS_PER_RESTORE === 0) {
    const saved: DetectorState = JSON.parse(JSON.stringify(detector.state()));
    detector = Detector.restore(saved);
  }
}
process.stdout.write(out);

/** A cell that is not a number is not finite either, and the detector passes over it. */
function numberOf(cell: string): number {
  return cell.trim() === '' ? NaN : Number(cell);
}

/** Epoch milliseconds of `2014-04-01 00:00:00` (UTC), an ISO time, or epoch seconds. */
function timeOf(cell: string): number {
  const text = cell.trim();
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds * 1000;
  return Date.parse(/Z|[+-]\d\d:?\d\d$/i.test(text) ? text : `${text.replace(' ', 'T')}Z`);
}
