import type { IncomingMessage } from 'node:http';
import { readConnectionFilter } from './connection-filter.ts';
import type { Connection } from './connection.ts';
import { MESSAGE_BYTES_MAX } from './limits.ts';
import { isGroupName } from './names.ts';
import { readBody, textOf } from './request-body.ts';
import { badRequest } from './service-error.ts';

/**
 * Reads the body of a request that moves many connections: `{ groups, filter }`.
 * @throws ServiceError 400 naming the field, 413 above the limit
 */
export async function readGroupsRequest(
  request: IncomingMessage,
): Promise<{ groups: string[]; wanted: (connection: Connection) => boolean }> {
  const text = textOf(await readBody(request, MESSAGE_BYTES_MAX));
  let body: unknown;
  try {
    body = JSON.parse(text ?? '');
  } catch {
    throw badRequest('body', 'The body is not JSON.');
  }
  const { groups, filter } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (!Array.isArray(groups) || groups.length === 0 || !groups.every(isGroupName)) {
    throw badRequest('groups', 'groups must be a list of names of 1 to 1,024 characters, not only blanks.');
  }
  if (filter !== undefined && filter !== null && typeof filter !== 'string') {
    throw badRequest('filter', 'filter must be a string.');
  }
  return { groups, wanted: filter ? readConnectionFilter(filter) : () => true };
}
