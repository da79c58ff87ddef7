import type { Connection } from './connection.ts';
import { PAGE_SIZE_MAX } from './limits.ts';
import { wholeNumber } from './query-number.ts';
import { badRequest } from './service-error.ts';

/** A page of a group's connections; `nextLink` leads to the next one. */
export interface ConnectionPage {
  value: { connectionId: string; userId?: string }[];
  nextLink?: string;
}

/** `top` counts over all pages, so a link carries what is left of it. */
const TOP_MAX = 2_147_483_647;

/**
 * One page of a group's connections, in the order of their ids, so that comings and goings neither repeat nor hide one.
 * @throws ServiceError 400 for a page size above 200, a bad `top` or a token that is not from a link
 */
export function listConnections(members: Connection[], query: URLSearchParams, url: URL): ConnectionPage {
  const pageSize = wholeNumber(query, 'maxpagesize', 1, PAGE_SIZE_MAX) ?? PAGE_SIZE_MAX;
  const top = wholeNumber(query, 'top', 1, TOP_MAX) ?? Infinity;
  const after = readToken(query.get('continuationToken'));
  const rest = members.filter(({ id }) => id > after).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const page = rest.slice(0, Math.min(pageSize, top));
  const value = page.map(({ id, userId }) => ({ connectionId: id, ...(userId === undefined ? {} : { userId }) }));
  const last = page.at(-1);
  if (!last || page.length === rest.length || page.length === top) return { value };
  const next = new URL(url);
  next.searchParams.set('continuationToken', Buffer.from(last.id).toString('base64url'));
  if (top !== Infinity) next.searchParams.set('top', String(top - page.length));
  return { value, nextLink: next.href };
}

function readToken(token: string | null): string {
  if (token === null) return '';
  if (!/^[\w-]+$/.test(token)) throw badRequest('continuationToken', 'The continuation token is not from a nextLink.');
  return Buffer.from(token, 'base64url').toString();
}
