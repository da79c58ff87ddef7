/**
 * Faults over HTTP: `GET /$faults` reads, `POST /$faults` changes, `DELETE /$faults` ends them. Without a key, so only
 * from this machine, and not from a web page that is open on it.
 */
import type { IncomingMessage } from 'node:http';
import type { FaultPlan, Faults } from './faults.ts';
import { readBody, textOf } from './request-body.ts';
import { badRequest, ServiceError } from './service-error.ts';
import { operations, type OperationAnswer } from './service-operations.ts';

/** Bytes of a request for faults: it is a handful of numbers. */
const FAULTS_BYTES_MAX = 64 * 1024;

/** What can be refused: every operation of a service, every request of a client. */
const REJECTABLE = [...operations.map(({ name }) => name), 'joinGroup', 'leaveGroup', 'sendToGroup'];
const isFraction = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;

const rules: Record<keyof FaultPlan, [(value: unknown) => boolean, string]> = {
  dropNext: [isCount, 'must be a whole number, 0 or more'],
  dropFraction: [isFraction, 'must be a number from 0 to 1'],
  duplicateNext: [isCount, 'must be a whole number, 0 or more'],
  delayMs: [isCount, 'must be a whole number of milliseconds, 0 or more'],
  duplicateFraction: [isFraction, 'must be a number from 0 to 1'],
  cutEvery: [isCount, 'must be a whole number, 0 or more'],
  rejectNext: [isCount, 'must be a whole number, 0 or more'],
  rejectFraction: [isFraction, 'must be a number from 0 to 1'],
  rejectOperation: [
    (value) => value === '' || REJECTABLE.some((name) => name === value),
    `must be empty or one of ${REJECTABLE.join(', ')}`,
  ],
  rejectStatus: [
    (value) => isCount(value) && Number(value) >= 400 && Number(value) <= 599,
    'must be a status from 400 to 599',
  ],
  rejectRetryAfterSeconds: [isCount, 'must be a whole number of seconds, 0 or more'],
  refuseRecovery: [(value) => typeof value === 'boolean', 'must be true or false'],
  seed: [isCount, 'must be a whole number, 0 or more'],
};

/**
 * Answers a request for faults. Beside the fields of the plan, `clear: true` starts from health, `advanceMs` moves the
 * clock on, `cut: true` resets every client's TCP connection and `kill: true` ends the process, in this order, whatever
 * the order in the body.
 * @throws ServiceError 400 naming the field, 403 from another machine, 405 for another verb
 */
export async function answerFaults(faults: Faults, request: IncomingMessage): Promise<OperationAnswer> {
  const isLocal = /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '');
  if (!isLocal || request.headers.origin !== undefined) {
    throw new ServiceError(403, 'Forbidden', 'Faults are only for programs on this machine.');
  }
  if (request.method === 'POST') {
    const { clear, cut, kill, advanceMs, ...change } = await readChange(request);
    if (clear) faults.clear();
    faults.set(change);
    if (advanceMs !== undefined) faults.advanceClock(advanceMs);
    if (cut) faults.cut();
    if (kill) faults.kill();
  } else if (request.method === 'DELETE') {
    faults.clear();
  } else if (request.method !== 'GET') {
    const headers = { allow: 'GET, POST, DELETE' };
    throw new ServiceError(405, 'MethodNotAllowed', 'Use GET, POST or DELETE.', { headers });
  }
  return { status: 200, body: { plan: faults.plan, counts: faults.counts } };
}

/** A change of the plan, and what happens at once. */
type FaultRequest = Partial<FaultPlan> & { clear?: boolean; cut?: boolean; kill?: boolean; advanceMs?: number };

async function readChange(request: IncomingMessage): Promise<FaultRequest> {
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
    if (field === 'advanceMs') {
      if (!isCount(value)) throw badRequest(field, 'advanceMs must be a whole number of milliseconds, 0 or more.');
      continue;
    }
    if (field === 'clear' || field === 'cut' || field === 'kill') {
      if (typeof value !== 'boolean') throw badRequest(field, `${field} must be true or false.`);
      continue;
    }
    const known = Object.keys(rules).includes(field) ? rules[field as keyof FaultPlan] : undefined;
    if (!known) {
      throw badRequest(
        field,
        `There is no fault '${field}', only: clear, advanceMs, cut, kill, ${Object.keys(rules).join(', ')}.`,
      );
    }
    const [holds, rule] = known;
    if (!holds(value)) throw badRequest(field, `${field} ${rule}.`);
  }
  return body;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
