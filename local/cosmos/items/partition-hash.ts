/**
 * The hash that places an item: MurmurHash3 (x64, 128 bits) over the key's components, as version 2 of the service's
 * partitioning and its SDKs compute it. Clients route bulk requests by it, so it must be equal to theirs to the bit.
 */
import type { Value } from '../json-value.ts';

/** A component of a partition key; undefined = the document has no value there. */
export type KeyComponent = string | number | boolean | null | undefined;

const MASK = 0xffffffffffffffffn;
const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;

const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & MASK;
const mixK1 = (k: bigint): bigint => (rotate((k * C1) & MASK, 31n) * C2) & MASK;
const mixK2 = (k: bigint): bigint => (rotate((k * C2) & MASK, 33n) * C1) & MASK;

function finalMix(value: bigint): bigint {
  let mixed = value ^ (value >> 33n);
  mixed = (mixed * 0xff51afd7ed558ccdn) & MASK;
  mixed ^= mixed >> 33n;
  mixed = (mixed * 0xc4ceb9fe1a85ec53n) & MASK;
  return mixed ^ (mixed >> 33n);
}

/** Little-endian number of the bytes from `start` to before `end`. */
function littleEndian(bytes: Buffer, start: number, end: number): bigint {
  let value = 0n;
  for (let index = end - 1; index >= start; index--) value = (value << 8n) | BigInt(bytes[index] ?? 0);
  return value;
}

/** MurmurHash3 x64 128 with seed 0. */
function murmur128(bytes: Buffer): [bigint, bigint] {
  let h1 = 0n;
  let h2 = 0n;
  const blocksEnd = bytes.length - (bytes.length % 16);
  for (let at = 0; at < blocksEnd; at += 16) {
    h1 ^= mixK1(bytes.readBigUInt64LE(at));
    h1 = ((rotate(h1, 27n) + h2) * 5n + 0x52dce729n) & MASK;
    h2 ^= mixK2(bytes.readBigUInt64LE(at + 8));
    h2 = ((rotate(h2, 31n) + h1) * 5n + 0x38495ab5n) & MASK;
  }
  if (bytes.length > blocksEnd + 8) h2 ^= mixK2(littleEndian(bytes, blocksEnd + 8, bytes.length));
  if (bytes.length > blocksEnd) h1 ^= mixK1(littleEndian(bytes, blocksEnd, Math.min(bytes.length, blocksEnd + 8)));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 = (h1 + h2) & MASK;
  return [h1, (h2 + h1) & MASK];
}

function encode(component: KeyComponent): Buffer {
  if (typeof component === 'string')
    return Buffer.concat([Buffer.of(0x08), Buffer.from(component, 'utf8'), Buffer.of(0xff)]);
  if (typeof component === 'number') {
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x05;
    bytes.writeDoubleLE(component, 1);
    return bytes;
  }
  if (typeof component === 'boolean') return Buffer.of(component ? 0x03 : 0x02);
  return Buffer.of(component === null ? 0x01 : 0x00);
}

/** The effective partition key of a single-path key: 32 upper-case hex digits below "40". */
function hashOne(component: KeyComponent): string {
  const [h1, h2] = murmur128(encode(component));
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(h2, 0);
  bytes.writeBigUInt64BE(h1, 8);
  bytes[0] = (bytes[0] ?? 0) & 0x3f;
  return bytes.toString('hex').toUpperCase();
}

/** The effective partition key: one hash per component, in order, so that a prefix of a hierarchical key is a range. */
export function effectivePartitionKey(components: readonly KeyComponent[]): string {
  return components.map(hashOne).join('');
}

/** True for a value that may be a component of a partition key. */
export function isKeyComponent(value: Value): value is KeyComponent {
  return value === null || typeof value !== 'object';
}
