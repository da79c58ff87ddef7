/** Faults over HTTP. Without a key, so only from this machine, and not from a web page that is open on it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../http/request-body.ts';
import { BadFault, type Faults } from './faults.ts';

/** Where it answers on the host's port. */
export const FAULTS_PATH = '/$faults';
/** Bytes of a request for faults. */
const FAULTS_BYTES_MAX = 256 * 1024;

export async function answerFaults(faults: Faults, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const isLocal = /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '');
  if (!isLocal || request.headers.origin !== undefined) {
    return send(response, 403, { message: 'Faults are only for programs on this machine.' });
  }
  try {
    if (request.method === 'POST') faults.apply(parse(await readBody(request, FAULTS_BYTES_MAX)));
    else if (request.method === 'DELETE') faults.clear();
    else if (request.method !== 'GET') return send(response, 405, { message: 'Use GET, POST or DELETE.' });
  } catch (error) {
    if (!(error instanceof BadFault)) throw error;
    return send(response, 400, { message: error.message });
  }
  send(response, 200, faults.list());
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    throw new BadFault('The body is not JSON.');
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}
