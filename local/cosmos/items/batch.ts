/** Several operations in one request: a transactional batch is all or nothing, a bulk request is one by one. */
import type { PartitionRange } from '../containers/partition-ranges.ts';
import { badRequest, CosmosError, SUB_STATUS } from '../cosmos-error.ts';
import { isJsonObject, property, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import {
  createItem,
  deleteItem,
  patchItem,
  readItem,
  replaceItem,
  upsertItem,
  type OperationContext,
  type OperationResult,
} from './item-operations.ts';
import type { KeyComponent } from './partition-hash.ts';
import { hashOfKeyText, keyOfHeader, keyText } from './partition-key.ts';
import { readPatch } from './patch.ts';
import { SMALL_RU } from './request-charge.ts';

/** Operations of one request (service limit). */
const BATCH_OPERATIONS_MAX = 100;
/** Bytes of a transactional batch (service limit: 2 MB). */
export const BATCH_BYTES_MAX = 2 * 1024 * 1024;

const OPERATION_TYPES = ['Create', 'Upsert', 'Read', 'Delete', 'Replace', 'Patch'] as const;

interface BatchOperation {
  type: (typeof OPERATION_TYPES)[number];
  id: string | undefined;
  body: Value;
  ifMatch: string | undefined;
  ifNoneMatch: string | undefined;
  partitionKey: string | undefined;
}

/** The outcome of one operation as it stands in the answer. */
type BatchResult = JsonObject;

/** What a batch works with. */
export interface BatchContext extends OperationContext {
  satisfies: (condition: string, document: JsonObject) => boolean;
  /** Runs work that is undone when it throws. */
  transaction: <T>(work: () => T) => T;
  /** Leave the items out of the answer. */
  minimal: boolean;
  /** The physical partition that the client sent a bulk request to. */
  range?: PartitionRange;
}

/** The answer of a batch: 200, or 207 when an operation failed. */
export interface BatchAnswer {
  status: 200 | 207;
  results: BatchResult[];
  charge: number;
}

/**
 * Reads the operations of a request.
 * @throws 400 naming the operation and the rule
 */
export function readOperations(body: JsonValue): BatchOperation[] {
  if (!Array.isArray(body)) throw badRequest('The body of a batch must be an array of operations.');
  if (body.length === 0) throw badRequest('Batch request has no operations.');
  if (body.length > BATCH_OPERATIONS_MAX)
    throw badRequest(
      `Batch request has more operations than what is supported: ${body.length}, at most ${BATCH_OPERATIONS_MAX}.`,
    );
  return body.map((operation, index) => {
    const text = (name: string): string | undefined => {
      const value = property(operation, name);
      if (value !== undefined && value !== null && typeof value !== 'string')
        throw badRequest(`Batch operation ${index}: ${name} must be a string.`);
      return value ?? undefined;
    };
    const type = OPERATION_TYPES.find((known) => known === property(operation, 'operationType'));
    if (type === undefined)
      throw badRequest(
        `Batch operation ${index}: operationType ${JSON.stringify(property(operation, 'operationType') ?? null)} must be one of ${OPERATION_TYPES.join(', ')}.`,
      );
    const id = text('id');
    if (id === undefined && type !== 'Create' && type !== 'Upsert')
      throw badRequest(`Batch operation ${index}: ${type} needs an id.`);
    const content = property(operation, 'resourceBody');
    if (type !== 'Read' && type !== 'Delete' && !isJsonObject(content) && !Array.isArray(content))
      throw badRequest(`Batch operation ${index}: ${type} needs a resourceBody.`);
    return {
      type,
      id,
      body: content,
      ifMatch: text('ifMatch'),
      ifNoneMatch: text('ifNoneMatch'),
      partitionKey: text('partitionKey'),
    };
  });
}

/** Runs a transactional batch: the first operation that fails undoes all, and the others answer 424. */
export function runTransactionalBatch(context: BatchContext, operations: BatchOperation[]): BatchAnswer {
  const results: BatchResult[] = [];
  let charge = 0;
  try {
    return context.transaction(() => {
      for (const operation of operations) {
        const result = runOperation(context, operation);
        charge += result.charge;
        results.push(describe(result, context.minimal));
      }
      return { status: 200, results, charge };
    });
  } catch (error) {
    if (!(error instanceof CosmosError)) throw error;
    const failed = results.length;
    return {
      status: 207,
      results: operations.map((_, index) =>
        index === failed ? describeError(error) : { statusCode: 424, requestCharge: 0 },
      ),
      charge: charge + SMALL_RU,
    };
  }
}

/** Runs a bulk request: each operation succeeds or fails for itself, under its own partition key. */
export function runBulk(context: BatchContext, operations: BatchOperation[], continueOnError: boolean): BatchAnswer {
  let charge = 0;
  let failed = false;
  const results = operations.map((operation) => {
    if (failed && !continueOnError) return { statusCode: 424, requestCharge: 0 };
    try {
      const key =
        operation.partitionKey === undefined
          ? context.key
          : keyOfHeader(operation.partitionKey, context.container.keyPaths.length);
      if (context.range) checkRange(key, context.range);
      const result = context.transaction(() => runOperation({ ...context, key }, operation));
      charge += result.charge;
      return describe(result, context.minimal);
    } catch (error) {
      if (!(error instanceof CosmosError)) throw error;
      failed = true;
      charge += SMALL_RU;
      return describeError(error);
    }
  });
  return { status: failed ? 207 : 200, results, charge };
}

/** A client that hashes keys as the service does never sends an operation to another partition. */
function checkRange(key: KeyComponent[], { id, min, max }: PartitionRange): void {
  const hash = hashOfKeyText(keyText(key));
  if (hash < min || hash >= max)
    throw new CosmosError(
      410,
      `The partition key ${keyText(key)} does not belong to the partition key range '${id}'.`,
      {
        subStatus: SUB_STATUS.partitionKeyRangeGone,
      },
    );
}

function runOperation(
  context: BatchContext,
  { type, id = '', body, ifMatch, ifNoneMatch }: BatchOperation,
): OperationResult {
  const conditions = { ifMatch, ifNoneMatch };
  switch (type) {
    case 'Create':
      return createItem(context, body);
    case 'Upsert':
      return upsertItem(context, body, conditions);
    case 'Read':
      return readItem(context, id, conditions);
    case 'Delete':
      return deleteItem(context, id, conditions);
    case 'Replace':
      return replaceItem(context, id, body, conditions);
    case 'Patch':
      return patchItem(context, id, readPatch(body), conditions, context.satisfies);
  }
}

function describe({ status, text, etag, charge }: OperationResult, minimal: boolean): BatchResult {
  return {
    statusCode: status,
    requestCharge: charge,
    ...(etag === undefined ? {} : { eTag: etag }),
    ...(text === undefined || minimal ? {} : { resourceBody: JSON.parse(text) as JsonObject }),
  };
}

function describeError({ status, message, details }: CosmosError): BatchResult {
  return {
    statusCode: status,
    ...(details.subStatus === undefined ? {} : { subStatusCode: details.subStatus }),
    requestCharge: SMALL_RU,
    message,
  };
}
