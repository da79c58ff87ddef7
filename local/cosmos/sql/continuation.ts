/** The continuation of a query: where the last page ended, so that writes between pages cause neither gap nor repeat. */
import { createHash } from 'node:crypto';
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject } from '../json-value.ts';

/** A place behind the last row answered. */
export interface Position {
  /** Texts that order before the number: index entries (hex) of a walk or of ORDER BY, or the key of a group. */
  keys?: string[];
  /** The item's number; absent for groups and distinct values. */
  rid?: number;
  /** Rows of that item already answered, when it gives several (JOIN). */
  rows?: number;
  /** Rows to be left out first (OFFSET; none behind the first page), and still to be answered (TOP, LIMIT). */
  skip?: number;
  take?: number;
}

/** Hex digits of the query's hash: enough to notice a token of another query. */
const HASH_DIGITS = 16;

function hash(query: string): string {
  return createHash('sha256').update(query).digest('hex').slice(0, HASH_DIGITS);
}

/** The token of a position; only good for the same query. */
export function writeContinuation(query: string, position: Position): string {
  return Buffer.from(JSON.stringify([hash(query), position])).toString('base64url');
}

/** @throws 400 when the token was not made by this stand-in for this query */
export function readContinuation(query: string, token: string): Position {
  const refused = () => badRequest('Malformed continuation token: it does not belong to this query.');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    throw refused();
  }
  if (!Array.isArray(parsed) || parsed[0] !== hash(query) || !isJsonObject(parsed[1])) throw refused();
  return parsed[1] as Position;
}
