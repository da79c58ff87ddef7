/** The output bindings this host has; the answer of an HTTP function is the server's own affair. */
import { cosmosOutput } from './cosmos-output.ts';
import { eventHubOutput } from './event-hub-output.ts';
import type { Output } from './output.ts';
import { webPubSubOutput } from './web-pubsub-output.ts';

export const OUTPUTS: readonly Output[] = [cosmosOutput, eventHubOutput, webPubSubOutput];
