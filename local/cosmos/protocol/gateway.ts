/** One request in, one answer out, synchronously: authorisation, dispatch, and errors as the service words them. */
import { randomUUID, type KeyObject } from 'node:crypto';
import { CosmosError, notImplemented } from '../cosmos-error.ts';
import { asUnavailable } from '../database-file.ts';
import { SMALL_RU } from '../items/request-charge.ts';
import { checkAuthorization } from './authorization.ts';
import { operateOnChangeFeed } from './change-feed.ts';
import { classify, pathSegmentsOf, type Operation } from './classify.ts';
import {
  operateOnContainers,
  operateOnDatabases,
  operateOnOffers,
  readAccount,
  readPartitionRanges,
} from './definition-operations.ts';
import type { Answer, Engine } from './engine.ts';
import { operateOnFunctions } from './function-operations.ts';
import { operateOnBatch, operateOnItem, operateOnPartition } from './item-requests.ts';
import type { CosmosRequest, CosmosResponse, OperationKind } from './message.ts';
import { operateOnQuery } from './query-operations.ts';
import { operateOnQueryPlan } from './query-plan-request.ts';

type Operate = (engine: Engine, operation: Operation, request: CosmosRequest) => Answer;

const OPERATIONS: Record<OperationKind, Operate> = {
  account: (engine, _, request) => readAccount(engine, request),
  database: operateOnDatabases,
  container: operateOnContainers,
  offer: operateOnOffers,
  'partition-key-ranges': readPartitionRanges,
  create: operateOnItem,
  upsert: operateOnItem,
  replace: operateOnItem,
  read: operateOnItem,
  delete: operateOnItem,
  patch: operateOnItem,
  batch: operateOnBatch,
  bulk: operateOnBatch,
  query: operateOnQuery,
  'query-plan': operateOnQueryPlan,
  'read-feed': operateOnQuery,
  'change-feed': operateOnChangeFeed,
  'delete-partition': operateOnPartition,
  function: operateOnFunctions,
};

/** Headers that ask for what this stand-in does not have: ignoring them would be a silent difference. */
const UNSUPPORTED_HEADERS: Record<string, string> = {
  'x-ms-documentdb-pre-trigger-include': 'Triggers',
  'x-ms-documentdb-post-trigger-include': 'Triggers',
  'x-ms-indexing-directive': 'An indexing directive for a single item',
  'x-ms-cosmos-is-client-encrypted': 'Client-side encryption',
};

/** What the service has below an account, a database or a container, and this stand-in has not. */
const UNSUPPORTED_RESOURCES: Record<string, string> = {
  sprocs: 'stored procedures',
  triggers: 'triggers',
  conflicts: 'the conflict feed',
  users: 'users and permissions',
  permissions: 'users and permissions',
  attachments: 'attachments',
  clientencryptionkeys: 'client encryption keys',
};

function unsupportedResource(path: string): string {
  const name = pathSegmentsOf(path).findLast((segment) => Object.hasOwn(UNSUPPORTED_RESOURCES, segment));
  return name === undefined ? '' : ` (${UNSUPPORTED_RESOURCES[name]})`;
}

/** Answers a request; never throws. `log` gets what should not happen. */
export function handle(
  engine: Engine,
  key: KeyObject,
  request: CosmosRequest,
  log: (line: string) => void,
): CosmosResponse {
  const activityId = randomUUID();
  try {
    checkAuthorization(
      {
        method: request.method,
        segments: pathSegmentsOf(request.path),
        authorization: request.headers['authorization'],
        date: request.headers['x-ms-date'] ?? request.headers['date'],
      },
      key,
    );
    const operation = classify(request);
    if (!operation)
      throw notImplemented(`The operation ${request.method} ${request.path}${unsupportedResource(request.path)}`);
    for (const [header, what] of Object.entries(UNSUPPORTED_HEADERS))
      if (request.headers[header] !== undefined) throw notImplemented(`${what} (${header})`);
    return respond(OPERATIONS[operation.kind](engine, operation, request), activityId);
  } catch (error) {
    return respondToError(error, log, activityId);
  }
}

function respond({ status, body = '', headers, charge, container }: Answer, activityId: string): CosmosResponse {
  return {
    status,
    headers: {
      ...commonHeaders(activityId, charge),
      ...(container === undefined ? {} : { 'x-ms-session-token': `0:-1#${container.lsn}`, lsn: String(container.lsn) }),
      ...headers,
    },
    body,
  };
}

/** The answer to an error; what is not a refusal of ours becomes 500, or 503 when SQLite could not write. */
export function respondToError(
  error: unknown,
  log: (line: string) => void,
  activityId: string = randomUUID(),
): CosmosResponse {
  const refusal = toRefusal(error);
  if (refusal.status >= 500) log(`${refusal.status} ${refusal.message} (activity ${activityId})`);
  return {
    status: refusal.status,
    headers: {
      ...commonHeaders(activityId, SMALL_RU),
      ...(refusal.details.subStatus === undefined ? {} : { 'x-ms-substatus': String(refusal.details.subStatus) }),
      ...refusal.details.headers,
    },
    body: refusal.body(activityId),
  };
}

function toRefusal(error: unknown): CosmosError {
  if (error instanceof CosmosError) return error;
  const unavailable = asUnavailable(error);
  if (unavailable) return unavailable;
  // The call stack ends: an expression of too many operators.
  if (Error.isError(error) && error.name === 'RangeError') return new CosmosError(400, 'The query is too complex.');
  return new CosmosError(500, `The local Cosmos DB failed: ${Error.isError(error) ? error.message : String(error)}.`);
}

function commonHeaders(activityId: string, charge: number): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-ms-activity-id': activityId,
    'x-ms-request-charge': String(charge),
    'x-ms-gatewayversion': 'version=2.14.0',
    'x-ms-version': '2020-07-15',
  };
}
