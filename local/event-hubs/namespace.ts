/** The namespace: the hubs, the key that opens them, and what every door of the stand-in has in common. */
import { type Claim, type SasKey, claimOf, verifySas } from './sas.ts';
import type { Faults } from './faults.ts';
import type { Hub } from './hub.ts';
import type { Clock } from './partition-log.ts';

/** Bytes of one message, be it an event or a batch of them: the Standard tier's limit, which clients size batches by. */
export const MESSAGE_BYTES_MAX = 1_048_576;

/** Milliseconds an Entra ID token is taken to be valid: it is accepted unread, so its own expiry is not known. */
const UNREAD_TOKEN_MS = 3_600_000;

export interface Namespace {
  readonly hubs: ReadonlyMap<string, Hub>;
  readonly key: SasKey;
  readonly now: Clock;
  readonly log: (line: string) => void;
  readonly lenientPositions: boolean;
  readonly faults: Faults;
}

/** The hub of this name; names ignore case. */
export const hubOf = (namespace: Namespace, name: string): Hub | undefined => namespace.hubs.get(name.toLowerCase());

/** The sentence for a hub that does not exist. */
export const unknownHub = (namespace: Namespace, name: string): string =>
  `The messaging entity '${name}' could not be found. Hubs: ${[...namespace.hubs.values()].map((hub) => hub.name).join(', ')}.`;

/** The sentence for a partition that does not exist. */
export const unknownPartition = (hub: Hub, id: string): string =>
  `The specified partition '${id}' is invalid for the event hub '${hub.name}'. Valid partitions are 0 to ${hub.partitions.length - 1}.`;

/**
 * What a token allows for an audience: a shared access signature is verified, a JSON web token accepted unread.
 * @throws Unauthorized
 */
export function claimFor(namespace: Namespace, token: string, audience: string): Claim {
  const isJwt = /^(?:Bearer\s+)?[\w-]+\.[\w-]+\.[\w-]*$/i.test(token.trim());
  if (isJwt) return claimOf(audience, namespace.now() + UNREAD_TOKEN_MS);
  return verifySas(token, audience, namespace.key, namespace.now());
}
