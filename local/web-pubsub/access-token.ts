/**
 * Bearer tokens, HS256 with the access key: of the service SDK (audience is the request's URL) and of clients
 * (audience is the client endpoint). Expiry is checked here and nowhere else, as the service does: an open connection
 * outlives its token.
 */
import { SignJWT, jwtVerify, type JWTPayload } from 'jose';
import { ServiceError } from './service-error.ts';

/** What a client token says about its bearer. */
export interface ClientClaims {
  userId: string | undefined;
  roles: string[];
  groups: string[];
}

/** Who a token must be meant for: the host the request came to and the path it asks for. */
export interface Audience {
  host: string;
  path: string;
}

const loopback = /^(localhost|\[::1\]|127\.0\.0\.1)(?=:|$)/i;

/**
 * Verifies a token.
 * @throws ServiceError 401 that says what is wrong with it
 */
export async function verifyToken(
  key: string,
  token: string | undefined,
  audience: Audience,
  nowMs: number,
): Promise<JWTPayload> {
  if (token === undefined || token === '') throw unauthorized('The request has no access token.');
  let payload: JWTPayload;
  try {
    ({ payload } = await jwtVerify(token, new TextEncoder().encode(key), {
      algorithms: ['HS256'],
      requiredClaims: ['exp', 'aud'],
      currentDate: new Date(nowMs),
    }));
  } catch (error) {
    const reason = Error.isError(error) ? error.message : String(error);
    throw unauthorized(`The access token is not valid: ${reason}.`);
  }
  const audiences = [payload.aud ?? []].flat();
  if (!audiences.some((one) => isMeantFor(one, audience))) {
    throw unauthorized(
      `The access token is for ${audiences.join(', ')}, not for ${audience.host}${audience.path} (claim aud).`,
    );
  }
  return payload;
}

/** Reads the claims of a verified client token; a claim of one value may be a string. */
export function clientClaims(payload: JWTPayload): ClientClaims {
  return {
    userId: payload.sub,
    roles: strings(payload['role']),
    groups: strings(payload['webpubsub.group']),
  };
}

/** Signs a client token, as the `:generateToken` operation does. */
export function signClientToken(
  key: string,
  audience: string,
  claims: ClientClaims,
  minutes: number,
  nowMs: number,
): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000);
  const token = new SignJWT({ role: claims.roles, 'webpubsub.group': claims.groups })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setAudience(audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + minutes * 60);
  if (claims.userId !== undefined) token.setSubject(claims.userId);
  return token.sign(new TextEncoder().encode(key));
}

/** Compares as the service does: scheme, query and a trailing slash do not count; loopback names are one host. */
function isMeantFor(audience: string, { host, path }: Audience): boolean {
  if (!URL.canParse(audience)) return false;
  const url = new URL(audience);
  return sameHost(url.host) === sameHost(host) && samePath(url.pathname) === samePath(path);
}

function sameHost(host: string): string {
  return host.toLowerCase().replace(loopback, 'loopback');
}

function samePath(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  try {
    return decodeURIComponent(trimmed);
  } catch {
    return trimmed;
  }
}

function strings(claim: unknown): string[] {
  return [claim].flat().filter((value) => typeof value === 'string');
}

function unauthorized(message: string): ServiceError {
  return new ServiceError(401, 'Unauthorized', message, { headers: { 'www-authenticate': 'Bearer' } });
}
