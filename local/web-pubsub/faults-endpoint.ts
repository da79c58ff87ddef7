/** Faults over HTTP: `GET /$faults` reads, `POST /$faults` changes. Without a key, so only from this machine. */
import type { IncomingMessage } from 'node:http';
import type { FaultPlan, Faults } from './faults.ts';
import { readBody, textOf } from './request-body.ts';
import { badRequest, ServiceError } from './service-error.ts';
import type { OperationAnswer } from './service-operations.ts';

/** Bytes of a request for faults: it is a handful of numbers. */
const FAULTS_BYTES_MAX = 64 * 1024;

const rules: Record<keyof FaultPlan, [(value: unknown) => boolean, string]> = {
  dropNext: [isCount, 'must be a whole number, 0 or more'],
  dropFraction: [(value) => typeof value === 'number' && value >= 0 && value <= 1, 'must be a number from 0 to 1'],
  duplicateNext: [isCount, 'must be a whole number, 0 or more'],
  delayMs: [isCount, 'must be a whole number of milliseconds, 0 or more'],
  rejectNext: [isCount, 'must be a whole number, 0 or more'],
  rejectStatus: [(value) => value === 429 || value === 503, 'must be 429 or 503'],
  rejectRetryAfterSeconds: [isCount, 'must be a whole number of seconds, 0 or more'],
  refuseRecovery: [(value) => typeof value === 'boolean', 'must be true or false'],
  seed: [isCount, 'must be a whole number, 0 or more'],
};

/**
 * Answers a request for faults. Beside the fields of the plan, `clear: true` starts from health and `cut: true` resets
 * every client's TCP connection, in this order, whatever the order in the body.
 * @throws ServiceError 400 naming the field, 403 from another machine, 405 for another verb
 */
export async function answerFaults(faults: Faults, request: IncomingMessage): Promise<OperationAnswer> {
  if (!/^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '')) {
    throw new ServiceError(403, 'Forbidden', 'Faults are only for this machine.');
  }
  if (request.method === 'POST') {
    const { clear, cut, ...change } = await readChange(request);
    if (clear) faults.clear();
    faults.set(change);
    if (cut) faults.cut();
  } else if (request.method !== 'GET') {
    throw new ServiceError(405, 'MethodNotAllowed', 'Use GET or POST.', { headers: { allow: 'GET, POST' } });
  }
  return { status: 200, body: { plan: faults.plan, counts: faults.counts } };
}

async function readChange(request: IncomingMessage): Promise<Partial<FaultPlan> & { clear?: boolean; cut?: boolean }> {
  let body: unknown;
  try {
    body = JSON.parse(textOf(await readBody(request, FAULTS_BYTES_MAX)) ?? '');
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw badRequest('body', 'The body is not JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badRequest('body', 'The body must be a JSON object.');
  }
  for (const [field, value] of Object.entries(body)) {
    if (field === 'clear' || field === 'cut') {
      if (typeof value !== 'boolean') throw badRequest(field, `${field} must be true or false.`);
      continue;
    }
    const known = Object.keys(rules).includes(field) ? rules[field as keyof FaultPlan] : undefined;
    if (!known) {
      throw badRequest(field, `There is no fault '${field}', only: clear, cut, ${Object.keys(rules).join(', ')}.`);
    }
    const [holds, rule] = known;
    if (!holds(value)) throw badRequest(field, `${field} ${rule}.`);
  }
  return body;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
