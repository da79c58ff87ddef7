/** The two forms of an ECDSA signature: the DER that OpenSSL makes, and the two numbers side by side that JWS wants. */

/** Bytes of each number on the curve P-256. */
const NUMBER_BYTES = 32;
const DER_SEQUENCE = 0x30;
const DER_INTEGER = 0x02;

/**
 * A P-256 signature as RFC 7518 §3.4 wants it: R and S, big-endian, 32 bytes each.
 * @param der SEQUENCE of two INTEGERs (RFC 3279 §2.2.3); below 128 bytes, so every length is one byte
 * @throws TypeError for anything else
 */
export function concatenatedSignature(der: Uint8Array): Buffer {
  const joined = Buffer.alloc(2 * NUMBER_BYTES);
  if (der[0] !== DER_SEQUENCE || der[1] !== der.length - 2) throw new TypeError('This is no DER sequence.');
  const next = putInteger(der, 2, joined, 0);
  if (putInteger(der, next, joined, NUMBER_BYTES) !== der.length)
    throw new TypeError('Something follows the signature.');
  return joined;
}

/** Puts the INTEGER at `at` into its place, right-aligned. @returns where the next one begins */
function putInteger(der: Uint8Array, at: number, joined: Uint8Array, place: number): number {
  const length = der[at + 1] ?? 0;
  const end = at + 2 + length;
  if (der[at] !== DER_INTEGER || length === 0 || end > der.length) throw new TypeError('This is no DER integer.');
  // A number whose first bit is set has a zero in front; shorter ones have no zeros at all.
  const start = der[at + 2] === 0 ? at + 3 : at + 2;
  if (end - start > NUMBER_BYTES) throw new TypeError('This number is too large for the curve.');
  joined.set(der.subarray(start, end), place + NUMBER_BYTES - (end - start));
  return end;
}
