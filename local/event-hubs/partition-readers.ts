/** Who reads one partition in one consumer group: plain readers side by side, or one exclusive reader with an epoch. */
import { type AmqpFailure, RESOURCE_LIMIT_EXCEEDED, Refused, STOLEN } from './amqp-error.ts';

/** Plain readers of one partition and group, as the service limits them. */
const READERS_MAX = 5;

/** A link that reads; `steal` ends it because a reader with a higher or equal epoch has come. */
export interface Reader {
  /** Exclusive when set: the higher or equal epoch wins. */
  readonly epoch: number | undefined;
  readonly name: string;
  steal(failure: AmqpFailure): void;
}

/** The readers of one partition in one consumer group. */
export class PartitionReaders {
  readonly #readers = new Set<Reader>();

  /** Admits a reader, ending the ones it displaces. @throws Refused when it may not read beside or instead of them */
  admit(reader: Reader): void {
    const exclusive = [...this.#readers].find((other) => other.epoch !== undefined);
    if (exclusive?.epoch !== undefined && (reader.epoch === undefined || reader.epoch < exclusive.epoch)) {
      const wish = reader.epoch === undefined ? 'without an epoch' : `with epoch '${reader.epoch}'`;
      throw new Refused(
        STOLEN,
        `Receiver '${reader.name}' ${wish} cannot read: a receiver with the higher epoch '${exclusive.epoch}' is connected.`,
      );
    }
    if (reader.epoch === undefined && this.#readers.size >= READERS_MAX) {
      throw new Refused(
        RESOURCE_LIMIT_EXCEEDED,
        `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${READERS_MAX}.`,
      );
    }
    if (reader.epoch !== undefined) {
      for (const other of this.#readers) {
        this.#readers.delete(other);
        other.steal({
          condition: STOLEN,
          description:
            `New receiver '${reader.name}' with higher epoch of '${reader.epoch}' is created hence current receiver ` +
            `'${other.name}' with epoch '${other.epoch ?? 'none'}' is getting disconnected.`,
        });
      }
    }
    this.#readers.add(reader);
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
  }
}
