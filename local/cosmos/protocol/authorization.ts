/** Checks who asks: the account's key by its HMAC, or a bearer token of Entra ID, which is accepted unread. */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { CosmosError } from '../cosmos-error.ts';

/** The key that every Cosmos DB emulator has: public, and of no worth. */
export const WELL_KNOWN_KEY =
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==';

/** Milliseconds by which a request's date may differ from ours (as in the service: 15 minutes). */
const CLOCK_SKEW_MAX_MS = 15 * 60_000;

/** Makes an account's key ready to sign: Node needs several times as long for that as for a signature. @param key base64 */
export function signingKey(key: string): KeyObject {
  return createSecretKey(Buffer.from(key, 'base64'));
}

/** What of a request is signed. */
export interface SignedRequest {
  method: string;
  /** Segments of the path, as they stand in the URL. */
  segments: readonly string[];
  authorization: string | undefined;
  date: string | undefined;
}

/** @throws 401 when the request is not signed by the key; 403 when its date is too far off */
export function checkAuthorization({ method, segments, authorization, date }: SignedRequest, key: KeyObject): void {
  if (authorization === undefined)
    throw new CosmosError(
      401,
      'Required Header authorization is missing. Ensure a valid Authorization token is passed.',
    );
  const fields = new URLSearchParams(decode(authorization).replaceAll('+', '%2B'));
  const type = fields.get('type');
  const signature = fields.get('sig') ?? '';
  if (type === 'aad' && signature !== '') return;
  if (type !== 'master')
    throw new CosmosError(
      401,
      `The authorization token type '${type ?? ''}' is not implemented by the local Cosmos DB: use the account key or Entra ID.`,
    );
  const sent = Date.parse(date ?? '');
  if (date === undefined || Number.isNaN(sent))
    throw new CosmosError(401, 'The header x-ms-date is missing or is no date.');
  if (Math.abs(Date.now() - sent) > CLOCK_SKEW_MAX_MS)
    throw new CosmosError(403, `The authorization token is not valid at the current time: x-ms-date is ${date}.`);
  const { resourceType, links } = signedResource(segments);
  const signed = links.some((link) => {
    const expected = createHmac('sha256', key)
      .update(`${method.toLowerCase()}\n${resourceType}\n${link}\n${date.toLowerCase()}\n\n`)
      .digest();
    const given = Buffer.from(signature, 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!signed)
    throw new CosmosError(
      401,
      "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
    );
}

/**
 * Type and link of the resource that a path's signature covers. Names count as written and as decoded; clients that
 * address by resource id (`_rid`) sign that id alone, in small letters.
 */
function signedResource(segments: readonly string[]): { resourceType: string; links: string[] } {
  const both = (parts: readonly string[]) => [parts.map(decode).join('/'), parts.join('/')];
  if (segments.at(-2) === 'operations' && segments.at(-1) === 'partitionkeydelete')
    return { resourceType: 'colls', links: both(segments.slice(0, -2)) };
  const isFeed = segments.length % 2 === 1;
  const resourceType = (isFeed ? segments.at(-1) : segments.at(-2)) ?? '';
  if (resourceType === 'offers') return { resourceType, links: [isFeed ? '' : (segments.at(-1) ?? '').toLowerCase()] };
  const linked = isFeed ? segments.slice(0, -1) : segments;
  return {
    resourceType: resourceType.toLowerCase(),
    links: [...both(linked), decode(linked.at(-1) ?? '').toLowerCase()],
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
