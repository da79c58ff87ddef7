/** Takes the events of a sender link: reads them as bytes, appends them to a partition, answers each send. */
import { MalformedAmqp } from './amqp-encoding.ts';
import {
  ARGUMENT_ERROR,
  DECODE_ERROR,
  INTERNAL_ERROR,
  MESSAGE_SIZE_EXCEEDED,
  NOT_ALLOWED,
  NOT_IMPLEMENTED,
  Refused,
  SERVER_BUSY,
  amqpError,
} from './amqp-error.ts';
import { type IncomingEvent, PARTITION_KEY_CHARACTERS_MAX, readBatch, readEvent } from './event-message.ts';
import type { Hub } from './hub.ts';
import { MESSAGE_BYTES_MAX, type Namespace } from './namespace.ts';
import type { PartitionLog } from './partition-log.ts';
import { type Transfer, acceptDelivery, forget, rejectDelivery } from './rhea-hooks.ts';

/** Message format of a batch: every data section is one encoded event. */
const BATCH_FORMAT = 0x8001_3700;

/** Where the events of a link go: a partition, a publisher's key, or wherever the hub decides. */
export interface SinkTarget {
  readonly hub: Hub;
  readonly partition?: PartitionLog | undefined;
  readonly publisher?: string | undefined;
}

const throttled = (): Refused =>
  new Refused(
    SERVER_BUSY,
    'The request was terminated because the namespace is being throttled. Error code: 50002. Please wait 4 seconds and try again.',
  );

function decode(transfer: Transfer): { events: readonly IncomingEvent[]; partitionKey: string | undefined } {
  try {
    if (transfer.format === BATCH_FORMAT) return readBatch(transfer.bytes);
    if (transfer.format === 0) {
      const event = readEvent(transfer.bytes);
      return { events: [event], partitionKey: event.partitionKey };
    }
  } catch (error) {
    if (error instanceof MalformedAmqp) throw new Refused(DECODE_ERROR, `The message is not AMQP: ${error.message}.`);
    throw error;
  }
  throw new Refused(NOT_IMPLEMENTED, `The message format 0x${transfer.format.toString(16)} is not implemented.`);
}

/**
 * Appends events where the target says, as one unit.
 * @throws Refused when the target or the key does not allow it, or the log could not be written
 */
export function appendEvents(
  target: SinkTarget,
  events: readonly IncomingEvent[],
  key: string | undefined,
  namespace: Namespace,
): void {
  const { faults, ingress } = namespace;
  if (faults.strikes('throttleSends')) throw throttled();
  if (faults.throughputUnits > 0) {
    const bytes = events.reduce((sum, event) => sum + event.end - event.start, 0);
    if (!ingress.admits(faults.throughputUnits, events.length, bytes, namespace.now())) throw throttled();
  }
  faults.pass('send');
  if (key !== undefined && key.length > PARTITION_KEY_CHARACTERS_MAX) {
    throw new Refused(
      ARGUMENT_ERROR,
      `The partition key has ${key.length} characters; the limit is ${PARTITION_KEY_CHARACTERS_MAX}.`,
    );
  }
  if (key !== undefined && target.publisher !== undefined && key !== target.publisher) {
    throw new Refused(NOT_ALLOWED, `The partition key of the publisher '${target.publisher}' is its own name.`);
  }
  const partitionKey = target.publisher ?? key;
  try {
    (target.partition ?? target.hub.partitionFor(partitionKey)).append(events, partitionKey);
  } catch (error) {
    const reason = Error.isError(error) ? error.message : String(error);
    namespace.log(`event-hubs: a send to '${target.hub.name}' could not be stored: ${reason}`);
    throw new Refused(INTERNAL_ERROR, `The events could not be stored: ${reason}`, error);
  }
}

function take(target: SinkTarget, transfer: Transfer, namespace: Namespace): void {
  if (transfer.tooLarge) {
    throw new Refused(
      MESSAGE_SIZE_EXCEEDED,
      `The received message (delivery-id:${transfer.delivery.id}) exceeds the limit (${MESSAGE_BYTES_MAX} bytes) currently allowed on the link.`,
    );
  }
  const { events, partitionKey } = decode(transfer);
  appendEvents(target, events, partitionKey, namespace);
}

/** Stores the events of one transfer and answers it: accepted once they are in the log, or rejected with the reason. */
export function receiveEvents(target: SinkTarget, transfer: Transfer, namespace: Namespace): void {
  const { delivery } = transfer;
  const { faults } = namespace;
  if (transfer.aborted || faults.strikes('dropSends')) {
    forget(delivery);
    return;
  }
  let answer = (): void => acceptDelivery(delivery);
  try {
    take(target, transfer, namespace);
    if (faults.strikes('dropAccepts')) answer = () => forget(delivery);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    answer = () => rejectDelivery(delivery, amqpError(error.failure));
  }
  if (faults.delayMs > 0) setTimeout(answer, faults.delayMs).unref();
  else answer();
}
