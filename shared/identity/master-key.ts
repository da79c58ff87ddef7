/**
 * Keys for one purpose each, derived from the master keys of the settings (HKDF, RFC 5869). The first master key is the
 * current one; older ones still open what they closed, so that the master key can be replaced without an outage.
 */
import { createHash, hkdfSync } from 'node:crypto';

/** What a derived key is for. A new purpose gets a new name: two purposes never share a key. */
export type KeyPurpose =
  | 'client-secret'
  | 'key-wrap'
  | 'cursor'
  | 'dpop-nonce'
  | 'external-token'
  | 'refresh-token'
  | 'form-token'
  | 'webhook-secret';

/** A derived key and the short name by which documents say which one they used. */
export interface DerivedKey {
  keyId: string;
  key: Buffer;
}

const KEY_BYTES = 32;
const KEY_ID_CHARS = 8;

/** Derives the keys of a purpose, the current one first. */
export function deriveKeys(masterKeys: readonly Buffer[], purpose: KeyPurpose): [DerivedKey, ...DerivedKey[]] {
  const [current, ...older] = masterKeys.map((masterKey) => derive(masterKey, purpose));
  if (!current) throw new TypeError('There is no master key.');
  return [current, ...older];
}

function derive(masterKey: Buffer, purpose: KeyPurpose): DerivedKey {
  const key = Buffer.from(hkdfSync('sha256', masterKey, '', `sluice ${purpose}`, KEY_BYTES));
  const keyId = createHash('sha256').update('sluice key id').update(key).digest('hex').slice(0, KEY_ID_CHARS);
  return { keyId, key };
}
