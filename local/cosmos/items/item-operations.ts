/** Point operations on items: create, upsert, replace, read, delete, patch. The caller provides the transaction. */
import type { Container } from '../containers/container.ts';
import { checkTimeToLive } from '../containers/container-definition.ts';
import { badRequest, CosmosError, SUB_STATUS } from '../cosmos-error.ts';
import type { JsonObject, Value } from '../json-value.ts';
import { checkDocument, type CheckedDocument } from './item-document.ts';
import { DuplicateItem, type StoredItem } from './items-table.ts';
import { hashOfKeyText, keyOfDocument, keyText } from './partition-key.ts';
import type { KeyComponent } from './partition-hash.ts';
import { applyPatch, type Patch } from './patch.ts';
import { createCharge, patchCharge, readCharge, replaceCharge, SMALL_RU } from './request-charge.ts';

/** Conditions on the etag. */
export interface Conditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
}

/** Where and when an operation works. */
export interface OperationContext {
  container: Container;
  /** The partition key that the request names. */
  key: KeyComponent[];
  nowMs: number;
}

/** The outcome of an operation that was not refused. */
export interface OperationResult {
  status: 200 | 201 | 204 | 304;
  /** JSON text of the item. */
  text?: string;
  etag?: string;
  charge: number;
}

const PRECONDITION_FAILED = 'Operation cannot be performed because one of the specified precondition is not met.';

/** @throws 409 when the id or a unique key is taken; 400 and 413 for a document that cannot be */
export function createItem(context: OperationContext, value: Value): OperationResult {
  return insert(context, checkDocument(value));
}

/** @throws 412 when the item there does not satisfy the conditions; else as create */
export function upsertItem(context: OperationContext, value: Value, conditions: Conditions): OperationResult {
  const checked = checkDocument(value);
  const existing = find(context, checked.id);
  if (!existing) return insert(context, checked);
  checkConditions(context, existing, conditions);
  return overwrite(context, existing, checked, (terms) => replaceCharge(checked.bytes, terms));
}

/** @throws 404 when there is no such item; 412 when it does not satisfy the conditions; else as create */
export function replaceItem(
  context: OperationContext,
  id: string,
  value: Value,
  conditions: Conditions,
): OperationResult {
  const checked = checkDocument(value);
  if (checked.id !== id)
    throw badRequest(
      `The id '${checked.id}' of the item differs from the id '${id}' that the request names; an id cannot be changed.`,
    );
  const existing = require(context, id);
  checkConditions(context, existing, conditions);
  return overwrite(context, existing, checked, (terms) => replaceCharge(checked.bytes, terms));
}

/** @throws 404 when there is no such item */
export function readItem(context: OperationContext, id: string, { ifNoneMatch }: Conditions): OperationResult {
  const item = require(context, id);
  const etag = context.container.etagOf(item);
  if (ifNoneMatch !== undefined && (ifNoneMatch === etag || ifNoneMatch === '*'))
    return { status: 304, etag, charge: SMALL_RU };
  return { status: 200, text: context.container.textOf(item), etag, charge: readCharge(Buffer.byteLength(item.body)) };
}

/** @throws 404 when there is no such item; 412 when it does not satisfy the conditions */
export function deleteItem(context: OperationContext, id: string, conditions: Conditions): OperationResult {
  const item = require(context, id);
  checkConditions(context, item, conditions);
  context.container.items.remove(item.rid);
  // A delete is a write for the session, although the feed of latest versions does not show it.
  context.container.nextLsn();
  const terms = context.container.policy.countTerms(JSON.parse(item.body) as JsonObject);
  return { status: 204, charge: createCharge(Buffer.byteLength(item.body), terms) };
}

/**
 * Applies a partial update.
 * @param satisfies tests the patch's condition
 * @throws 404, 412 (also when the condition is not satisfied), 400 for an operation that cannot be applied
 */
export function patchItem(
  context: OperationContext,
  id: string,
  patch: Patch,
  conditions: Conditions,
  satisfies: (condition: string, document: JsonObject) => boolean,
): OperationResult {
  const { container } = context;
  const existing = require(context, id);
  checkConditions(context, existing, conditions);
  const before = JSON.parse(existing.body) as JsonObject;
  if (
    patch.condition !== undefined &&
    !satisfies(patch.condition, { ...before, ...container.systemProperties(existing) })
  )
    throw new CosmosError(412, PRECONDITION_FAILED);
  const checked = checkDocument(applyPatch(before, patch));
  if (keyText(keyOfDocument(checked.document, container.keyPaths)) !== existing.pk)
    throw badRequest('The partition key of an item cannot be patched.');
  return overwrite(context, existing, checked, (terms) => patchCharge(checked.bytes, terms, patch.operations.length));
}

/**
 * Deletes every item of the key.
 * @returns how many there were
 */
export function deletePartition({ container, key }: OperationContext): number {
  container.nextLsn();
  return container.items.removePartition(keyText(key));
}

function find({ container, key, nowMs }: OperationContext, id: string): StoredItem | undefined {
  return container.items.find(keyText(key), id, seconds(nowMs));
}

function require(context: OperationContext, id: string): StoredItem {
  const item = find(context, id);
  if (!item)
    throw new CosmosError(
      404,
      `Entity with the specified id does not exist in the system: the item '${id}' with the partition key ${keyText(context.key)}.`,
    );
  return item;
}

function checkConditions(
  { container }: OperationContext,
  item: StoredItem,
  { ifMatch, ifNoneMatch }: Conditions,
): void {
  const etag = container.etagOf(item);
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== etag) throw new CosmosError(412, PRECONDITION_FAILED);
  if (ifNoneMatch !== undefined && (ifNoneMatch === '*' || ifNoneMatch === etag))
    throw new CosmosError(412, PRECONDITION_FAILED);
}

function insert(context: OperationContext, checked: CheckedDocument): OperationResult {
  const { container, nowMs } = context;
  const lsn = container.nextLsn();
  const item = stored(context, checked, lsn, lsn);
  write(checked.id, () => container.items.insert(item, checked.document, seconds(nowMs)));
  return done(container, item, 201, createCharge(checked.bytes, container.policy.countTerms(checked.document)));
}

function overwrite(
  context: OperationContext,
  existing: StoredItem,
  checked: CheckedDocument,
  charge: (terms: number) => number,
): OperationResult {
  const { container, nowMs } = context;
  const item = stored(context, checked, existing.rid, container.nextLsn());
  write(checked.id, () => container.items.update(item, checked.document, seconds(nowMs)));
  return done(container, item, 200, charge(container.policy.countTerms(checked.document)));
}

function stored(
  { container, key, nowMs }: OperationContext,
  { document, id, body }: CheckedDocument,
  rid: number,
  lsn: number,
): StoredItem {
  const pk = keyText(keyOfDocument(document, container.keyPaths));
  if (pk !== keyText(key))
    throw badRequest(
      `PartitionKey extracted from document doesn't match the one specified in the header: ${pk} in the document, ${keyText(key)} in the header.`,
      SUB_STATUS.partitionKeyMismatch,
    );
  const ttl = checkTimeToLive(document['ttl'], 'ttl');
  const ts = seconds(nowMs);
  const life = container.defaultTtl === undefined ? -1 : (ttl ?? container.defaultTtl);
  return {
    rid,
    pk,
    id,
    epk: hashOfKeyText(pk),
    lsn,
    ts,
    expires: life === -1 ? null : ts + life,
    ttl: ttl ?? null,
    body,
  };
}

function write(id: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof DuplicateItem)
      throw new CosmosError(
        409,
        `Entity with the specified id already exists in the system: the item '${id}', or one with the same unique key.`,
      );
    throw error;
  }
}

function done(container: Container, item: StoredItem, status: 200 | 201, charge: number): OperationResult {
  return { status, text: container.textOf(item), etag: container.etagOf(item), charge };
}

function seconds(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
