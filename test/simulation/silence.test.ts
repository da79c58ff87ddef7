/** No-data rules judged by processed time, at scale. */
import { expect, test } from '@jest/globals';
import { runSilences, type Silences } from './silence.ts';

const STALL = { from: 15, for: 10 };
/** Silences that may be missed: one in a thousand. */
const MISSED_MAX = 0.001;

function figures(what: string, { events, silences, falseAlarms, missed }: Silences): string {
  return `${what}: ${events} events, ${silences} silences, ${falseAlarms} false alarms, ${missed} missed\n`;
}

test('1,000 devices, consumers that stall for ten minutes: no false alarm, and no silence is missed', async () => {
  const told = await runSilences({ devices: 1_000, minutes: 36, stall: STALL });
  process.stderr.write(figures('processed time', told));
  expect(told.silences).toBeGreaterThan(1_000);
  expect(told.falseAlarms).toBe(0);
  expect(told.missed / told.silences).toBeLessThanOrEqual(MISSED_MAX);
}, 120_000);

test('by the wall clock the same world is full of false alarms', async () => {
  const told = await runSilences({ devices: 100, minutes: 36, stall: STALL, isNaive: true });
  process.stderr.write(figures('wall clock', told));
  expect(told.falseAlarms).toBeGreaterThan(100);
}, 120_000);
