/** `maxConcurrentRequests` and `maxOutstandingRequests` of host.json: the first queues, the second answers 429. */

/** Takes a slot; resolves to its release, or to `undefined` when too many requests are outstanding. -1 means no bound. */
export type Throttle = () => Promise<(() => void) | undefined>;

export function createThrottle(maxConcurrent: number, maxOutstanding: number): Throttle {
  const waiting: (() => void)[] = [];
  let outstanding = 0;
  let running = 0;
  const release = () => {
    outstanding -= 1;
    const next = waiting.shift();
    // The slot passes on directly: a newcomer must not overtake the queue.
    if (next === undefined) running -= 1;
    else next();
  };
  return async () => {
    if (maxOutstanding >= 0 && outstanding >= maxOutstanding) return undefined;
    outstanding += 1;
    if (maxConcurrent >= 0 && running >= maxConcurrent) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    return release;
  };
}
