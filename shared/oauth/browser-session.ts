/**
 * The session of a browser at the authorization endpoint: one HttpOnly cookie with a random id, of which the store keeps
 * a hash once a person has signed in. The id is made anew at every sign-in, so nobody can plant one (session fixation).
 * Forms carry a keyed hash of the id and of the request they were made for, so no other page can send them (CSRF).
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TenantId, UserId } from '../identity/ids.ts';
import { deriveKeys } from '../identity/master-key.ts';
import type { UserStanding } from '../identity/user-standing.ts';
import type { User } from '../identity/users.ts';
import type { Document, Store } from '../store/store.ts';

/** Seconds that a person stays signed in at the authorization endpoint. */
export const SESSION_SECONDS = 8 * 3600;
const ID_BYTES = 32;

interface SessionDocument extends Document {
  kind: 'session';
  tenantId: TenantId;
  userId: UserId;
  userEpoch: number;
  authenticatedAtMs: number;
}

/** A person who is signed in. */
export interface SignedIn {
  user: User;
  authenticatedAtMs: number;
}

/** A browser, by its cookie. */
export interface Browser {
  id: string;
  /** Whether the cookie came with the request. */
  known: boolean;
}

/** Sessions of this deployment. */
export interface BrowserSessions {
  /** The browser of a request, new when it has no cookie yet. */
  browserOf(headers: Headers): Browser;
  /** Who is signed in with it, if they still may. */
  signedIn(browser: Browser): Promise<SignedIn | undefined>;
  /** Signs a person in. @returns the browser under its new id */
  signIn(browser: Browser, user: User): Promise<Browser>;
  signOut(browser: Browser): Promise<void>;
  /** The header that keeps the browser's id. */
  cookie(browser: Browser): string;
  /** What a form of this browser carries. @param request what the form is for */
  formToken(browser: Browser, request: string): string;
  isFormToken(browser: Browser, request: string, token: string | null): boolean;
}

/** Makes the sessions. @param issuer its scheme decides whether the cookie is for https alone */
export function createBrowserSessions(
  { store, userStanding }: { store: Store; userStanding: UserStanding },
  masterKeys: readonly Buffer[],
  issuer: string,
  now: () => number = Date.now,
): BrowserSessions {
  const [{ key }] = deriveKeys(masterKeys, 'form-token');
  const secure = issuer.startsWith('https:');
  // The prefix makes browsers refuse the cookie unless it is ours alone; plain http on a laptop cannot have it.
  const name = secure ? '__Host-sluice-session' : 'sluice-session';
  const formToken = (browser: Browser, request: string) =>
    createHmac('sha256', key)
      .update(JSON.stringify([browser.id, request]))
      .digest('base64url');
  const newBrowser = (): Browser => ({ id: randomBytes(ID_BYTES).toString('base64url'), known: false });
  return {
    browserOf(headers) {
      const id = cookieValue(headers.get('cookie') ?? '', name);
      return id !== undefined && /^[A-Za-z0-9_-]{43}$/.test(id) ? { id, known: true } : newBrowser();
    },
    async signedIn(browser) {
      if (!browser.known) return undefined;
      const id = documentId(browser.id);
      const session = await store.read<SessionDocument>('grants', id, id);
      if (!session || now() - session.authenticatedAtMs > SESSION_SECONDS * 1000) return undefined;
      const user = await userStanding.userOf(session.tenantId, session.userId, session.userEpoch);
      return user && { user, authenticatedAtMs: session.authenticatedAtMs };
    },
    async signIn(browser, user) {
      if (browser.known) await store.delete('grants', documentId(browser.id), documentId(browser.id));
      const next: Browser = { ...newBrowser(), known: true };
      const session: SessionDocument = {
        id: documentId(next.id),
        kind: 'session',
        tenantId: user.tenantId,
        userId: user.id,
        userEpoch: user.epoch,
        authenticatedAtMs: now(),
        ttl: SESSION_SECONDS,
      };
      await store.create('grants', session);
      return next;
    },
    async signOut(browser) {
      await store.delete('grants', documentId(browser.id), documentId(browser.id));
    },
    // Lax, because applications send people here from their own pages.
    cookie: ({ id }) =>
      `${name}=${id}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${SESSION_SECONDS}${secure ? '; Secure' : ''}`,
    formToken,
    isFormToken(browser, request, token) {
      const expected = Buffer.from(formToken(browser, request));
      const given = Buffer.from(token ?? '');
      return browser.known && expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

function documentId(sessionId: string): string {
  return `session|${createHash('sha256').update(sessionId).digest('hex')}`;
}

function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const [key, ...value] = pair.trim().split('=');
    if (key === name) return value.join('=');
  }
  return undefined;
}
