/** The triggers this host has. HTTP is the server's own affair. */
import type { Trigger } from './trigger.ts';

export const TRIGGERS: readonly Trigger[] = [];
