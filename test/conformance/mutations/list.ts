/** All mutations, by the suite that has to catch them. */
import type { Suite } from '../suites.ts';
import { cosmosMutations } from './cosmos.ts';
import { eventHubsMutations } from './event-hubs.ts';
import { functionsHostMutations } from './functions-host.ts';
import type { ListedMutation, Mutation } from './mutation.ts';
import { webPubSubMutations } from './web-pubsub.ts';

const BY_SUITE: Readonly<Record<Suite, readonly Mutation[]>> = {
  'event-hubs': eventHubsMutations,
  cosmos: cosmosMutations,
  'web-pubsub': webPubSubMutations,
  'functions-host': functionsHostMutations,
};

export const MUTATIONS: readonly ListedMutation[] = Object.entries(BY_SUITE).flatMap(([suite, mutations]) =>
  mutations.map((mutation) => ({ ...mutation, suite: suite as Suite })),
);
