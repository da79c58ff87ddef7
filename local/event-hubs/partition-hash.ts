/** The service's placement of partition keys: Jenkins' lookup3 (hashlittle2), folded to 16 bits. */

const GOLDEN = 0xdeadbeef;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** Reads up to four bytes little-endian; bytes past the end count as zero, as lookup3's tail does. */
function word(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[index] ?? 0;
  return byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
}

/**
 * The partition of a key, as Event Hubs computes it: the same key always lands on the same partition of a hub with the
 * same number of partitions.
 * @param key the partition key as text (hashed as UTF-8)
 */
export function partitionOfKey(key: string, partitionCount: number): number {
  const bytes = Buffer.from(key, 'utf8');
  let a = (GOLDEN + bytes.length) | 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = bytes.length;
  while (left > 12) {
    a = (a + word(bytes, at)) | 0;
    b = (b + word(bytes, at + 4)) | 0;
    c = (c + word(bytes, at + 8)) | 0;
    a = ((a - c) ^ rotate(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rotate(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 4)) | 0;
    b = (b + a) | 0;
    at += 12;
    left -= 12;
  }
  if (left > 0) {
    a = (a + word(bytes, at)) | 0;
    b = (b + word(bytes, at + 4)) | 0;
    c = (c + word(bytes, at + 8)) | 0;
    c = ((c ^ b) - rotate(b, 14)) | 0;
    a = ((a ^ c) - rotate(c, 11)) | 0;
    b = ((b ^ a) - rotate(a, 25)) | 0;
    c = ((c ^ b) - rotate(b, 16)) | 0;
    a = ((a ^ c) - rotate(c, 4)) | 0;
    b = ((b ^ a) - rotate(a, 14)) | 0;
    c = ((c ^ b) - rotate(b, 24)) | 0;
  }
  const hash = ((c ^ b) << 16) >> 16;
  return Math.abs(hash % partitionCount);
}
