/** Query requests: which items they cover, which index they walk, and a page of rows out. */
import { rangeById } from '../containers/partition-ranges.ts';
import type { Container } from '../containers/container.ts';
import { badRequest, CosmosError, SUB_STATUS } from '../cosmos-error.ts';
import type { SqlValue } from '../database-file.ts';
import { parseJson } from '../items/item-document.ts';
import { keyOfHeader, keyText, prefixRange } from '../items/partition-key.ts';
import { feedCharge, queryCharge } from '../items/request-charge.ts';
import { property, type JsonObject, type Value } from '../json-value.ts';
import { checkOrderBy } from '../sql/order-by-index.ts';
import { parseQuery } from '../sql/parse.ts';
import { queryScope, runQuery, type QueryInput, type SourceItem } from '../sql/run-query.ts';
import { planScan, type ScanPlan } from '../sql/scan-plan.ts';
import { needsMerge, planQuery } from '../sql/query-plan.ts';
import { compileRows } from '../sql/select.ts';
import type { Query } from '../sql/syntax.ts';
import type { Operation } from './classify.ts';
import type { Answer, Engine } from './engine.ts';
import { isTrue, type CosmosRequest, type Headers } from './message.ts';

/** Rows of a page when the client does not say (as in the service), and at most. */
const PAGE_ROWS = 100;

/** Stands for the one row of a query without FROM. */
const NO_ITEM: SourceItem = { rid: 0, document: {}, text: () => '{}' };

/** A query as a client sends it. */
export interface QuerySpec {
  text: string;
  parameters: Map<string, Value>;
}

/** The items that a request covers. */
export interface Coverage {
  conditions: string[];
  values: SqlValue[];
  /** True when they all have the same partition key. */
  onePartition: boolean;
  /** True when the request names no partition at all. */
  everywhere: boolean;
}

/**
 * Reads the body of a query.
 * @throws 400 naming the field
 */
export function readQuerySpec({ body }: CosmosRequest): QuerySpec {
  const spec = parseJson(body, 'the query');
  const text = property(spec, 'query');
  if (typeof text !== 'string') throw badRequest('The body of a query must have a string "query".');
  const parameters = new Map<string, Value>();
  const list = property(spec, 'parameters') ?? [];
  if (!Array.isArray(list)) throw badRequest('The "parameters" of a query must be an array.');
  for (const parameter of list) {
    const name = property(parameter, 'name');
    if (typeof name !== 'string' || !name.startsWith('@'))
      throw badRequest("The name of a query's parameter must be a string that starts with '@'.");
    parameters.set(name, property(parameter, 'value'));
  }
  return { text, parameters };
}

/** Which items a request covers: one key, a prefix of hierarchical keys, a range of hashes, or all. */
export function coverage({ ranges }: Engine, container: Container, headers: Headers): Coverage {
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  const header = headers['x-ms-documentdb-partitionkey'];
  const key = header === undefined ? [] : keyOfHeader(header, container.keyPaths.length);
  const onePartition = key.length > 0 && key.length === container.keyPaths.length;
  if (onePartition) {
    conditions.push('pk = ?');
    values.push(keyText(key));
  } else if (key.length > 0) {
    const { from, to } = prefixRange(key);
    conditions.push('pk >= ? AND pk < ?');
    values.push(from, to);
  }
  const rangeId = key.length > 0 ? undefined : headers['x-ms-documentdb-partitionkeyrangeid'];
  if (rangeId !== undefined) {
    const { min, max } = rangeById(ranges, rangeId);
    conditions.push('epk >= ? AND epk < ?');
    values.push(min, max);
  }
  const [start, end] = [headers['x-ms-start-epk'], headers['x-ms-end-epk']];
  if (start !== undefined && end !== undefined) {
    conditions.push('epk >= ? AND epk < ?');
    values.push(start.toUpperCase(), end.toUpperCase());
  }
  return { conditions, values, onePartition, everywhere: key.length === 0 && rangeId === undefined };
}

/** A page of a query over a container's items, or of all items for a read feed. */
export function operateOnQuery(engine: Engine, operation: Operation, request: CosmosRequest): Answer {
  const container = engine.account.container(operation.database ?? '', operation.container ?? '');
  const isFeed = operation.kind === 'read-feed';
  const { text, parameters } = isFeed
    ? { text: 'SELECT * FROM c', parameters: new Map<string, Value>() }
    : readQuerySpec(request);
  const query = parseQuery(text);
  checkOrderBy(query, container.policy);
  const nowMs = engine.now();
  const covered = coverage(engine, container, request.headers);
  if (covered.everywhere && !isFeed) checkCrossPartition(query, parameters, request.headers);
  const target = { table: container.items.name, layout: container.items.layout, ...covered };
  const plan = planScan(query, target, { parameters });
  const page = runQuery({
    query,
    parameters,
    nowMs,
    userFunction: (id) => container.functions.callable(id),
    plan,
    // Without FROM there is one row, and nothing to read.
    scan: query.from.length === 0 ? () => [NO_ITEM] : (walk, behind) => scanItems(container, walk, behind, nowMs),
    continuation: request.headers['x-ms-continuation'],
    maxRows: pageRows(request.headers),
  });
  const charge = isFeed
    ? feedCharge(page.rows.length, page.bytes)
    : queryCharge(page.scanned, page.rows.length, page.bytes);
  return {
    status: 200,
    body: `{"_rid":"${container.rid}","Documents":[${page.rows.join(',')}],"_count":${page.rows.length}}`,
    headers: {
      'x-ms-item-count': String(page.rows.length),
      ...(page.continuation === undefined ? {} : { 'x-ms-continuation': page.continuation }),
    },
    charge,
    container,
  };
}

/**
 * A query that must be merged is refused the way that makes clients ask each partition for itself. Some fetch the plan
 * then, as the JavaScript SDK does, others take it from the refusal.
 */
function checkCrossPartition(query: Query, parameters: ReadonlyMap<string, Value>, headers: Headers): void {
  if (!isTrue(headers['x-ms-documentdb-query-enablecrosspartition']))
    throw badRequest(
      'Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.',
    );
  if (!needsMerge(query)) return;
  throw new CosmosError(
    400,
    'The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully.',
    {
      subStatus: SUB_STATUS.crossPartitionQueryNotServable,
      additionalErrorInfo: JSON.stringify(planQuery(query, parameters)),
    },
  );
}

function* scanItems(
  container: Container,
  plan: ScanPlan,
  behind: { sql: string; values: SqlValue[] } | undefined,
  nowMs: number,
): Generator<SourceItem> {
  const conditions = [...plan.conditions, '(expires IS NULL OR expires > ?)', ...(behind ? [behind.sql] : [])];
  const direction = plan.descending ? 'DESC' : 'ASC';
  const order = `${plan.column ? `${plan.column.name} ${direction}, ` : ''}rid ${direction}`;
  const values = [...plan.values, Math.floor(nowMs / 1000), ...(behind?.values ?? [])];
  for (const item of container.items.scan(conditions.join(' AND '), order, values)) {
    const document = Object.assign(JSON.parse(item.body) as JsonObject, container.systemProperties(item));
    // Most items are only looked at: the text is made for those that are answered whole.
    yield { rid: item.rid, document, text: () => container.textOf(item) };
  }
}

/** Rows that the client wants in a page. @throws 400 */
export function pageRows(headers: Headers): number {
  const header = headers['x-ms-max-item-count'];
  if (header === undefined) return PAGE_ROWS;
  const count = Number(header);
  if (!Number.isInteger(count) || count === 0 || count < -1)
    throw badRequest(`The header x-ms-max-item-count '${header}' must be -1 or a positive whole number.`);
  return count === -1 ? Number.POSITIVE_INFINITY : count;
}

/** Runs a query over definitions (databases, containers, offers): few enough for one page. */
export function queryDefinitions(engine: Engine, request: CosmosRequest, resources: JsonObject[]): JsonObject[] {
  const { text, parameters } = readQuerySpec(request);
  const items = resources.map((document, index) => ({
    rid: index + 1,
    document,
    text: () => JSON.stringify(document),
  }));
  const plan: ScanPlan = { conditions: [], values: [], descending: false, ordered: false };
  const input: QueryInput = {
    query: parseQuery(text),
    parameters,
    nowMs: engine.now(),
    plan,
    scan: () => items,
    continuation: undefined,
    maxRows: Number.POSITIVE_INFINITY,
  };
  return runQuery(input).rows.map((row) => JSON.parse(row) as JsonObject);
}

/** Tests the condition of a patch (`FROM c WHERE …`) on a document. @throws 400 when it cannot be read */
export function satisfies(condition: string, document: JsonObject, nowMs: number): boolean {
  const query = parseQuery(`SELECT * ${condition}`);
  let satisfied = false;
  compileRows(query, queryScope(new Map(), nowMs), 0).forEach([document], () => (satisfied = true));
  return satisfied;
}
