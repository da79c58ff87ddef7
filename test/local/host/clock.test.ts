import { expect, test } from '@jest/globals';
import { movableClock, systemClock } from '../../../local/host/clock.ts';
import { manualClock } from '../../support/manual-clock.ts';

const forEver = () => new AbortController().signal;

test('a loop that waits for nothing lets others have their turn', async () => {
  const clock = movableClock(systemClock);
  let others = 0;
  const timer = setInterval(() => (others += 1), 1);
  while (others < 3) await clock.wait(0, forEver());
  clearInterval(timer);
  expect(others).toBe(3);
});

test('who waits wakes when the clock is moved far enough, and not before', async () => {
  const base = manualClock(0);
  const clock = movableClock(base);
  let woke = false;
  const waiting = clock.wait(1000, forEver()).then(() => (woke = true));
  await base.waiting();
  clock.advance(400);
  await base.waiting();
  expect([clock.now(), woke]).toEqual([400, false]);
  clock.advance(600);
  await waiting;
  expect(clock.now()).toBe(1000);
});

test('a wait ends with its signal', async () => {
  const stop = new AbortController();
  const waiting = movableClock(manualClock(0)).wait(1000, stop.signal);
  stop.abort();
  await waiting;
  expect(stop.signal.aborted).toBe(true);
});
