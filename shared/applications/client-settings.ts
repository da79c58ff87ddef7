/**
 * How an application takes part in OAuth: whether it can keep a secret, where people are sent back to, and which
 * sign-ins and lifetimes it was opted into. Everything that weakens security is off unless an administrator asks for it.
 */
import { z } from 'zod';
import { clientKeys } from './client-keys.ts';
import { ACCESS_TOKEN_SECONDS, ACCESS_TOKEN_SECONDS_MAX, ACCESS_TOKEN_SECONDS_MIN } from './token-lifetime.ts';

/** Redirect URIs of one application. */
const REDIRECT_URIS_MAX = 20;
/** Characters of a redirect URI. */
const REDIRECT_URI_CHARS_MAX = 512;
/** The redirect URI of a program that shows the code to a person, who copies it (`/oauth/authorize/native`). */
export const NATIVE_REDIRECT_URI = 'urn:ietf:wg:oauth:2.0:oob';

const URI_RULE =
  'must be an absolute https URI without fragment (http only for 127.0.0.1, [::1] and localhost), a private-use scheme such as com.example.app:/callback, or the native URN';
const SECONDS_RULE = `must be a whole number of seconds from ${ACCESS_TOKEN_SECONDS_MIN} to ${ACCESS_TOKEN_SECONDS_MAX} (14 days)`;

const redirectUri = z
  .string(URI_RULE)
  .max(REDIRECT_URI_CHARS_MAX, `must be at most ${REDIRECT_URI_CHARS_MAX} characters`)
  .refine(isRedirectUri, URI_RULE);

/** The settings as an administrator gives them, each optional. */
export const clientSettingsFields = {
  /** `public`: a page or program that cannot keep a secret; it has none, and PKCE alone protects its codes. */
  clientType: z.enum(['confidential', 'public'], 'must be confidential or public'),
  /**
   * `any`: by its secret, and by a registered key where it has some. `private_key_jwt`: by a key only; then it has no
   * secret that could leak.
   */
  clientAuthentication: z.enum(['any', 'private_key_jwt'], 'must be any or private_key_jwt'),
  /** Its public keys, for `private_key_jwt`. */
  jwks: clientKeys,
  /** RFC 9449 §5.2: only tokens that are bound to a key of the sender are issued. */
  dpopBoundAccessTokens: z.boolean('must be true or false'),
  /** Where people may be sent back to with a code; none means that the authorization code grant is off. */
  redirectUris: z
    .array(redirectUri, 'must be an array of URIs')
    .max(REDIRECT_URIS_MAX, `must hold at most ${REDIRECT_URIS_MAX} URIs`)
    .transform((uris) => [...new Set(uris)]),
  /** What `grant_type=password` takes. RFC 9700 §2.4 forbids that grant, so it is off unless asked for. */
  userAuthentication: z.enum(
    ['none', 'password', 'external_authentication_token'],
    'must be none, password or external_authentication_token',
  ),
  /** Who gets refresh tokens: grants of users, every grant, or nobody. */
  refreshTokens: z.enum(['user', 'always', 'never'], 'must be user, always or never'),
  accessTokenSeconds: z
    .int(SECONDS_RULE)
    .min(ACCESS_TOKEN_SECONDS_MIN, SECONDS_RULE)
    .max(ACCESS_TOKEN_SECONDS_MAX, SECONDS_RULE),
};

/** The settings, complete. */
export type ClientSettings = z.output<z.ZodObject<typeof clientSettingsFields>>;

/** What an application has that nobody set up further: a confidential client for `client_credentials`. */
export const DEFAULT_CLIENT_SETTINGS: Readonly<ClientSettings> = {
  clientType: 'confidential',
  clientAuthentication: 'any',
  jwks: { keys: [] },
  dpopBoundAccessTokens: false,
  redirectUris: [],
  userAuthentication: 'none',
  refreshTokens: 'user',
  accessTokenSeconds: ACCESS_TOKEN_SECONDS,
};

/** The settings of a stored application; a document from before they existed has the defaults. */
export function clientSettingsOf(application: Partial<ClientSettings>): ClientSettings {
  return {
    clientType: application.clientType ?? DEFAULT_CLIENT_SETTINGS.clientType,
    clientAuthentication: application.clientAuthentication ?? DEFAULT_CLIENT_SETTINGS.clientAuthentication,
    jwks: application.jwks ?? DEFAULT_CLIENT_SETTINGS.jwks,
    dpopBoundAccessTokens: application.dpopBoundAccessTokens ?? DEFAULT_CLIENT_SETTINGS.dpopBoundAccessTokens,
    redirectUris: application.redirectUris ?? [],
    userAuthentication: application.userAuthentication ?? DEFAULT_CLIENT_SETTINGS.userAuthentication,
    refreshTokens: application.refreshTokens ?? DEFAULT_CLIENT_SETTINGS.refreshTokens,
    accessTokenSeconds: application.accessTokenSeconds ?? DEFAULT_CLIENT_SETTINGS.accessTokenSeconds,
  };
}

/** Whether there is a secret at all. */
export function hasSecret(application: Partial<ClientSettings>): boolean {
  const { clientType, clientAuthentication } = clientSettingsOf(application);
  return clientType === 'confidential' && clientAuthentication === 'any';
}

/** The field and the rule that settings break together; undefined when they fit. */
export function misfit(settings: Partial<ClientSettings>): { field: string; rule: string } | undefined {
  const { clientType, clientAuthentication, jwks } = clientSettingsOf(settings);
  if (clientType === 'public' && (jwks.keys.length > 0 || clientAuthentication === 'private_key_jwt')) {
    return { field: 'jwks', rule: 'is for confidential clients: a public one has no key to keep' };
  }
  if (clientAuthentication === 'private_key_jwt' && jwks.keys.length === 0) {
    return { field: 'jwks', rule: 'must hold a key when clientAuthentication is private_key_jwt' };
  }
  return undefined;
}

/**
 * Whether a URI of a request is one that was registered: the same text (RFC 9700 §2.1), save that a program on the
 * person's own machine may listen on any port (RFC 8252 §7.3).
 */
export function isRegistered(redirectUris: readonly string[], asked: string): boolean {
  return redirectUris.some((registered) => registered === asked || sameButPort(registered, asked));
}

function sameButPort(registered: string, asked: string): boolean {
  const [one, other] = [parsed(registered), parsed(asked)];
  if (!one || !other || !isLoopback(one) || one.protocol !== 'http:' || !isRedirectUri(asked)) return false;
  one.port = other.port;
  return one.href === other.href;
}

function isRedirectUri(text: string): boolean {
  if (text === NATIVE_REDIRECT_URI) return true;
  // oxlint-disable-next-line no-control-regex -- a URI has neither spaces nor control characters
  if (/[\u0000-\u0020\u007f-\uffff#\\"<>^`{|}*]/.test(text)) return false;
  const uri = parsed(text);
  if (!uri || uri.username !== '' || uri.password !== '') return false;
  if (uri.protocol === 'https:') return uri.hostname !== '' && /^https:\/\//i.test(text);
  if (uri.protocol === 'http:') return isLoopback(uri) && /^http:\/\//i.test(text);
  // RFC 8252 §7.1: a private-use scheme is a reversed domain name, so it has a dot. That excludes javascript: and data:.
  return /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(uri.protocol);
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost';
}

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
