/** Conditional requests (RFC 9110 §13): the ETag of a resource, and what a caller expects it to be. */
import type { HttpRequest } from '@azure/functions';
import { Problem } from './problem.ts';

/** Quotes a version as a strong entity tag; what the store gives is quoted already. */
export function entityTag(version: number | string): string {
  const text = String(version);
  return text.startsWith('"') ? text : `"${text}"`;
}

/**
 * Checks `If-Match` against the resource as it is; without the header nothing is required.
 * @param current the entity tag, undefined when the resource does not exist
 * @throws Problem 412 when the caller has seen another version
 */
export function requireMatch(request: HttpRequest, current: string | undefined): void {
  const header = request.headers.get('if-match');
  if (header === null) return;
  const expected = header.split(',').map((tag) => tag.trim());
  if (current !== undefined && (expected.includes('*') || expected.includes(current))) return;
  throw new Problem(
    'changed-meanwhile',
    412,
    'This changed since you read it: get it again, then send the new ETag in If-Match.',
  );
}

/** Whether the caller has this version already (`If-None-Match`); then the answer is 304 without a body. */
export function alreadyHas(request: HttpRequest, current: string): boolean {
  const header = request.headers.get('if-none-match');
  if (header === null) return false;
  const known = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(current);
}
