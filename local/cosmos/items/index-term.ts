/**
 * The index entry of a value: bytes whose plain order is the order of Cosmos SQL over all types
 * (undefined < null < false < true < number < string < array < object), exact for every double and every string.
 * Arrays and objects have no order among themselves, so each has one entry.
 */
import type { Value } from '../json-value.ts';

/** First byte of an entry. */
const RANK = { undefined: 0, null: 1, false: 2, true: 3, number: 4, string: 5, array: 6, object: 7 } as const;

/** The entry of a value. */
export function indexTerm(value: Value): Uint8Array {
  if (typeof value === 'number') return numberTerm(value);
  if (typeof value === 'string') return Buffer.concat([Uint8Array.of(RANK.string), Buffer.from(value, 'utf8')]);
  if (typeof value === 'boolean') return Uint8Array.of(value ? RANK.true : RANK.false);
  if (value === undefined) return Uint8Array.of(RANK.undefined);
  return Uint8Array.of(value === null ? RANK.null : Array.isArray(value) ? RANK.array : RANK.object);
}

/** Entries at or above the first and below the second belong to values of the same type as `value`. */
export function typeBounds(value: number | string): [Uint8Array, Uint8Array] {
  const rank = typeof value === 'number' ? RANK.number : RANK.string;
  return [Uint8Array.of(rank), Uint8Array.of(rank + 1)];
}

/** The big-endian bits of a double order like numbers once the sign is flipped, and all bits of the negative ones. */
function numberTerm(value: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  // Minus zero equals zero.
  bytes.writeDoubleBE(value === 0 ? 0 : value, 1);
  const negative = ((bytes[1] ?? 0) & 0x80) !== 0;
  for (let index = 1; index < 9; index++)
    bytes[index] = (bytes[index] ?? 0) ^ (negative ? 0xff : index === 1 ? 0x80 : 0);
  bytes[0] = RANK.number;
  return bytes;
}
