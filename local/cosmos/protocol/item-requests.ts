/** Requests on single items and batches: headers in, answer out. */
import { rangeById } from '../containers/partition-ranges.ts';
import { badRequest, CosmosError, notImplemented } from '../cosmos-error.ts';
import { BATCH_BYTES_MAX, readOperations, runBulk, runTransactionalBatch, type BatchContext } from '../items/batch.ts';
import { parseJson } from '../items/item-document.ts';
import {
  createItem,
  deleteItem,
  deletePartition,
  patchItem,
  readItem,
  replaceItem,
  upsertItem,
  type OperationContext,
  type OperationResult,
} from '../items/item-operations.ts';
import { keyOfHeader } from '../items/partition-key.ts';
import { readPatch } from '../items/patch.ts';
import { SMALL_RU } from '../items/request-charge.ts';
import type { JsonValue } from '../json-value.ts';
import type { Operation } from './classify.ts';
import { transaction, type Answer, type Engine } from './engine.ts';
import type { CosmosRequest, OperationKind } from './message.ts';
import { satisfies } from './query-operations.ts';

/** Create, upsert, replace, read, delete and patch. */
export function operateOnItem(engine: Engine, operation: Operation, request: CosmosRequest): Answer {
  const context = operationContext(engine, operation, request.headers['x-ms-documentdb-partitionkey']);
  const result =
    operation.kind === 'read'
      ? readItem(context, operation.item ?? '', conditions(request))
      : transaction(engine, context.container, () => write(context, operation, request));
  return {
    status: result.status,
    ...(result.text === undefined ? {} : { body: result.text }),
    headers: result.etag === undefined ? {} : { etag: result.etag },
    charge: result.charge,
    container: context.container,
  };
}

type Write = (context: OperationContext, item: string, request: CosmosRequest) => OperationResult;

const WRITES: Partial<Record<OperationKind, Write>> = {
  create: (context, _, request) => createItem(context, documentOf(request)),
  upsert: (context, _, request) => upsertItem(context, documentOf(request), conditions(request)),
  replace: (context, item, request) => replaceItem(context, item, documentOf(request), conditions(request)),
  delete: (context, item, request) => deleteItem(context, item, conditions(request)),
  patch: (context, item, request) =>
    patchItem(context, item, readPatch(documentOf(request)), conditions(request), (condition, document) =>
      satisfies(condition, document, context.nowMs),
    ),
};

function write(context: OperationContext, { kind, item = '' }: Operation, request: CosmosRequest): OperationResult {
  const work = WRITES[kind];
  if (!work) throw notImplemented(`The operation ${kind}`);
  return work(context, item, request);
}

function documentOf({ body }: CosmosRequest): JsonValue {
  return parseJson(body, 'the request');
}

/** A transactional batch or a bulk request. */
export function operateOnBatch(engine: Engine, operation: Operation, request: CosmosRequest): Answer {
  const { now } = engine;
  const isBatch = operation.kind === 'batch';
  if (Buffer.byteLength(request.body) > BATCH_BYTES_MAX)
    throw new CosmosError(
      413,
      `Request size is too large: the batch has ${Buffer.byteLength(request.body)} bytes, at most ${BATCH_BYTES_MAX} are allowed.`,
    );
  const header = request.headers['x-ms-documentdb-partitionkey'];
  const { container, key, nowMs } = isBatch
    ? operationContext(engine, operation, header)
    : {
        container: engine.account.container(operation.database ?? '', operation.container ?? ''),
        key: [],
        nowMs: now(),
      };
  const context: BatchContext = {
    container,
    key,
    nowMs,
    satisfies: (condition, document) => satisfies(condition, document, nowMs),
    transaction: (work) => transaction(engine, container, work),
    minimal: request.headers['prefer']?.toLowerCase() === 'return=minimal',
  };
  if (!/^\s*[[{]/.test(request.body))
    throw notImplemented('A batch in the binary form (HybridRow) of the .NET and Java clients (JSON is)');
  const rangeId = isBatch ? undefined : request.headers['x-ms-documentdb-partitionkeyrangeid'];
  if (rangeId !== undefined) context.range = rangeById(engine.ranges, rangeId);
  const operations = readOperations(parseJson(request.body, 'the batch'));
  const continueOnError = !isBatch && request.headers['x-ms-cosmos-batch-continue-on-error']?.toLowerCase() !== 'false';
  const { status, results, charge } = isBatch
    ? runTransactionalBatch(context, operations)
    : engine.file.transaction(() => runBulk(context, operations, continueOnError));
  return {
    status,
    body: JSON.stringify(results),
    headers: { 'x-ms-item-count': String(results.length) },
    charge,
    container,
  };
}

/** Deletes all items of a partition key. */
export function operateOnPartition(engine: Engine, operation: Operation, request: CosmosRequest): Answer {
  const context = operationContext(engine, operation, request.headers['x-ms-documentdb-partitionkey']);
  transaction(engine, context.container, () => deletePartition(context));
  return { status: 200, body: '', charge: SMALL_RU, container: context.container };
}

function operationContext(
  { account, now }: Engine,
  { database = '', container: id = '' }: Operation,
  keyHeader: string | undefined,
): OperationContext {
  const container = account.container(database, id);
  if (keyHeader === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const key = keyOfHeader(keyHeader, container.keyPaths.length);
  if (key.length < container.keyPaths.length)
    throw badRequest(
      `The partition key has ${key.length} value(s), but this operation needs all ${container.keyPaths.length} of the container.`,
    );
  return { container, key, nowMs: now() };
}

function conditions({ headers }: CosmosRequest): { ifMatch: string | undefined; ifNoneMatch: string | undefined } {
  return { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] };
}
