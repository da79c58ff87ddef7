/**
 * OpenID providers that the deployment trusts, Entra ID or any other: they come from the settings and never from a
 * request, because whoever chooses an issuer chooses whose keys are believed and which address is fetched.
 */
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Config, OpenIdProviderSettings } from '../config.ts';

/** Milliseconds that a provider may take. */
const FETCH_MS_MAX = 5_000;
/** Milliseconds for which a provider's description is used. */
const DISCOVERY_MS = 3_600_000;
/** Seconds that its clock may differ from ours. */
const SKEW_SECONDS = 60;
/** Bytes of an answer of a provider. */
const ANSWER_BYTES_MAX = 256 * 1024;

const secureUrl = z
  .url()
  .refine((text) => /^https:/i.test(text) || /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)[:/]/i.test(text), {
    error: 'must be an https URL',
  });

const discovery = z.object({
  issuer: z.string(),
  authorization_endpoint: secureUrl,
  token_endpoint: secureUrl,
  jwks_uri: secureUrl,
});
const tokenAnswer = z.object({ id_token: z.string() });

/** Asymmetric algorithms only: with a shared secret, whoever can check a token could make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** A provider at work. */
export interface OpenIdProvider extends OpenIdProviderSettings {
  /** The subject of one of its access tokens for us; undefined for anything else. */
  verifyAccessToken(token: string): Promise<VerifiedToken | undefined>;
  /** Where a person is sent to sign in. */
  authorizationUrl(parameters: Record<string, string>): Promise<URL>;
  /** Trades a code for an ID token, and checks it. @throws Error saying what is wrong with the answer */
  redeemCode(exchange: { code: string; redirectUri: string; verifier: string; nonce: string }): Promise<VerifiedToken>;
}

/** What a checked token says. */
interface VerifiedToken {
  subject: string;
  expiresAtMs: number;
  tokenId?: string;
}

/** The issuer of Entra ID for the people of one directory. */
export function entraIssuer(directoryId: string): string {
  return `https://login.microsoftonline.com/${directoryId}/v2.0`;
}

/** Makes the providers of the settings. */
export function createOpenIdProviders(
  {
    OPENID_PROVIDERS,
    ENTRA_TENANT_ID,
    ENTRA_AUDIENCE,
    BOOTSTRAP_TENANT,
  }: Pick<Config, 'OPENID_PROVIDERS' | 'ENTRA_TENANT_ID' | 'ENTRA_AUDIENCE' | 'BOOTSTRAP_TENANT'>,
  now: () => number = Date.now,
): OpenIdProvider[] {
  const entra: OpenIdProviderSettings[] =
    ENTRA_TENANT_ID === undefined || ENTRA_AUDIENCE === undefined
      ? []
      : [
          {
            id: 'entra',
            name: 'Microsoft',
            issuer: entraIssuer(ENTRA_TENANT_ID),
            audience: ENTRA_AUDIENCE,
            subjectClaim: 'oid',
            tenant: BOOTSTRAP_TENANT,
          },
        ];
  return [...entra, ...OPENID_PROVIDERS].map((each) => createProvider(each, now));
}

function createProvider(settings: OpenIdProviderSettings, now: () => number): OpenIdProvider {
  const { issuer, subjectClaim } = settings;
  let described: { at: number; document: z.output<typeof discovery>; keys: JWTVerifyGetKey } | undefined;
  const describe = async () => {
    if (described && now() - described.at < DISCOVERY_MS) return described;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = discovery.parse(await fetchJson(url));
    // OpenID Connect Discovery §4.3: otherwise one provider could speak for another.
    if (document.issuer !== issuer) throw new Error(`${url} describes another issuer`);
    const keys = createRemoteJWKSet(new URL(document.jwks_uri), { timeoutDuration: FETCH_MS_MAX });
    described = { at: now(), document, keys };
    return described;
  };
  const verify = async (token: string, audience: string): Promise<JWTPayload> => {
    const { keys } = await describe();
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(now()),
      requiredClaims: ['exp', 'iat'],
    });
    return payload;
  };
  const verified = (payload: JWTPayload): VerifiedToken | undefined => {
    const subject = payload[subjectClaim];
    if (typeof subject !== 'string' || subject === '' || payload.exp === undefined) return undefined;
    const tokenId = payload.jti ?? payload['uti'];
    return {
      subject,
      expiresAtMs: payload.exp * 1000,
      ...(typeof tokenId === 'string' ? { tokenId } : {}),
    };
  };

  return {
    ...settings,
    async verifyAccessToken(token) {
      if (settings.audience === undefined) return undefined;
      try {
        const payload = await verify(token, settings.audience);
        // An ID token is for the application that signed somebody in, never a key to ours.
        return payload['nonce'] === undefined ? verified(payload) : undefined;
      } catch (error) {
        if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout)) return undefined;
        throw error;
      }
    },
    async authorizationUrl(parameters) {
      const { document } = await describe();
      const url = new URL(document.authorization_endpoint);
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return url;
    },
    async redeemCode({ code, redirectUri, verifier, nonce }) {
      const { document } = await describe();
      if (settings.clientId === undefined) throw new Error('this provider has no client id');
      const form = new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        client_id: settings.clientId,
        ...(settings.clientSecret === undefined ? {} : { client_secret: settings.clientSecret }),
      });
      const answer = tokenAnswer.parse(await fetchJson(document.token_endpoint, form));
      const payload = await verify(answer.id_token, settings.clientId);
      if (payload['nonce'] !== nonce) throw new Error('the ID token has another nonce');
      if (Array.isArray(payload.aud) && payload.aud.length > 1 && payload['azp'] !== settings.clientId) {
        throw new Error('the ID token is for another party');
      }
      const token = verified(payload);
      if (!token) throw new Error(`the ID token has no ${subjectClaim}`);
      return token;
    },
  };
}

async function fetchJson(url: string, form?: URLSearchParams): Promise<unknown> {
  const response = await fetch(url, {
    ...(form ? { method: 'POST', body: form } : {}),
    headers: { accept: 'application/json' },
    // A redirect would carry our secret to an address that nobody configured.
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${new URL(url).origin} answered ${response.status}`);
  if (text.length > ANSWER_BYTES_MAX) throw new Error(`${new URL(url).origin} answered too much`);
  return JSON.parse(text);
}
