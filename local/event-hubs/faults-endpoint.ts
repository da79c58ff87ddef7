/** Faults over HTTP, from this machine only: `GET /$faults` shows, `POST` adds, `DELETE` ends. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseFaultPlan } from './fault-plan.ts';
import type { Faults } from './faults.ts';
import { HttpRefusal, readBody, respondJson } from './http-answer.ts';

/** Bytes of a fault plan. */
const PLAN_BYTES_MAX = 65_536;

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(?:127\.|::1$|::ffff:127\.)/.test(address);

async function readPlan(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request, PLAN_BYTES_MAX);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new HttpRefusal(400, `The plan is not JSON: ${Error.isError(error) ? error.message : String(error)}`);
  }
}

/** Answers a request for faults. @throws HttpRefusal, BadFaultPlan */
export async function serveFaults(faults: Faults, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isLoopback(request.socket.remoteAddress)) throw new HttpRefusal(403, 'Faults are for clients on this machine.');
  // A page in a browser must not be able to strike: its requests carry an origin.
  if (request.headers.origin !== undefined) throw new HttpRefusal(403, 'Faults are not for browsers.');
  if (request.method === 'GET') return respondJson(response, faults.state());
  if (request.method === 'DELETE') {
    faults.clear();
    return respondJson(response, faults.state());
  }
  if (request.method !== 'POST') throw new HttpRefusal(405, 'Use GET, POST or DELETE.', { allow: 'GET, POST, DELETE' });
  const { cutConnections = false, kill = false, ...rest } = parseFaultPlan(await readPlan(request));
  const { linksDetached } = faults.apply(rest);
  respondJson(response, { ...faults.state(), linksDetached, cutConnections, kill });
  // Only now: this answer travels on one of the connections.
  if (cutConnections || kill) response.on('close', () => faults.apply({ cutConnections, kill }));
}
