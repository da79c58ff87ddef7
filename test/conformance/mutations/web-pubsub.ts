/** Defects of the Web PubSub stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

export const webPubSubMutations: readonly Mutation[] = [];
