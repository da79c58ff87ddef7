/**
 * Faults over HTTP: `POST /$faults` with a fault or an array of them as JSON (fault-rule.ts), `GET /$faults` for what is
 * on, `DELETE /$faults` to end all. Without a key, so only for programs of this machine.
 */
import { CosmosError } from '../cosmos-error.ts';
import { parseJson } from '../items/item-document.ts';
import type { CosmosRequest, CosmosResponse } from '../protocol/message.ts';
import type { Faults } from './faults.ts';

/** Where faults are set. */
export const FAULTS_PATH = '/$faults';

/**
 * Answers a request for faults.
 * @param remoteAddress of the client
 * @throws 400 naming the field, 403 for another machine or a web page, 405 for another verb
 */
export function answerFaults(
  faults: Faults,
  { method, headers, body }: CosmosRequest,
  remoteAddress: string | undefined,
): CosmosResponse {
  if (!isLoopback(remoteAddress)) throw new CosmosError(403, 'Faults can only be set from this machine.');
  // A browser on this machine runs the pages of others.
  if (headers['origin'] !== undefined || headers['sec-fetch-site'] !== undefined || !isLoopbackName(headers['host']))
    throw new CosmosError(403, 'Faults cannot be set by a web page.');
  if (method === 'POST') faults.apply(parseJson(body, 'the faults'));
  else if (method === 'DELETE') faults.clear();
  else if (method !== 'GET') throw new CosmosError(405, `The method ${method} is not allowed for ${FAULTS_PATH}.`);
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(faults.list()) };
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || (address?.replace(/^::ffff:/, '').startsWith('127.') ?? false);
}

function isLoopbackName(host: string | undefined): boolean {
  return /^(127(\.\d+){3}|localhost|\[::1\])(:\d+)?$/.test(host ?? '');
}
