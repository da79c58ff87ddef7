/**
 * Access tokens: JWTs by RFC 9068. The claims are a cache of the application's policy, for readers that cannot ask us;
 * our own guard asks the application's document. An absent `dev` never means all devices.
 *
 * | claim | meaning |
 * |---|---|
 * | `tid` | tenant |
 * | `cid` | client id, as `client_id` |
 * | `ep` | epoch: a later one of the application ends the token |
 * | `pv` | policy version that `dev`, `grp` and `anom` were made from |
 * | `dev`, `grp` | devices and device groups, while both fit CLAIM_BYTES_MAX |
 * | `dref`, `dcount` | instead of `dev`: a reference to the policy, and how many devices it names |
 * | `anom` | whether anomalies belong to it |
 * | `crd` | the secret or key that the token was bought with, and ends with |
 * | `cnf` | `jkt`: the key that the token is bound to (RFC 9449 §6.1) |
 * | `roles` | of a service principal |
 * | `uep` | of a user's token: epoch of the user; a later one ends the token |
 * | `sid` | the family of grants it came from: ending the family ends the token |
 */
import { createHash, randomUUID } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import { z } from 'zod';
import { keyCredential, type Application } from '../applications/applications.ts';
import { clientSettingsOf } from '../applications/client-settings.ts';
import { ACCESS_TOKEN_SECONDS } from '../applications/token-lifetime.ts';
import type { UsedCredential } from '../applications/record-use.ts';
import { APPLICATION_SCOPES, USER_SCOPES, type ApplicationScope, type UserScope } from '../identity/principal.ts';
import { ROLES } from '../identity/roles.ts';
import type { ServiceAccount } from '../identity/service-principals.ts';
import type { User } from '../identity/users.ts';
import { isCompactJwt } from './compact-jwt.ts';
import type { KeyRing } from './key-ring.ts';
import { signJwt } from './sign-jwt.ts';

/** Bytes of `dev` and `grp` together: the whole token stays below 4 KB, whatever the policy. */
const CLAIM_BYTES_MAX = 2048;
/** Seconds that clocks of our own instances may differ. */
const SKEW_SECONDS = 5;
/** Verified tokens that an instance remembers. */
const VERIFIED_MAX = 10_000;

const common = {
  sub: z.string(),
  client_id: z.string(),
  tid: z.string(),
  jti: z.string(),
  iat: z.number(),
  exp: z.number(),
  cnf: z.object({ jkt: z.string() }).optional(),
};
const claims = z.union([
  z.object({ ...common, roles: z.array(z.enum(ROLES)), scope: z.string() }),
  z.object({
    ...common,
    scope: z.string().transform((text) => text.split(' ').filter((word) => isUserScope(word))),
    uep: z.number(),
    /** The application's epoch; absent for our own console, which is no application of a tenant. */
    ep: z.number().optional(),
    sid: z.string(),
    crd: z.string().optional(),
  }),
  z.object({
    ...common,
    sid: z.string().optional(),
    scope: z.string().transform((text) => text.split(' ').filter((word) => isApplicationScope(word))),
    ep: z.number(),
    pv: z.number(),
    crd: z.string().optional(),
  }),
]);

/** The claims of a verified token, of a service principal, a user or an application. */
export type AccessTokenClaims = z.output<typeof claims>;

/** A token as the token endpoint hands it out. */
export interface IssuedToken {
  token: string;
  tokenId: string;
  expiresInSeconds: number;
  issuedAtSeconds: number;
}

/** What a token is issued under. */
interface TokenTerms {
  /** The thumbprint of the key that the token is bound to (RFC 9449). */
  boundTo?: string | undefined;
}

/** What an application's token is issued under. */
interface ApplicationTerms extends TokenTerms {
  scopes: readonly ApplicationScope[];
  /** What the application proved itself by. */
  used?: UsedCredential | undefined;
  /** The family of grants, where refresh tokens are issued along with it. */
  familyId?: string | undefined;
}

/** What a user's token is made of. */
export interface UserTerms extends TokenTerms {
  clientId: string;
  /** Absent for our own console. */
  application?: Application | undefined;
  scopes: readonly UserScope[];
  familyId: string;
  /** What the application proved itself by. */
  used?: UsedCredential | undefined;
}

/** Signs and verifies access tokens. */
export interface AccessTokens {
  issueForApplication(application: Application, terms: ApplicationTerms): Promise<IssuedToken>;
  issueForUser(user: User, terms: UserTerms): Promise<IssuedToken>;
  issueForService(account: ServiceAccount, terms?: TokenTerms): Promise<IssuedToken>;
  /** The claims; undefined for anything that is not a token of ours that holds now. Throws only when the keys cannot be read. */
  verify(token: string): Promise<AccessTokenClaims | undefined>;
}

/** Whether a word is a scope of application tokens. */
export function isApplicationScope(word: string): word is ApplicationScope {
  return APPLICATION_SCOPES.some((scope) => scope === word);
}

/** Whether a word is a scope of users' tokens. */
export function isUserScope(word: string): word is UserScope {
  return USER_SCOPES.some((scope) => scope === word);
}

/** Makes the token service. @param issuer the `iss` and the `aud` of every token; from the settings, never from a request */
export function createAccessTokens(keys: KeyRing, issuer: string, now: () => number = Date.now): AccessTokens {
  const verified = new Map<string, { claims: AccessTokenClaims; kid: string }>();
  const sign = async (
    subject: string,
    payload: JWTPayload,
    { seconds = ACCESS_TOKEN_SECONDS, endsAtMs = Infinity }: { seconds?: number; endsAtMs?: number } = {},
  ): Promise<IssuedToken> => {
    const issuedAtSeconds = Math.floor(now() / 1000);
    const exp = Math.min(issuedAtSeconds + seconds, Math.floor(endsAtMs / 1000));
    const { kid, algorithm, privateKey } = await keys.signer();
    const tokenId = randomUUID();
    const common = { iss: issuer, aud: issuer, sub: subject, client_id: subject, cid: subject };
    const claims = { ...common, jti: tokenId, iat: issuedAtSeconds, exp, ...payload };
    const token = await signJwt({ alg: algorithm, typ: 'at+jwt', kid }, claims, privateKey);
    return { token, tokenId, expiresInSeconds: exp - issuedAtSeconds, issuedAtSeconds };
  };

  const verifyAnew = async (token: string): Promise<{ claims: AccessTokenClaims; kid: string } | undefined> => {
    const kid = isCompactJwt(token) ? keyIdOf(token) : undefined;
    const verifier = kid === undefined ? undefined : await keys.verifier(kid);
    if (kid === undefined || !verifier) return undefined;
    try {
      const { payload } = await jwtVerify(token, verifier.publicKey, {
        algorithms: [verifier.algorithm],
        typ: 'at+jwt',
        issuer,
        audience: issuer,
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(now()),
        requiredClaims: ['exp', 'iat', 'sub', 'jti'],
      });
      const parsed = claims.safeParse(payload);
      return parsed.success ? { claims: parsed.data, kid } : undefined;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  };

  return {
    issueForApplication: (application, terms) =>
      sign(
        application.id,
        { ...applicationClaims(application, terms), ...confirmation(terms) },
        lifeOf(application, terms.used),
      ),
    issueForUser: (user, terms) =>
      sign(
        user.id,
        { ...userClaims(user, terms), ...confirmation(terms) },
        terms.application ? lifeOf(terms.application, terms.used) : {},
      ),
    issueForService: ({ clientId, tenantId, roles }, terms = {}) =>
      sign(clientId, { tid: tenantId, roles: [...roles], scope: 'app', ...confirmation(terms) }),
    async verify(token) {
      const key = createHash('sha256').update(token).digest('base64');
      const known = verified.get(key);
      // A remembered token still needs its key: one that was dropped in an emergency takes its tokens along.
      const found = known && (await keys.verifier(known.kid)) ? known : await verifyAnew(token);
      if (!found || found.claims.exp + SKEW_SECONDS <= now() / 1000) {
        verified.delete(key);
        return undefined;
      }
      if (found !== known) {
        verified.set(key, found);
        const [oldest] = verified.keys();
        if (verified.size > VERIFIED_MAX && oldest !== undefined) verified.delete(oldest);
      }
      return found.claims;
    },
  };
}

/** How long tokens of an application live: as it chose, and never beyond its own end or that of a secret in its grace. */
function lifeOf(application: Application, used: UsedCredential | undefined): { seconds: number; endsAtMs: number } {
  const ends = [application.expiresAt, used !== undefined && 'secret' in used ? used.secret.endsAt : undefined];
  return {
    seconds: clientSettingsOf(application).accessTokenSeconds,
    endsAtMs: Math.min(...ends.flatMap((end) => (end === undefined ? [] : [Date.parse(end)]))),
  };
}

function confirmation({ boundTo }: TokenTerms): JWTPayload {
  return boundTo === undefined ? {} : { cnf: { jkt: boundTo } };
}

function userClaims(user: User, { clientId, application, scopes, familyId, used }: UserTerms): JWTPayload {
  return {
    client_id: clientId,
    cid: clientId,
    tid: user.tenantId,
    scope: scopes.join(' '),
    uep: user.epoch,
    sid: familyId,
    ...(application ? { ep: application.epoch } : {}),
    ...boughtWith(used),
  };
}

function boughtWith(used: UsedCredential | undefined): JWTPayload {
  return used === undefined ? {} : { crd: 'secret' in used ? used.secret.id : keyCredential(used.key) };
}

function applicationClaims(application: Application, { scopes, used, familyId }: ApplicationTerms): JWTPayload {
  const { tenantId, epoch, policyVersion, includeAnomalies } = application;
  let policy = policyClaims.get(application);
  if (!policy) policyClaims.set(application, (policy = policyClaimsOf(application)));
  return {
    tid: tenantId,
    scope: scopes.join(' '),
    ep: epoch,
    pv: policyVersion,
    anom: includeAnomalies,
    ...boughtWith(used),
    ...(familyId === undefined ? {} : { sid: familyId }),
    ...policy,
  };
}

/** By document: thousands of devices are measured once, not for every token that the same document issues. */
const policyClaims = new WeakMap<Application, JWTPayload>();

function policyClaimsOf({ policyVersion, devices, groups }: Application): JWTPayload {
  const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  if (bytes(devices) + bytes(groups) <= CLAIM_BYTES_MAX) return { dev: devices, grp: groups };
  const reference = { dref: String(policyVersion), dcount: devices.length };
  return bytes(groups) <= CLAIM_BYTES_MAX ? { ...reference, grp: groups } : reference;
}

/** The key that a token names; undefined for what is no token. */
export function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}
