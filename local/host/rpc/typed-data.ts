/** Values in the shapes in which the .NET host sends them to a worker. */
import type { Long, TypedData } from '../core/contract.ts';

/** A 64-bit number as the worker's protobuf reader leaves it: two halves in a plain object. */
export function toLong(value: number): Long {
  const bits = BigInt.asIntN(64, BigInt(Math.trunc(value)));
  return { low: Number(BigInt.asIntN(32, bits)), high: Number(BigInt.asIntN(32, bits >> 32n)), unsigned: false };
}

/**
 * A UTC time as .NET prints a DateTime without a kind: no `Z`, no trailing zeros. `new Date()` reads that as local time,
 * which is the platform's trap.
 */
export function toDateTime(at: Date): string {
  return at
    .toISOString()
    .slice(0, -1)
    .replace(/\.?0+$/, (zeros, index: number) => (index >= 19 ? '' : zeros));
}

/**
 * Texts of a batch. Empty ones are left out, unless the app asked for them with the capability
 * `IncludeEmptyEntriesInMessagePayload`: without it an empty event shifts the batch against its metadata.
 */
export function textCollection(texts: readonly (string | undefined)[], includeEmpty: boolean): TypedData {
  const kept = texts.map((text) => text ?? '').filter((text) => includeEmpty || text !== '');
  return { collectionString: { string: kept } };
}

/** Byte arrays of a batch; the same rule for empty ones. */
export function bytesCollection(bodies: readonly Uint8Array[], includeEmpty: boolean): TypedData {
  return { collectionBytes: { bytes: bodies.filter((body) => includeEmpty || body.length > 0) } };
}

/** Any other value. */
export function asJson(value: unknown): TypedData {
  return { json: JSON.stringify(value) };
}
