/** Defects of the Cosmos DB stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

export const cosmosMutations: readonly Mutation[] = [];
