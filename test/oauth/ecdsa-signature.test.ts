import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatenatedSignature } from '../../shared/oauth/ecdsa-signature.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { key: createPublicKey(privateKey), dsaEncoding: 'ieee-p1363' } as const;

test('a signature verifies in the other form, whatever its numbers are [7518 3.4]', () => {
  // Among so many are numbers with a zero in front and short ones.
  for (let count = 0; count < 2_000; count++) {
    const data = Buffer.from(String(count));
    const joined = concatenatedSignature(sign('sha256', data, privateKey));
    expect(joined).toHaveLength(64);
    expect(verify('sha256', data, key, joined)).toBe(true);
  }
});

test('numbers of any length come right-aligned', () => {
  const number = fc.uint8Array({ minLength: 1, maxLength: 32 }).filter(([first]) => first !== 0);
  const integer = (bytes: Uint8Array) => {
    const padded = (bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : [...bytes];
    return [2, padded.length, ...padded];
  };
  fc.assert(
    fc.property(number, number, (r, s) => {
      const body = [...integer(r), ...integer(s)];
      const joined = concatenatedSignature(Uint8Array.from([0x30, body.length, ...body]));
      expect(joined.toString('hex')).toBe([r, s].map((n) => Buffer.from(n).toString('hex').padStart(64, '0')).join(''));
    }),
  );
});

test('anything else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      fc.pre(bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2);
      expect(() => concatenatedSignature(bytes)).toThrow(TypeError);
    }),
  );
  expect(() => concatenatedSignature(Uint8Array.from([0x30, 3, 2, 1, 5]))).toThrow('no DER integer');
  expect(() => concatenatedSignature(Uint8Array.from([0x30, 7, 2, 1, 5, 2, 1, 5, 9]))).toThrow('follows');
});
