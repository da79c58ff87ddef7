/** Defects of the Event Hubs stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

const FOLDER = 'local/event-hubs';

export const eventHubsMutations: readonly Mutation[] = [
  {
    id: 'any signature is accepted',
    file: `${FOLDER}/sas.ts`,
    replace: ['if (!same(signature, expected))', 'if (signature === expected && false)'],
    caughtBy: ['authorization.test.ts', 'a wrong key opens nothing'],
  },
  {
    id: 'a token covers names that merely begin alike',
    file: `${FOLDER}/sas.ts`,
    replace: ['path === above || path.startsWith(`${above}/`)', 'path.startsWith(above)'],
    caughtBy: ['authorization.test.ts', 'a signature for another hub does not'],
  },
  {
    id: 'an expired token is taken for one that lasts a thousand times as long',
    file: `${FOLDER}/sas.ts`,
    replace: ['const expiresMs = Number(se) * 1000;', 'const expiresMs = Number(se) * 1_000_000;'],
    caughtBy: ['authorization.test.ts', 'a signature that has expired opens nothing'],
  },
  {
    id: 'HTTP asks for no token',
    file: `${FOLDER}/http-door.ts`,
    replace: ['  authorise(namespace, request, path);', ''],
    caughtBy: ['http-send.test.ts', 'a wrong signature or none'],
  },
  {
    id: 'a publisher is no key',
    file: `${FOLDER}/event-sink.ts`,
    replace: ['const partitionKey = target.publisher ?? key;', 'const partitionKey = key;'],
    caughtBy: ['http-send.test.ts', 'events of one publisher'],
  },
  {
    id: 'the partition hash rotates by one bit too many',
    file: `${FOLDER}/partition-hash.ts`,
    replace: ['c = ((c ^ b) - rotate(b, 24)) | 0;', 'c = ((c ^ b) - rotate(b, 25)) | 0;'],
    caughtBy: ['partitions.test.ts', 'a key goes where the buffered producer'],
  },
  {
    id: 'sends without a key all go to the first partition',
    file: `${FOLDER}/hub.ts`,
    replace: ['(this.#nextPartition + 1) % count', '0'],
    caughtBy: ['partitions.test.ts', 'sends without a key are spread'],
  },
  {
    id: 'the partition key does not come along',
    file: `${FOLDER}/event-message.ts`,
    replace: [
      'Buffer.concat([symbol(PARTITION_KEY), Buffer.from([0xb1])])',
      "Buffer.concat([symbol('x-opt-partition-kez'), Buffer.from([0xb1])])",
    ],
    caughtBy: ['partitions.test.ts', 'the key comes along'],
  },
  {
    id: 'an exclusive sequence number includes it',
    file: `${FOLDER}/start-position.ts`,
    replace: ['inclusive ? value : value + 1', 'value'],
    caughtBy: ['positions.test.ts', 'by sequence number, offset and time'],
  },
  {
    id: 'an inclusive offset excludes it',
    file: `${FOLDER}/start-position.ts`,
    replace: ['(inclusive ? offset >= value : offset > value)', 'offset > value'],
    caughtBy: ['positions.test.ts', 'by sequence number, offset and time'],
  },
  {
    id: 'a time position includes what came at that time',
    file: `${FOLDER}/start-position.ts`,
    replace: ['inclusive ? enqueuedMs >= value : enqueuedMs > value', 'enqueuedMs >= value'],
    caughtBy: ['positions.test.ts', 'by sequence number, offset and time'],
  },
  {
    id: 'the latest position is the earliest',
    file: `${FOLDER}/start-position.ts`,
    replace: ['return log.nextSequence;', 'return log.state().beginSequence;'],
    caughtBy: ['positions.test.ts', 'the latest sees only what comes after'],
  },
  {
    id: 'a position past the end reads from the end',
    file: `${FOLDER}/start-position.ts`,
    replace: ['if (value > state.lastSequence) {', 'if (value > Number.MAX_SAFE_INTEGER) {'],
    caughtBy: ['positions.test.ts', 'a position past the end is refused'],
  },
  {
    id: 'an equal epoch does not take over',
    file: `${FOLDER}/partition-readers.ts`,
    replace: ['reader.epoch < exclusive.epoch', 'reader.epoch <= exclusive.epoch'],
    caughtBy: ['readers.test.ts', 'an equal one takes it over too'],
  },
  {
    id: 'a lower epoch takes over',
    file: `${FOLDER}/partition-readers.ts`,
    replace: ['reader.epoch < exclusive.epoch', 'reader.epoch < 0'],
    caughtBy: ['readers.test.ts', 'a lower one'],
  },
  {
    id: 'the reader that loses its partition is not told',
    file: `${FOLDER}/reader-link.ts`,
    replace: ['      feeding.stop();\n      endLink(link, failure);', '      void failure;'],
    caughtBy: ['readers.test.ts', 'a higher one takes the partition over'],
  },
  {
    id: 'six plain readers are admitted',
    file: `${FOLDER}/partition-readers.ts`,
    replace: ['const READERS_MAX = 5;', 'const READERS_MAX = 6;'],
    caughtBy: ['readers.test.ts', 'five readers without an epoch'],
  },
  {
    id: 'readers of all groups count together',
    file: `${FOLDER}/hub.ts`,
    replace: [
      'return this.#readers.get(group.toLowerCase())?.[Number(id)];',
      "return this.#readers.get('$default')?.[Number(id)];",
    ],
    caughtBy: ['readers.test.ts', 'five readers without an epoch'],
  },
  {
    id: 'a reader that left still counts',
    file: `${FOLDER}/partition-readers.ts`,
    replace: ['  leave(reader: Reader): void {\n    this.#readers.delete(reader);', '  leave(_reader: Reader): void {'],
    caughtBy: ['readers.test.ts', 'five readers without an epoch'],
  },
  {
    id: 'an unknown group reads like $Default',
    file: `${FOLDER}/reader-link.ts`,
    replace: ['if (!hub.hasGroup(address.group)) {', 'if (address.group === "") {'],
    caughtBy: ['readers.test.ts', 'a group and a partition that do not exist'],
  },
  {
    id: 'runtime metrics tell the beginning of the partition',
    file: `${FOLDER}/event-source.ts`,
    replace: ['types.wrap_long(state.lastSequence)', 'types.wrap_long(state.beginSequence)'],
    caughtBy: ['readers.test.ts', 'a reader that asks is told'],
  },
  {
    id: 'a batch is stored backwards',
    file: `${FOLDER}/event-sink.ts`,
    replace: ['.append(events, partitionKey)', '.append(events.toReversed(), partitionKey)'],
    caughtBy: ['messages.test.ts', 'every kind of body'],
  },
  {
    id: 'foreign annotations are dropped',
    file: `${FOLDER}/event-message.ts`,
    replace: ['      kept.push(at, pairEnd);', ''],
    caughtBy: ['messages.test.ts', 'an annotated message keeps'],
  },
  {
    id: 'a producer may write the sequence number itself',
    file: `${FOLDER}/event-message.ts`,
    replace: ['name !== SEQUENCE_NUMBER && ', ''],
    caughtBy: ['messages.test.ts', 'a producer cannot write'],
  },
  {
    id: 'messages may have 2 MB',
    file: `${FOLDER}/namespace.ts`,
    replace: ['MESSAGE_BYTES_MAX = 1_048_576', 'MESSAGE_BYTES_MAX = 2_097_152'],
    caughtBy: ['messages.test.ts', 'a batch may have 1 MB'],
  },
  {
    id: 'a batch that is too large is taken',
    file: `${FOLDER}/event-sink.ts`,
    replace: ['if (transfer.tooLarge) {', 'if (transfer.aborted) {'],
    caughtBy: ['messages.test.ts', 'more than that is too large'],
  },
  {
    id: 'a partition that does not exist is the first',
    file: `${FOLDER}/namespace.ts`,
    replace: ['const partition = hub.partition(id);', 'const partition = hub.partition(id) ?? hub.partitions[0];'],
    caughtBy: ['properties.test.ts', 'a partition that does not exist'],
  },
  {
    id: 'the last sequence number is the next one',
    file: `${FOLDER}/request-nodes.ts`,
    replace: ['types.wrap_long(state.lastSequence)', 'types.wrap_long(state.lastSequence + 1)'],
    caughtBy: ['properties.test.ts', 'a partition tells where it ends'],
  },
  {
    id: 'an accepted send is not stored',
    file: `${FOLDER}/event-sink.ts`,
    replace: [
      '  appendEvents(target, events, partitionKey, namespace);\n}',
      '  void [target, events, partitionKey, namespace];\n}',
    ],
    caughtBy: ['partitions.test.ts', 'a partition that is named gets all'],
  },
];
