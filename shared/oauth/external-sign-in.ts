/**
 * Sign-in through an OpenID provider (OpenID Connect Core §3.1, RFC 9700 §2.1): the person is sent there with PKCE, a
 * nonce and a state that belongs to this browser and this provider alone, and comes back to the page they wanted.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { callerAddress } from '../identity/audit.ts';
import { tenantId as tenantIdOf, type TenantId } from '../identity/ids.ts';
import type { OpenIdProvider } from '../identity/openid-provider.ts';
import type { Document, Store } from '../store/store.ts';
import { readAuthorizationRequest } from './authorization-request.ts';
import { goTo } from './authorization-answer.ts';
import type { AuthorizeServices } from './authorize.ts';
import { faultPage } from './pages.ts';
import { Problem } from '../http/problem.ts';

export const providerPath = z.object({ provider: z.string() });

/** Seconds in which a person must come back from the provider. */
const ROUND_TRIP_SECONDS = 600;

/** What it needs. */
export type ExternalSignInServices = AuthorizeServices & { store: Store };

/** A request about one provider. */
export interface ProviderCall {
  request: HttpRequest;
  requestId: string;
  params: z.output<typeof providerPath>;
}

interface RoundTrip extends Document {
  kind: 'round-trip';
  providerId: string;
  browserId: string;
  verifier: string;
  nonce: string;
  tenantId: TenantId;
  /** The authorization request to go on with. */
  asked: string;
}

/** Sends the person to the provider. */
export function startExternalSignIn(services: ExternalSignInServices, call: ProviderCall): Promise<HttpResponseInit> {
  return onPage(async () => {
    const provider = providerOf(services, call.params.provider);
    const asked = new URL(call.request.url).searchParams;
    const { client, tenantHint } = await readAuthorizationRequest(services, asked);
    const tenantId = client.tenantId ?? tenantHint ?? tenantIdOf.parse(provider.tenant);
    const browser = services.sessions.browserOf(call.request.headers);
    const [state, verifier, nonce] = [random(), random(), random()];
    const trip: RoundTrip = {
      id: documentId(state),
      kind: 'round-trip',
      providerId: provider.id,
      browserId: hashed(browser.id),
      verifier,
      nonce,
      tenantId,
      asked: asked.toString(),
      ttl: ROUND_TRIP_SECONDS,
    };
    await services.store.create('grants', trip);
    const address = await provider.authorizationUrl({
      response_type: 'code',
      client_id: provider.clientId ?? '',
      redirect_uri: callbackOf(services, provider),
      scope: 'openid profile email',
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    return goTo(address.href, { 'set-cookie': services.sessions.cookie(browser) });
  });
}

/** Takes the person back from the provider. */
export function finishExternalSignIn(services: ExternalSignInServices, call: ProviderCall): Promise<HttpResponseInit> {
  return onPage(async () => {
    const { request, requestId, params } = call;
    const provider = providerOf(services, params.provider);
    const answer = new URL(request.url).searchParams;
    const trip = await takeTrip(services, answer.get('state') ?? '');
    const browser = services.sessions.browserOf(request.headers);
    // The state belongs to one browser and one provider: anything else is somebody else's sign-in, or a mix-up of two.
    const issuer = answer.get('iss');
    const own = trip?.providerId === provider.id && browser.known && trip.browserId === hashed(browser.id);
    if (!trip || !own || (issuer !== null && issuer !== provider.issuer)) {
      return faultPage('This sign-in is too old, or was not started in this browser.', 400);
    }
    const code = answer.get('code');
    if (code === null) return faultPage(`${provider.name} did not sign you in.`, 403);
    const { verifier, nonce, tenantId } = trip;
    const { subject } = await provider
      .redeemCode({ code, redirectUri: callbackOf(services, provider), verifier, nonce })
      .catch((cause: unknown) => {
        throw new Problem('provider-failed', 502, `${provider.name} did not confirm who you are: try again.`, {
          cause,
        });
      });
    const userId = await services.externalUsers.find(tenantId, { issuer: provider.issuer, subject });
    const user = userId && (await services.userStanding.userOf(tenantId, userId));
    if (!user || (await services.tenants.disabled(tenantId))) {
      await services.audit({
        tenantId,
        actor: 'user:-',
        action: 'sign-in-failed',
        target: `provider:${provider.id}`,
        reason: user ? 'tenant disabled' : 'no such user, or disabled',
        requestId,
        ip: callerAddress(request.headers),
      });
      return faultPage('You are no user of this tenant: ask its administrator to add you.', 403);
    }
    const next = await services.sessions.signIn(browser, user);
    return goTo(`/oauth/authorize?${trip.asked}`, { 'set-cookie': services.sessions.cookie(next) });
  });
}

/** The round trip of a state, which is used up. */
async function takeTrip({ store }: ExternalSignInServices, state: string): Promise<RoundTrip | undefined> {
  const id = documentId(state);
  const trip = await store.read<RoundTrip>('grants', id, id);
  return trip && (await store.delete('grants', id, id, trip._etag)) ? trip : undefined;
}

async function onPage(work: () => Promise<HttpResponseInit>): Promise<HttpResponseInit> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem) return faultPage(error.detail, error.status, error.headers);
    if ((error as Error).name === 'AuthorizationError') return faultPage((error as Error).message, 400);
    throw error;
  }
}

function providerOf({ providers }: ExternalSignInServices, id: string): OpenIdProvider {
  const provider = providers.find((each) => each.id === id && each.clientId !== undefined);
  if (provider) return provider;
  throw new Problem('provider-not-found', 404, 'There is no such provider to sign in with.');
}

function callbackOf({ issuer }: ExternalSignInServices, { id }: OpenIdProvider): string {
  return `${issuer}/oauth/callback/${id}`;
}

function documentId(state: string): string {
  return `round-trip|${hashed(state)}`;
}

function hashed(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function random(): string {
  return randomBytes(32).toString('base64url');
}
