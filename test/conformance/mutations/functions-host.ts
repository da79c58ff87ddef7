/** Defects of the Functions host stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

export const functionsHostMutations: readonly Mutation[] = [];
