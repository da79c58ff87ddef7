/** A deliberate defect. */
export interface Defect {
  /** Unique, in words: what is done wrong then. */
  readonly id: string;
  /** File that gets the defect, from the root of the repository. */
  readonly file: string;
  /** A piece of the file that occurs exactly once, and what replaces it. */
  readonly replace: readonly [piece: string, defect: string];
}

/** A deliberate defect in a stand-in, and the conformance test that must notice it. */
import type { Suite } from '../suites.ts';

export interface Mutation extends Defect {
  /** The test file in the folder of the suite, and the beginning of the title of the test that must fail. */
  readonly caughtBy: readonly [file: string, title: string];
}

/** A mutation of the stand-in that a suite tests. */
export type ListedMutation = Mutation & { readonly suite: Suite };

/** A mutation whose piece is not in its file exactly once: the file was changed, the mutation has to follow. */
export class Misfit extends Error {
  override readonly name = 'Misfit';
}

/** The source with the defect. @throws Misfit */
export function mutate({ id, file, replace: [piece, defect] }: Defect, source: string): string {
  const occurrences = source.split(piece).length - 1;
  if (occurrences !== 1)
    throw new Misfit(`Mutation '${id}': its piece occurs ${occurrences} times in ${file}, not once.`);
  return source.replace(piece, () => defect);
}
