/** The signing keys of the deployment: every instance holds the ring in memory and picks by the clock. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { deriveKeys } from '../identity/master-key.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Store } from '../store/store.ts';
import { needsNext, nextLife, publishedNow, signingNow } from './key-schedule.ts';
import { makeSigningKey, unwrapSigningKey, type SigningAlgorithm, type SigningKeyDocument } from './signing-key.ts';

/** Milliseconds after which a key that was dropped in an emergency is refused by every instance. */
const FRESH_MS = 2_000;
/** Milliseconds for which the ring is used while the store does not answer. */
const LAST_KNOWN_MS = 60_000;
/** Milliseconds for which an unknown key is not looked for again. */
const UNKNOWN_MS = 1_000;
/** Reads that unknown keys may cause in that time: names can be made up, so strangers are bounded as well. */
const UNKNOWN_READS_MAX = 10;
/** Rounds of agreeing with other instances on the next key. */
const AGREE_TRIES = 5;

/** A key that signs. */
interface Signer {
  kid: string;
  algorithm: SigningAlgorithm;
  privateKey: KeyObject;
}

/** A key that verifies. */
interface Verifier {
  algorithm: SigningAlgorithm;
  publicKey: CryptoKey | Uint8Array;
}

/** Access to the keys. */
export interface KeyRing {
  /** The key that signs now. Makes the first key of a deployment. */
  signer(): Promise<Signer>;
  /** The key that verifies tokens with this `kid`; undefined when it is not, or no longer, one of ours. */
  verifier(kid: string): Promise<Verifier | undefined>;
  /** The public keys, for JWKS. */
  publicKeys(): Promise<JWK[]>;
  /** Makes the next key when it is time, and deletes those that verify no more. For the daily timer. */
  rotate(): Promise<void>;
  /** Every key with its life, without key material. Times are ISO 8601. */
  lives(): Promise<KeyView[]>;
  /** Deletes a key at once, and its tokens with it; false when there is none. */
  drop(kid: string): Promise<boolean>;
}

/** What is told of a key. */
interface KeyView {
  kid: string;
  algorithm: SigningAlgorithm;
  signing: boolean;
  publishAt: string;
  signFrom: string;
  signUntil: string;
  dropAt: string;
}

/** Makes the ring over the store. */
export function createKeyRing(
  store: Store,
  masterKeys: readonly Buffer[],
  algorithm: SigningAlgorithm,
  now: () => number = Date.now,
): KeyRing {
  const wrapKeys = deriveKeys(masterKeys, 'key-wrap');
  const cache = new CachedReads(
    () =>
      store.all<SigningKeyDocument>('keys', {
        query: 'SELECT * FROM c WHERE c.kind = @kind',
        parameters: [{ name: '@kind', value: 'signing-key' }],
      }),
    { freshMs: FRESH_MS, lastKnownMs: LAST_KNOWN_MS, entriesMax: 1, now },
  );
  const documents = () => cache.get('ring');
  const signers = new Map<string, Signer>();
  const verifiers = new Map<string, Verifier>();
  const lookedFor = new Map<string, number>();

  /** Whether to read the ring again for a key that is not in it: another instance may have made it a moment ago. */
  const mayExist = (kid: string): boolean => {
    for (const [known, at] of lookedFor) if (now() - at >= UNKNOWN_MS) lookedFor.delete(known);
    if (lookedFor.has(kid) || lookedFor.size >= UNKNOWN_READS_MAX) return false;
    lookedFor.set(kid, now());
    return true;
  };

  /** Ours to sign with: of the chosen algorithm, and its wrapping can still be opened. */
  const usable = (keys: readonly SigningKeyDocument[]) =>
    keys.filter((key) => key.algorithm === algorithm && wrapKeys.some(({ keyId }) => keyId === key.wrapped.keyId));

  const ensure = async (due: (keys: readonly SigningKeyDocument[]) => boolean): Promise<void> => {
    for (let tries = 0; tries < AGREE_TRIES; tries++) {
      const all = await documents();
      const keys = usable(all);
      if (!due(keys)) return;
      const latest = keys.toSorted((a, b) => b.signUntil - a.signUntil)[0];
      const slot = 1 + Math.max(0, ...all.filter((key) => key.algorithm === algorithm).map((key) => key.slot));
      // Whoever creates the slot first wins; the others read what the winner made.
      await store.create('keys', await makeSigningKey(algorithm, slot, nextLife(latest, now()), wrapKeys[0]));
      cache.forget('ring');
    }
    throw new Error('No signing key can be agreed on.');
  };

  return {
    async signer() {
      let key = signingNow(usable(await documents()), now());
      if (!key) {
        await ensure((keys) => signingNow(keys, now()) === undefined);
        key = signingNow(usable(await documents()), now());
      }
      const known = key && signers.get(key.kid);
      if (known) return known;
      const jwk = key && unwrapSigningKey(key, wrapKeys);
      if (!key || !jwk) throw new Error('There is no signing key.');
      const signer = { kid: key.kid, algorithm, privateKey: createPrivateKey({ key: jwk, format: 'jwk' }) };
      signers.set(key.kid, signer);
      return signer;
    },
    async verifier(kid) {
      const find = async () => publishedNow(await documents(), now()).find((candidate) => candidate.kid === kid);
      let key = await find();
      if (!key && mayExist(kid)) {
        cache.forget('ring');
        key = await find();
      }
      if (!key) return undefined;
      const known = verifiers.get(kid);
      if (known) return known;
      const verifier = { algorithm: key.algorithm, publicKey: await importJWK(key.publicJwk, key.algorithm) };
      verifiers.set(kid, verifier);
      return verifier;
    },
    async publicKeys() {
      if (publishedNow(await documents(), now()).length === 0) await ensure((keys) => needsNext(keys, now()));
      return publishedNow(await documents(), now()).map(({ publicJwk }) => publicJwk);
    },
    async rotate() {
      cache.forget('ring');
      await ensure((keys) => needsNext(keys, now()));
      const dropped = (await documents()).filter(({ dropAt }) => dropAt <= now());
      await Promise.all(dropped.map(({ id }) => store.delete('keys', id, id)));
      cache.forget('ring');
    },
    async lives() {
      const all = await documents();
      const signing = signingNow(usable(all), now())?.kid;
      const iso = (ms: number) => new Date(ms).toISOString();
      return all.map((key) => ({
        kid: key.kid,
        algorithm: key.algorithm,
        signing: key.kid === signing,
        publishAt: iso(key.publishAt),
        signFrom: iso(key.signFrom),
        signUntil: iso(key.signUntil),
        dropAt: iso(key.dropAt),
      }));
    },
    async drop(kid) {
      cache.forget('ring');
      const key = (await documents()).find((candidate) => candidate.kid === kid);
      const dropped = key !== undefined && (await store.delete('keys', key.id, key.id));
      cache.forget('ring');
      return dropped;
    },
  };
}
