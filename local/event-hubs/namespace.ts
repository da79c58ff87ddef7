/** The namespace: the hubs, the key that opens them, and what every door of the stand-in has in common. */
import { NOT_FOUND, OUT_OF_RANGE, Refused } from './amqp-error.ts';
import type { Faults } from './faults.ts';
import type { Hub } from './hub.ts';
import type { IngressMeter } from './ingress.ts';
import type { Clock, PartitionLog } from './partition-log.ts';
import { type Claim, type SasKey, claimOf, verifySas } from './sas.ts';

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
  /** Milliseconds a client may take to say what it wants. */
  readonly patienceMs: number;
  readonly faults: Faults;
  readonly ingress: IngressMeter;
}

/** The hub of this name; names ignore case. @throws Refused not-found, naming the hubs there are */
export function hubOf(namespace: Namespace, name: string): Hub {
  const hub = namespace.hubs.get(name.toLowerCase());
  if (hub !== undefined) return hub;
  const names = [...namespace.hubs.values()].map((known) => known.name).join(', ');
  throw new Refused(NOT_FOUND, `The messaging entity '${name}' could not be found. Hubs: ${names}.`);
}

/** The partition of a hub by the id clients write. @throws Refused argument-out-of-range, naming the range */
export function partitionOf(hub: Hub, id: string): PartitionLog {
  const partition = hub.partition(id);
  if (partition !== undefined) return partition;
  throw new Refused(
    OUT_OF_RANGE,
    `The specified partition '${id}' is invalid for the event hub '${hub.name}'. ` +
      `Valid partitions are 0 to ${hub.partitions.length - 1}.`,
  );
}

/**
 * What a token allows for an audience: a shared access signature is verified, a JSON web token accepted unread.
 * @throws Refused unauthorized-access
 */
export function claimFor(namespace: Namespace, token: string, audience: string): Claim {
  const isJwt = /^(?:Bearer\s+)?[\w-]+\.[\w-]+\.[\w-]*$/i.test(token.trim());
  if (isJwt) return claimOf(audience, namespace.now() + UNREAD_TOKEN_MS);
  return verifySas(token, audience, namespace.key, namespace.now());
}
