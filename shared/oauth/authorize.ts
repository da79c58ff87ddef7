/**
 * The authorization endpoint (RFC 6749 §3.1): a person signs in, is asked, and goes back with a code.
 *
 * - `GET` shows the sign-in page, the consent page, or sends the person on. `POST` with the parameters of a request is the
 *   same (OpenID Connect Core §3.1.2.1).
 * - `POST` with a form of our own pages signs in, allows, denies or switches accounts; it must carry the form's token.
 * - `POST` with a bearer token of our own console allows without pages; `DELETE` denies. Both answer JSON when asked to.
 */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import type { ApplicationsRepository } from '../applications/applications-repository.ts';
import { NATIVE_REDIRECT_URI } from '../applications/client-settings.ts';
import { insufficientScope } from '../http/bearer.ts';
import type { Audit } from '../identity/audit.ts';
import { callerAddress } from '../identity/audit.ts';
import { tenantId as tenantIdOf, type TenantId } from '../identity/ids.ts';
import type { OpenIdProvider } from '../identity/openid-provider.ts';
import type { UserScope } from '../identity/principal.ts';
import type { User } from '../identity/users.ts';
import { addressOf, merged, queryOf, withoutFormFields, withoutSignInPrompt } from './asked-parameters.ts';
import { answerAddress, answering, denied, goTo } from './authorization-answer.ts';
import type { AuthorizationCodes } from './authorization-code.ts';
import {
  AuthorizationError,
  readAuthorizationRequest,
  readTarget,
  type AuthorizationRequest,
} from './authorization-request.ts';
import type { Browser, BrowserSessions, SignedIn } from './browser-session.ts';
import { CONSOLE_CLIENT_ID } from './console-client.ts';
import { NO_STORE } from './oauth-error.ts';
import { consentPage, faultPage, nativePage, signInPage } from './pages.ts';
import { signInByPassword, type SignInServices } from './sign-in.ts';
import { authenticate, type TokenGuardServices } from './token-guard.ts';

/** What people read about a scope. */
const WISHES: Readonly<Record<UserScope, string>> = {
  me: 'act in your name, with everything that your roles allow',
  openid: 'know who you are',
  profile: 'see your name and your roles',
  email: 'see your e-mail address',
  offline_access: 'go on while you are away, until you or an administrator end it',
};

/** What the endpoint needs. */
export interface AuthorizeServices extends SignInServices, TokenGuardServices {
  applications: ApplicationsRepository;
  codes: AuthorizationCodes;
  sessions: BrowserSessions;
  providers: readonly OpenIdProvider[];
  /** Its tenant is filled in where a person has to name one. */
  firstAdministrator: { tenant: string };
  issuer: string;
  audit: Audit;
  now: () => number;
}

/** A request to the endpoint, its form read where it has one. */
export interface AuthorizeCall {
  request: HttpRequest;
  requestId: string;
  body: URLSearchParams | undefined;
}

/** Serves GET. */
export function getAuthorize(services: AuthorizeServices, call: AuthorizeCall): Promise<HttpResponseInit> {
  return answering(services.issuer, call.request, () =>
    present(services, call, withoutFormFields(queryOf(call.request))),
  );
}

/** Serves POST: a form of our pages, a request of a client, or the console's own wish. */
export function postAuthorize(services: AuthorizeServices, call: AuthorizeCall): Promise<HttpResponseInit> {
  return answering(services.issuer, call.request, async () => {
    const form = call.body ?? new URLSearchParams();
    const asked = withoutFormFields(merged(queryOf(call.request), form));
    if (call.request.headers.has('authorization')) return allowByToken(services, call, asked);
    const action = form.get('action');
    if (action === null) return present(services, call, asked);
    const browser = services.sessions.browserOf(call.request.headers);
    if (
      isForeignPage(call.request) ||
      !services.sessions.isFormToken(browser, asked.toString(), form.get('form_token'))
    ) {
      return faultPage('This form is too old, or was not made for you. Cookies must be allowed for this page.', 403);
    }
    const authorization = await readAuthorizationRequest(services, asked);
    if (action === 'sign-in') return signIn(services, call, authorization, asked, browser, form);
    if (action === 'deny') throw denied(authorization);
    if (action === 'switch') {
      await services.sessions.signOut(browser);
      return goTo(addressOf(asked));
    }
    const signedIn = await currentUser(services, authorization, browser);
    if (action !== 'allow' || !signedIn) return present(services, call, asked);
    return allow(services, call, authorization, signedIn);
  });
}

/** Serves DELETE: the person said no. */
export function deleteAuthorize(services: AuthorizeServices, call: AuthorizeCall): Promise<HttpResponseInit> {
  return answering(services.issuer, call.request, async () => {
    const { redirectUri, state } = await readTarget(services, merged(queryOf(call.request), call.body));
    throw denied({ redirectUri, state });
  });
}

/** Shows the code of a native program. */
export function showNativeCode({ request }: { request: HttpRequest }): HttpResponseInit {
  const code = queryOf(request).get('code') ?? '';
  return /^slo_[A-Za-z0-9_-]{43}$/.test(code)
    ? nativePage(code)
    : faultPage('There is no authorization code here.', 400);
}

/** Shows the person what comes next: the way back, the sign-in page or the consent page. */
async function present(
  services: AuthorizeServices,
  call: Pick<AuthorizeCall, 'request' | 'requestId'>,
  asked: URLSearchParams,
): Promise<HttpResponseInit> {
  const authorization = await readAuthorizationRequest(services, asked);
  const { prompt } = authorization;
  const browser = services.sessions.browserOf(call.request.headers);
  const signedIn = await currentUser(services, authorization, browser);
  if (!signedIn || prompt.has('login') || prompt.has('select_account')) {
    if (prompt.has('none')) throw new AuthorizationError('login_required', 'Nobody is signed in.', authorization);
    return showSignIn(services, authorization, asked, browser);
  }
  if (!authorization.client.application && !prompt.has('consent'))
    return allow(services, call, authorization, signedIn);
  if (prompt.has('none'))
    throw new AuthorizationError('consent_required', 'Consent has to be asked for.', authorization);
  const { client, redirectUri } = authorization;
  const page = consentPage(
    {
      applicationName: client.name,
      tenant: signedIn.user.tenantId,
      userName: signedIn.user.name,
      login: signedIn.user.login,
      wishes: authorization.scopes.map((scope) => WISHES[scope]),
      destination: redirectUri === NATIVE_REDIRECT_URI ? 'a page that shows you a code' : originOf(redirectUri),
      action: addressOf(asked),
      formToken: services.sessions.formToken(browser, asked.toString()),
    },
    { formTarget: formTarget(redirectUri) },
  );
  return page;
}

async function signIn(
  services: AuthorizeServices,
  { request, requestId }: AuthorizeCall,
  authorization: AuthorizationRequest,
  asked: URLSearchParams,
  browser: Browser,
  form: URLSearchParams,
): Promise<HttpResponseInit> {
  const tenantId = authorization.client.tenantId ?? tenantOf(form.get('sign_in_tenant'));
  const [login, password] = [form.get('login') ?? '', form.get('password') ?? ''];
  const again = (alert: string, status: number, headers: Record<string, string> = {}) =>
    showSignIn(
      services,
      authorization,
      asked,
      browser,
      { alert, login, tenant: form.get('sign_in_tenant') },
      { status, headers },
    );
  if (tenantId === undefined || login === '' || password === '') {
    return again('Fill in every field.', 400);
  }
  const outcome = await signInByPassword(
    services,
    { tenantId, headers: request.headers, requestId },
    { login, password },
  );
  switch (outcome.kind) {
    case 'refused':
      return again('Login or password is not right.', 400);
    case 'throttled': {
      const seconds = String(outcome.retryAfterSeconds);
      return again(`Too many failed attempts: wait ${seconds} seconds.`, 429, { 'retry-after': seconds });
    }
    case 'signed-in': {
      const next = await services.sessions.signIn(browser, outcome.user);
      return goTo(addressOf(withoutSignInPrompt(asked)), { 'set-cookie': services.sessions.cookie(next) });
    }
  }
}

function showSignIn(
  services: AuthorizeServices,
  authorization: AuthorizationRequest,
  asked: URLSearchParams,
  browser: Browser,
  last: { alert?: string; login?: string; tenant?: string | null } = {},
  answer: { status?: number; headers?: Record<string, string> } = {},
): HttpResponseInit {
  const { client, redirectUri, loginHint, tenantHint } = authorization;
  const query = asked.toString();
  return signInPage(
    {
      applicationName: client.name,
      action: addressOf(asked),
      formToken: services.sessions.formToken(browser, query),
      alert: last.alert,
      login: last.login ?? loginHint,
      ...(client.tenantId === undefined
        ? { tenant: last.tenant ?? tenantHint ?? services.firstAdministrator.tenant }
        : {}),
      providers: services.providers
        .filter(({ clientId }) => clientId !== undefined)
        .map(({ id, name }) => ({ name, href: `/oauth/external/${id}?${query}` })),
    },
    {
      ...answer,
      headers: { 'set-cookie': services.sessions.cookie(browser), ...answer.headers },
      formTarget: formTarget(redirectUri),
    },
  );
}

/** Who is signed in, as far as it counts for this request. */
async function currentUser(
  services: AuthorizeServices,
  { client, maxAgeSeconds }: AuthorizationRequest,
  browser: Browser,
): Promise<SignedIn | undefined> {
  const signedIn = await services.sessions.signedIn(browser);
  if (!signedIn) return undefined;
  if (client.tenantId !== undefined && signedIn.user.tenantId !== client.tenantId) return undefined;
  if (await services.tenants.disabled(signedIn.user.tenantId)) return undefined;
  const age = (services.now() - signedIn.authenticatedAtMs) / 1000;
  return maxAgeSeconds !== undefined && age > maxAgeSeconds ? undefined : signedIn;
}

async function allow(
  services: AuthorizeServices,
  call: Pick<AuthorizeCall, 'request' | 'requestId'>,
  authorization: AuthorizationRequest,
  { user, authenticatedAtMs }: SignedIn,
): Promise<HttpResponseInit> {
  return goTo(await issueCode(services, call, authorization, user, authenticatedAtMs));
}

/** The address with a code for the application. */
async function issueCode(
  services: AuthorizeServices,
  { request, requestId }: Pick<AuthorizeCall, 'request' | 'requestId'>,
  authorization: AuthorizationRequest,
  user: User,
  authenticatedAtMs: number,
): Promise<string> {
  const { client, redirectUri, redirectUriNamed, scopes, challenge, nonce, boundTo } = authorization;
  const code = await services.codes.issue({
    tenantId: user.tenantId,
    clientId: client.clientId,
    userId: user.id,
    userEpoch: user.epoch,
    scopes,
    redirectUri: redirectUriNamed ? redirectUri : undefined,
    challenge,
    nonce,
    boundTo,
    authenticatedAtMs,
  });
  await services.audit({
    tenantId: user.tenantId,
    actor: `user:${user.id}`,
    action: 'access-granted',
    target: client.application ? `application:${client.application.applicationId}` : 'console',
    requestId,
    ip: callerAddress(request.headers),
  });
  return answerAddress(services.issuer, authorization, { code });
}

/** The console allows in the name of its person: without pages, as a client of older servers expects it. */
async function allowByToken(
  services: AuthorizeServices,
  call: AuthorizeCall,
  asked: URLSearchParams,
): Promise<HttpResponseInit> {
  const principal = await authenticate(services, call.request);
  // An application's own token must not be able to get its person's consent for anything.
  if (principal.kind !== 'user' || principal.clientId !== CONSOLE_CLIENT_ID) {
    throw insufficientScope('Only a token of the console may allow access without the page.', 'me');
  }
  const authorization = await readAuthorizationRequest(services, asked);
  const { client } = authorization;
  const user = await services.userStanding.userOf(principal.homeTenantId, principal.userId);
  if (!user || (client.tenantId !== undefined && client.tenantId !== user.tenantId)) throw denied(authorization);
  const address = await issueCode(services, call, authorization, user, services.now());
  return { headers: { ...NO_STORE }, jsonBody: { status: 'redirect', redirect_uri: address } };
}

/** Browsers tell when another site's page sends a form. */
function isForeignPage({ headers }: HttpRequest): boolean {
  const site = headers.get('sec-fetch-site');
  return site !== null && site !== 'same-origin' && site !== 'none';
}

function tenantOf(text: string | null): TenantId | undefined {
  const parsed = tenantIdOf.safeParse(text?.trim().toLowerCase());
  return parsed.success ? parsed.data : undefined;
}

function originOf(redirectUri: string): string {
  const { origin, protocol } = new URL(redirectUri);
  return origin === 'null' ? protocol : origin;
}

function formTarget(redirectUri: string): string | undefined {
  return redirectUri === NATIVE_REDIRECT_URI ? undefined : originOf(redirectUri);
}
