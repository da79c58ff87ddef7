/** The triggers this host has. HTTP is the server's own affair. */
import { cosmosTrigger } from './cosmos/cosmos-trigger.ts';
import { eventHubTrigger } from './event-hub/event-hub-trigger.ts';
import { timerTrigger } from './timer/timer-trigger.ts';
import type { Trigger } from './trigger.ts';

export const TRIGGERS: readonly Trigger[] = [cosmosTrigger, eventHubTrigger, timerTrigger];
