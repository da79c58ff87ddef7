/**
 * Side-by-side timing in one process: candidates take turns, so that a noisy moment of the machine hits all of them,
 * and the median of the rounds is reported. Trust the ratios, not the absolute figures.
 */

/** Something to time: `run` does `operations` of them. */
export interface Candidate {
  name: string;
  operations: number;
  run: () => unknown;
}

/**
 * Nanoseconds of processor time per operation of each candidate, by name: the median of the rounds, after one to warm
 * up. Processor time, garbage collection included, is hardly changed by what else the machine does; time on the clock
 * doubles.
 */
export async function measure(candidates: Candidate[], rounds: number): Promise<Map<string, number>> {
  const samples = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, operations, run } of candidates) {
      const start = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(start);
      if (round > 0) samples.get(name)?.push(((user + system) * 1000) / operations);
    }
  }
  return new Map([...samples].map(([name, values]) => [name, median(values)]));
}

/** Random numbers in [0, 1) from a seed (mulberry32): every run of a benchmark sees the same data. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
