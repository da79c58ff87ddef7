/** Who reads one partition in one consumer group: plain readers side by side, or one exclusive reader with an epoch. */

/** Plain readers of one partition and group, as the service limits them. */
export const READERS_MAX = 5;

/** A link that reads; `steal` ends it because a reader with a higher or equal epoch has come. */
export interface Reader {
  /** Exclusive when set: the higher or equal epoch wins. */
  readonly epoch: number | undefined;
  readonly name: string;
  steal(condition: string, description: string): void;
}

/** Why a reader was not admitted; `condition` is the AMQP error condition. */
export interface Refusal {
  readonly condition: 'amqp:link:stolen' | 'amqp:resource-limit-exceeded';
  readonly description: string;
}

/** The readers of one partition in one consumer group. */
export class PartitionReaders {
  readonly #readers = new Set<Reader>();

  /** Admits a reader, ending the ones it displaces; or says why not. */
  admit(reader: Reader): Refusal | undefined {
    const exclusive = [...this.#readers].find((other) => other.epoch !== undefined);
    if (exclusive?.epoch !== undefined && (reader.epoch === undefined || reader.epoch < exclusive.epoch)) {
      const wish = reader.epoch === undefined ? 'without an epoch' : `with epoch '${reader.epoch}'`;
      return {
        condition: 'amqp:link:stolen',
        description: `Receiver '${reader.name}' ${wish} cannot read: a receiver with the higher epoch '${exclusive.epoch}' is connected.`,
      };
    }
    if (reader.epoch === undefined && this.#readers.size >= READERS_MAX) {
      return {
        condition: 'amqp:resource-limit-exceeded',
        description: `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${READERS_MAX}.`,
      };
    }
    if (reader.epoch !== undefined) {
      for (const other of this.#readers) {
        this.#readers.delete(other);
        other.steal(
          'amqp:link:stolen',
          `New receiver '${reader.name}' with higher epoch of '${reader.epoch}' is created hence current receiver ` +
            `'${other.name}' with epoch '${other.epoch ?? 'none'}' is getting disconnected.`,
        );
      }
    }
    this.#readers.add(reader);
    return undefined;
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader);
  }
}
