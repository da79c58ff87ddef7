/** Opens a link that reads a partition in a consumer group. */
import type { Socket } from 'node:net';
import type { Sender } from 'rhea';
import { type Address, pathOf } from './addresses.ts';
import { INTERNAL_ERROR, NOT_FOUND, NOT_IMPLEMENTED, Refused, UNAUTHORIZED } from './amqp-error.ts';
import { type Feed, feed } from './event-source.ts';
import { endLink } from './link-attach.ts';
import { type Namespace, hubOf, partitionOf } from './namespace.ts';
import type { PartitionLog } from './partition-log.ts';
import type { Reader } from './partition-readers.ts';
import type { Claims } from './request-nodes.ts';
import { type Settlement, answerAttach } from './rhea-hooks.ts';
import { isAllowed } from './sas.ts';
import { FROM_START, type StartPosition, parseSelector, resolveStart } from './start-position.ts';

const SELECTOR_FILTER = 'apache.org:selector-filter:string';
const SELECTOR_CODE = 0x468c_0000_0004;
const EPOCH = 'com.microsoft:epoch';
const RECEIVER_NAME = 'com.microsoft:receiver-name';
const RUNTIME_METRICS = 'com.microsoft:enable-receiver-runtime-metric';
/** Settle modes as an attach carries them. */
const SENDER_UNSETTLED = 0;
const SENDER_SETTLED = 1;
const RECEIVER_SECOND = 1;

/** Symbols arrive as one or as an array. */
const includesSymbol = (value: unknown, symbol: string): boolean =>
  value === symbol || (Array.isArray(value) && value.includes(symbol));

function positionOf(link: Sender): StartPosition {
  const filters: Record<string, unknown> = link.source.filter ?? {};
  let position = FROM_START;
  for (const [name, filter] of Object.entries(filters)) {
    const { value, descriptor } = filter as { value?: unknown; descriptor?: { value?: unknown } };
    // The registered code is one of several in use: .NET has its own, under the same name.
    const code = descriptor?.value;
    if (name !== SELECTOR_FILTER && code !== SELECTOR_FILTER && code !== SELECTOR_CODE) {
      throw new Refused(NOT_IMPLEMENTED, `The filter '${name}' is not implemented; only ${SELECTOR_FILTER} is.`);
    }
    position = parseSelector(String(value ?? filter));
  }
  return position;
}

function startOf(link: Sender, log: PartitionLog, where: string, namespace: Namespace): number {
  const position = positionOf(link);
  try {
    return resolveStart(log, position);
  } catch (error) {
    if (!(error instanceof Refused) || !namespace.lenientPositions) throw error;
    namespace.log(`event-hubs: ${where}: ${error.message} Reading from the start instead (lenient positions).`);
    return log.state().beginSequence;
  }
}

/**
 * How deliveries on a link are settled. Nothing depends on the outcome, an event stays in its log whatever the reader
 * says; so whoever asks for it, or leaves the choice (Microsoft's own SDKs, told by their link properties), is sent
 * settled deliveries, which cost least. Any other reader wants to settle: Proton fails when it accepts what is settled.
 */
function settlementFor(link: Sender, properties: Readonly<Record<string, unknown>>): Settlement {
  const isMicrosoft = Object.keys(properties).some((name) => name.startsWith('com.microsoft:'));
  if (link.snd_settle_mode === SENDER_SETTLED) return 'settled';
  if (link.snd_settle_mode !== SENDER_UNSETTLED && isMicrosoft) return 'settled';
  return link.rcv_settle_mode === RECEIVER_SECOND ? 'by-reader' : 'unobserved';
}

/**
 * Takes a reader link: checks the right to read, finds the start, displaces readers of a lower epoch, and feeds it.
 * @throws Refused
 */
export function openReader(
  link: Sender,
  address: Extract<Address, { kind: 'consumer' }>,
  claims: Claims,
  socket: Socket,
  namespace: Namespace,
): Feed {
  const where = pathOf(address);
  namespace.faults.pass('read');
  if (!isAllowed(claims.values(), where, namespace.now())) {
    throw new Refused(UNAUTHORIZED, `Unauthorized access. 'Listen' claim(s) are required to read '${where}'.`);
  }
  const hub = hubOf(namespace, address.hub);
  if (!hub.hasGroup(address.group)) {
    throw new Refused(
      NOT_FOUND,
      `The messaging entity '${hub.name}/ConsumerGroups/${address.group}' could not be found. Groups: ${hub.groups.join(', ')}.`,
    );
  }
  const log = partitionOf(hub, address.partition);
  const startSequence = startOf(link, log, where, namespace);
  const properties: Record<string, unknown> = link.properties ?? {};
  const epoch = properties[EPOCH];
  const name = properties[RECEIVER_NAME];
  const reader: Reader = {
    epoch: typeof epoch === 'number' ? epoch : undefined,
    name: typeof name === 'string' ? name : link.name,
    steal: (failure) => {
      feeding.stop();
      endLink(link, failure);
    },
  };
  const readers = hub.readersOf(address.group, address.partition);
  readers?.admit(reader);
  link.set_source(link.source);
  const runtimeMetrics = includesSymbol(link.desired_capabilities, RUNTIME_METRICS);
  if (runtimeMetrics) answerAttach(link, { offered_capabilities: [RUNTIME_METRICS] });
  const feeding = feed({
    link,
    socket,
    log,
    startSequence,
    settlement: settlementFor(link, properties),
    runtimeMetrics,
    faults: namespace.faults,
    now: namespace.now,
    onError: (error) => {
      const description = `The partition '${where}' cannot be read: ${String(error)}`;
      namespace.log(`event-hubs: ${description}`);
      endLink(link, { condition: INTERNAL_ERROR, description });
    },
  });
  return {
    wake: () => feeding.wake(),
    stop: () => {
      feeding.stop();
      readers?.leave(reader);
    },
  };
}
