/**
 * Signs people in: by password, or by the external authentication token that an administrator wrote for them. An unknown
 * login, a wrong password, a disabled user and a disabled tenant are one and the same to the caller; the audit tells them
 * apart.
 */
import { callerAddress, type Audit } from '../identity/audit.ts';
import type { ExternalTokenHasher } from '../identity/external-token.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Passwords } from '../identity/passwords.ts';
import type { Tenants } from '../identity/tenants.ts';
import { userKeys, type User } from '../identity/users.ts';
import type { UsersRepository } from '../identity/users-repository.ts';
import type { Stored } from '../store/store.ts';
import type { FailureThrottle } from './failure-throttle.ts';

/** What signing in needs. */
export interface SignInServices {
  users: UsersRepository;
  passwords: Passwords;
  externalTokens: ExternalTokenHasher;
  tenants: Tenants;
  throttle: FailureThrottle;
  /** Counts by address alone. */
  addressThrottle: FailureThrottle;
  audit: Audit;
  now: () => number;
}

/** Who asks, for the throttle and the audit. */
export interface SignInAttempt {
  tenantId: TenantId;
  headers: Headers;
  requestId: string;
}

/** How it went. */
export type SignInOutcome =
  | { kind: 'signed-in'; user: User }
  | { kind: 'refused' }
  | { kind: 'throttled'; retryAfterSeconds: number };

/** Whom an address fails for, where it does not matter. */
const ANYBODY = '*';

/** Signs in by login and password. @throws Problem 503 when too many sign in at the moment */
export async function signInByPassword(
  services: SignInServices,
  attempt: SignInAttempt,
  { login, password }: { login: string; password: string },
): Promise<SignInOutcome> {
  const normal = login.trim().toLowerCase();
  const subject = `${attempt.tenantId}|${normal}`;
  // Not even checked after too many failures: a check costs a slow hash, which a stranger could make us do for ever.
  const ip = callerAddress(attempt.headers);
  const seconds =
    services.throttle.blockedSeconds(subject, ip) ??
    (ip === undefined ? undefined : services.addressThrottle.blockedSeconds(ANYBODY, ip));
  if (seconds !== undefined) return { kind: 'throttled', retryAfterSeconds: seconds };
  return attemptSignIn(services, attempt, subject, async () => {
    const user = await services.users.byKey(attempt.tenantId, userKeys.login(normal));
    const right = await services.passwords.matches(password, user?.passwordHash);
    if (!user) return 'unknown login';
    return right ? user : 'wrong password';
  });
}

/** Signs in by external authentication token. */
export async function signInByExternalToken(
  services: SignInServices,
  attempt: SignInAttempt,
  token: string,
): Promise<SignInOutcome> {
  return attemptSignIn(services, attempt, `${attempt.tenantId}|external`, async () => {
    for (const candidate of services.externalTokens.candidates(token)) {
      const user = await services.users.byKey(attempt.tenantId, userKeys.token(candidate));
      if (!user?.externalToken) continue;
      const { expiresAt } = user.externalToken;
      return expiresAt === undefined || Date.parse(expiresAt) > services.now() ? user : 'expired external token';
    }
    return 'unknown external token';
  });
}

async function attemptSignIn(
  services: SignInServices,
  { tenantId, headers, requestId }: SignInAttempt,
  subject: string,
  identify: () => Promise<Stored<User> | string>,
): Promise<SignInOutcome> {
  const ip = callerAddress(headers);
  const found = await identify();
  const reason = typeof found === 'string' ? found : await hindrance(services, tenantId, found);
  if (typeof found !== 'string' && reason === undefined) {
    await services.users.recordSignIn(found, new Date(services.now()).toISOString());
    return { kind: 'signed-in', user: found };
  }
  if (ip !== undefined) services.addressThrottle.fail(ANYBODY, ip);
  const verdict = services.throttle.fail(subject, ip);
  if (!verdict.throttled || verdict.first)
    await services.audit({
      tenantId,
      actor: typeof found === 'string' ? 'user:-' : `user:${found.id}`,
      action: verdict.throttled ? 'sign-in-throttled' : 'sign-in-failed',
      target: 'sign-in',
      reason,
      requestId,
      ip,
    });
  return verdict.throttled ? { kind: 'throttled', retryAfterSeconds: verdict.retryAfterSeconds } : { kind: 'refused' };
}

async function hindrance({ tenants }: SignInServices, tenantId: TenantId, user: User): Promise<string | undefined> {
  if (!user.enabled) return 'user disabled';
  return (await tenants.disabled(tenantId)) ? 'tenant disabled' : undefined;
}
