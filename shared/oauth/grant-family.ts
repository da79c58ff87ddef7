/**
 * A family of grants: everything that came from one sign-in, or from one use of client credentials where an application
 * has refresh tokens for them. The access tokens of a family name it, so ending the family ends them all.
 *
 * A refresh token is the family's id and a generation under a keyed hash, so it is stored nowhere. Each use makes the
 * next generation (RFC 9700 §4.14.2). The generation before may come once more within REUSE_GRACE_MS and is answered
 * with the same successor: two tabs, or an answer that was lost. Any older one was copied, and ends the family.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientId, TenantId, UserId } from '../identity/ids.ts';
import { deriveKeys } from '../identity/master-key.ts';
import { CachedReads } from '../store/cached-reads.ts';
import { withoutSystemFields, type Store, type Stored } from '../store/store.ts';

/** Seconds that a family lives, however often it is refreshed. */
export const FAMILY_SECONDS = 30 * 24 * 3600;
/** Seconds for which the end of a family that was never opened is remembered. */
const ENDED_SECONDS = 3600;
/** Milliseconds in which the generation before is taken for a repeat. */
export const REUSE_GRACE_MS = 10_000;
/** Milliseconds after which an ended family is refused by every instance. */
const FRESH_MS = 2_000;
/** Families that an instance keeps. */
const FAMILIES_MAX = 10_000;
/** Times a rotation is tried again when somebody else rotated meanwhile. */
const ROTATE_TRIES = 8;

const ID_BYTES = 16;
const GENERATION_BYTES = 4;
const MAC_BYTES = 32;
const TOKEN = /^slr_([A-Za-z0-9_-]{70})$/;

/** The document: container `grants`; it expires by its ttl. */
export interface GrantFamily {
  id: string;
  kind: 'family';
  familyId: string;
  tenantId: TenantId;
  clientId: ClientId;
  /** Absent where the application itself is the owner. */
  userId?: UserId | undefined;
  /** The user's epoch at the sign-in: a later one ends the family. */
  userEpoch?: number | undefined;
  scopes: string[];
  /** The key that refresh tokens of a public client are bound to (RFC 9449 §5). */
  boundTo?: string | undefined;
  /** When the person proved who it is, epoch milliseconds. */
  authenticatedAtMs: number;
  generation: number;
  rotatedAtMs: number;
  endedAtMs?: number;
  ttl: number;
}

/** What a new family is made of. */
export type NewFamily = Pick<
  GrantFamily,
  'tenantId' | 'clientId' | 'userId' | 'userEpoch' | 'scopes' | 'boundTo' | 'authenticatedAtMs'
> & { familyId?: string };

/** What came of a refresh token. */
type Redeemed =
  | { kind: 'rotated'; family: GrantFamily; refreshToken: string }
  /** It was used before: the family has been ended. */
  | { kind: 'reused'; family: GrantFamily }
  | { kind: 'unknown' };

/** Opens, refreshes and ends families. */
export interface GrantFamilies {
  /** Stores a family. @returns it, with its first refresh token; undefined when its id was ended before it was opened */
  open(family: NewFamily): Promise<{ family: GrantFamily; refreshToken: string } | undefined>;
  /**
   * Trades a refresh token for the next.
   * @param check sees the family before anything changes, and may throw to refuse without using the token up
   */
  redeem(refreshToken: string, check: (family: GrantFamily) => void): Promise<Redeemed>;
  /** The family of a refresh token that would be taken now. */
  find(refreshToken: string): Promise<GrantFamily | undefined>;
  /** Whether tokens of the family still hold, as of at most 2 s ago. */
  holds(familyId: string): Promise<boolean>;
  /** Forgets what this instance knows of a client's families: one may have ended elsewhere. */
  forgetOf(clientId: string): void;
  end(familyId: string): Promise<void>;
}

/** An id for a family that is opened later: a code names it, so that its second use can end the family. */
export function newFamilyId(): string {
  return randomBytes(ID_BYTES).toString('base64url');
}

/**
 * Makes the families over the store.
 * @param ended hears whose family was ended here, however it came to it
 */
export function createGrantFamilies(
  store: Store,
  masterKeys: readonly Buffer[],
  now: () => number = Date.now,
  ended: (clientId: ClientId) => void = () => undefined,
): GrantFamilies {
  const keys = deriveKeys(masterKeys, 'refresh-token');
  const documentId = (familyId: string) => `family|${familyId}`;
  const read = (familyId: string) => store.read<GrantFamily>('grants', documentId(familyId), documentId(familyId));
  const cache = new CachedReads(
    async (familyId: string) => {
      const family = await read(familyId);
      return { clientId: family?.clientId, holds: family !== undefined && family.endedAtMs === undefined };
    },
    { freshMs: FRESH_MS, lastKnownMs: 60_000, entriesMax: FAMILIES_MAX, now },
  );

  const tokenOf = (familyId: string, generation: number): string => {
    const head = Buffer.alloc(ID_BYTES + GENERATION_BYTES);
    Buffer.from(familyId, 'base64url').copy(head);
    head.writeUInt32BE(generation, ID_BYTES);
    return `slr_${Buffer.concat([head, mac(head, keys[0].key)]).toString('base64url')}`;
  };
  const parse = (token: string): { familyId: string; generation: number } | undefined => {
    const bytes = Buffer.from(TOKEN.exec(token)?.[1] ?? '', 'base64url');
    if (bytes.length !== ID_BYTES + GENERATION_BYTES + MAC_BYTES) return undefined;
    const head = bytes.subarray(0, ID_BYTES + GENERATION_BYTES);
    const given = bytes.subarray(head.length);
    if (!keys.some(({ key }) => timingSafeEqual(mac(head, key), given))) return undefined;
    return { familyId: head.subarray(0, ID_BYTES).toString('base64url'), generation: head.readUInt32BE(ID_BYTES) };
  };
  const end = async (familyId: string): Promise<void> => {
    let clientId: ClientId | undefined;
    for (let tries = 0; tries < ROTATE_TRIES; tries++) {
      const family = await read(familyId);
      clientId = family?.clientId;
      if (!family) {
        // Not opened yet: a code is being used twice at the same moment. Whoever opens it then finds it ended.
        const id = documentId(familyId);
        if (await store.create('grants', { id, kind: 'family', familyId, endedAtMs: now(), ttl: ENDED_SECONDS })) break;
        continue;
      }
      if (family.endedAtMs !== undefined) break;
      if (await store.replace('grants', { ...plain(family), endedAtMs: now() }, family._etag)) break;
    }
    cache.forget(familyId);
    if (clientId !== undefined) ended(clientId);
  };
  const isRepeat = (family: GrantFamily, generation: number) =>
    generation === family.generation - 1 && now() - family.rotatedAtMs <= REUSE_GRACE_MS;

  return {
    async open({ familyId = newFamilyId(), ...rest }) {
      const family: GrantFamily = {
        id: documentId(familyId),
        kind: 'family',
        familyId,
        ...rest,
        generation: 1,
        rotatedAtMs: now(),
        ttl: FAMILY_SECONDS,
      };
      const created = await store.create('grants', family);
      cache.forget(familyId);
      return created && { family, refreshToken: tokenOf(familyId, 1) };
    },
    async redeem(refreshToken, check) {
      const parsed = parse(refreshToken);
      if (!parsed) return { kind: 'unknown' };
      const { familyId, generation } = parsed;
      for (let tries = 0; tries < ROTATE_TRIES; tries++) {
        const stored = await read(familyId);
        if (!stored || stored.endedAtMs !== undefined) return { kind: 'unknown' };
        check(stored);
        if (isRepeat(stored, generation)) {
          return { kind: 'rotated', family: plain(stored), refreshToken: tokenOf(familyId, stored.generation) };
        }
        if (generation !== stored.generation) {
          await end(familyId);
          return { kind: 'reused', family: plain(stored) };
        }
        const remaining = stored.ttl - Math.max(0, Math.floor(now() / 1000) - stored._ts);
        if (remaining <= 0) return { kind: 'unknown' };
        const next = { ...plain(stored), generation: generation + 1, rotatedAtMs: now(), ttl: remaining };
        if (await store.replace('grants', next, stored._etag)) {
          return { kind: 'rotated', family: next, refreshToken: tokenOf(familyId, next.generation) };
        }
      }
      throw Object.assign(new Error('A refresh token is being used too often.'), { code: 449 });
    },
    async find(refreshToken) {
      const parsed = parse(refreshToken);
      const family = parsed && (await read(parsed.familyId));
      const live = family && family.endedAtMs === undefined;
      return live && (parsed.generation === family.generation || isRepeat(family, parsed.generation))
        ? plain(family)
        : undefined;
    },
    holds: async (familyId) => (await cache.get(familyId)).holds,
    forgetOf: (clientId) => cache.forgetWhere((known) => known.clientId === clientId),
    end,
  };
}

function plain(family: Stored<GrantFamily>): GrantFamily {
  return withoutSystemFields<GrantFamily>(family);
}

function mac(head: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(head).digest();
}
