/** Waits for conditions, so that no test waits for time. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds between two looks. */
const LOOK_MS = 20;

/** Resolves with the first truthy answer of `condition`. @throws Error when none came in time, or what the condition throws */
export async function until<T>(condition: () => T | Promise<T>, withinMs = 10_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`Not so within ${withinMs} ms: ${condition.toString().slice(0, 200)}`);
    await delay(LOOK_MS);
  }
}
