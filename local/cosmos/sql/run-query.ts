/** Runs a query page by page. */
import { badRequest } from '../cosmos-error.ts';
import type { SqlValue } from '../database-file.ts';
import { indexTerm } from '../items/index-term.ts';
import { valueAt } from '../items/partition-key.ts';
import type { JsonObject, Value } from '../json-value.ts';
import { compile, parameter, type Evaluate, type Row, type Scope } from './compile.ts';
import { readContinuation, writeContinuation, type Position } from './continuation.ts';
import { canonicalText, compareStrings } from './order.ts';
import { printQuery } from './print.ts';
import type { ScanPlan } from './scan-plan.ts';
import {
  compileGrouping,
  compileRows,
  compileSelection,
  compileSubquery,
  isGrouped,
  type RowSource,
} from './select.ts';
import type { Expression, Query } from './syntax.ts';

/** An item under a query. */
export interface SourceItem {
  rid: number;
  document: JsonObject;
  /** Its JSON text, for SELECT *. */
  text: () => string;
}

/** Walks the items as planned, behind a position. */
type Scan = (plan: ScanPlan, behind: { sql: string; values: SqlValue[] } | undefined) => Iterable<SourceItem>;

export interface QueryInput {
  query: Query;
  parameters: ReadonlyMap<string, Value>;
  nowMs: number;
  /** See Scope; absent = there are none. */
  userFunction?: Scope['userFunction'];
  plan: ScanPlan;
  scan: Scan;
  continuation: string | undefined;
  /** Rows of a page at most. */
  maxRows: number;
}

export interface QueryPage {
  /** JSON texts. */
  rows: string[];
  continuation?: string;
  scanned: number;
  bytes: number;
}

/** Bytes of a page (service limit: 4 MB). */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** The scope of an outermost query: its document is in slot 0. */
export function queryScope(
  parameters: ReadonlyMap<string, Value>,
  nowMs: number,
  userFunction: Scope['userFunction'] = noUserFunction,
): Scope {
  return { slots: new Map(), width: 1, parameters, nowMs, userFunction, subquery: compileSubquery };
}

function noUserFunction(id: string): never {
  throw badRequest(`User-defined functions (udf.${id}) can only be used in queries over items.`);
}

/**
 * Runs one page.
 * @throws 400 for a name, function or construct that cannot be served, or a token of another query
 */
export function runQuery(input: QueryInput): QueryPage {
  const { query, parameters, nowMs } = input;
  const scope = queryScope(parameters, nowMs, input.userFunction);
  const rows = compileRows(query, scope, 0);
  const shape = shapeOf(query);
  const position =
    input.continuation === undefined ? startPosition(query, scope) : readContinuation(shape, input.continuation);
  const page = new Page(shape, input.maxRows, position);
  if (isGrouped(query)) runGrouped(input, rows, page);
  else if (query.distinct) runDistinct(input, rows, page);
  else if (input.plan.ordered) runStreaming(input, rows, page);
  else runSorted(input, rows, page);
  return page.end();
}

/** What a continuation belongs to: all but WHERE, for clients that resume a merged ORDER BY add a condition to it. */
function shapeOf(query: Query): string {
  const shape = { ...query };
  delete shape.where;
  return printQuery(shape);
}

/** A row that can be placed: behind or before the position of a continuation. */
interface Placed {
  keys: string[];
  rid?: number;
  rows?: number;
  text: string;
}

/** Fills a page: leaves out what OFFSET says and stops at the page's end. */
class Page {
  readonly #query: string;
  readonly #maxRows: number;
  readonly start: Position;
  readonly #rows: string[] = [];
  scanned = 0;
  #bytes = 0;
  #skip: number;
  #take: number;
  #last: Position | undefined;
  #more = false;

  constructor(query: string, maxRows: number, start: Position) {
    this.#query = query;
    this.#maxRows = maxRows;
    this.start = start;
    this.#skip = start.skip ?? 0;
    this.#take = start.take ?? Number.POSITIVE_INFINITY;
  }

  /** Takes a row; false when the page is full, and the row belongs to the next one. */
  add({ keys, rid, rows, text }: Placed): boolean {
    if (this.#take <= 0) return false;
    if (this.#skip > 0) this.#skip--;
    else {
      const bytes = Buffer.byteLength(text);
      if (this.#rows.length >= this.#maxRows || (this.#rows.length > 0 && this.#bytes + bytes > PAGE_BYTES_MAX)) {
        this.#more = true;
        return false;
      }
      this.#rows.push(text);
      this.#bytes += bytes;
      this.#take--;
    }
    this.#last = {
      ...(keys.length === 0 ? {} : { keys }),
      ...(rid === undefined ? {} : { rid }),
      ...(rows === undefined ? {} : { rows }),
      ...(this.#take === Number.POSITIVE_INFINITY ? {} : { take: this.#take }),
    };
    return true;
  }

  end(): QueryPage {
    return {
      rows: this.#rows,
      ...(this.#more && this.#last ? { continuation: writeContinuation(this.#query, this.#last) } : {}),
      scanned: this.scanned,
      bytes: this.#bytes,
    };
  }
}

/** Answers rows in the order of the walk; stops reading as soon as the page is full. */
function runStreaming({ query, plan, scan }: QueryInput, rows: RowSource, page: Page): void {
  const select = rowText(query, rows.scope);
  const { start } = page;
  for (const item of scan(plan, behind(plan, start))) {
    page.scanned++;
    const keys = plan.column ? [termText(valueAt(item.document, plan.column.segments))] : [];
    const answered = item.rid === start.rid && start.rows !== undefined ? start.rows : 0;
    let count = 0;
    let full = false;
    rows.forEach([item.document], (row) => {
      if (full) return;
      const text = select(row, item);
      if (text === undefined || ++count <= answered) return;
      full = !page.add({ keys, rid: item.rid, rows: count, text });
    });
    if (full) return;
  }
}

/** Condition for "behind this position" in the walk's order; the last item itself again when it may have more rows. */
function behind(plan: ScanPlan, { keys, rid }: Position): { sql: string; values: SqlValue[] } | undefined {
  if (rid === undefined) return undefined;
  const operator = plan.descending ? '<=' : '>=';
  const key = keys?.[0];
  if (plan.column === undefined || key === undefined) return { sql: `rid ${operator} ?`, values: [rid] };
  return { sql: `(${plan.column.name}, rid) ${operator} (?, ?)`, values: [Buffer.from(key, 'hex'), rid] };
}

/** Reads everything that matches and sorts it: for an ORDER BY that no index of SQLite has. */
function runSorted(input: QueryInput, rows: RowSource, page: Page): void {
  const select = rowText(input.query, rows.scope);
  const orders = input.query.orderBy.map(({ expression, descending }) => ({
    value: compile(expression, rows.scope),
    descending,
  }));
  const found: Required<Placed>[] = [];
  readAll(input, rows, page, (row, item, count) => {
    const text = select(row, item);
    if (text !== undefined)
      found.push({ keys: orders.map(({ value }) => termText(value(row))), rid: item.rid, rows: count, text });
  });
  // As along an index that is walked backwards.
  const tie = orders[0]?.descending ? -1 : 1;
  const compare = (a: Position, b: Position) =>
    compareKeys(a.keys, b.keys, orders) || tie * ((a.rid ?? 0) - (b.rid ?? 0)) || (a.rows ?? 0) - (b.rows ?? 0);
  answer(found, compare, page);
}

/** Different values in the order of ORDER BY, else in their own: an order that writes between pages do not disturb. */
function runDistinct(input: QueryInput, rows: RowSource, page: Page): void {
  const select = compileSelection(input.query.selection, input.query, rows.scope);
  const orders = input.query.orderBy.map(({ expression, descending }) => ({
    value: compile(expression, rows.scope),
    descending,
  }));
  const found = new Map<string, Placed>();
  readAll(input, rows, page, (row) => {
    const value = select(row);
    if (value === undefined) return;
    const key = canonicalText(value);
    if (!found.has(key)) {
      const keys = [...orders.map((order) => termText(order.value(row))), termText(value), key];
      found.set(key, { keys, text: JSON.stringify(value) });
    }
  });
  answer([...found.values()], (a, b) => compareKeys(a.keys, b.keys, orders), page);
}

/** Groups in the order of their keys. */
function runGrouped(input: QueryInput, rows: RowSource, page: Page): void {
  if (input.query.orderBy.length > 0)
    throw badRequest('ORDER BY is not supported together with GROUP BY or an aggregate.');
  const grouping = compileGrouping(input.query, rows.scope).start();
  readAll(input, rows, page, (row) => grouping.add(row));
  const found: Placed[] = [];
  const distinct = new Set<string>();
  for (const { key, value } of grouping.results()) {
    const text = canonicalText(value);
    if (value === undefined || (input.query.distinct && distinct.has(text))) continue;
    distinct.add(text);
    found.push({ keys: [key], text: JSON.stringify(value) });
  }
  answer(found, (a, b) => compareKeys(a.keys, b.keys, []), page);
}

function readAll(
  input: QueryInput,
  rows: RowSource,
  page: Page,
  each: (row: Row, item: SourceItem, count: number) => void,
): void {
  for (const item of input.scan(input.plan, undefined)) {
    page.scanned++;
    let count = 0;
    rows.forEach([item.document], (row) => each(row, item, ++count));
  }
}

/** Sorts and answers what lies behind the page's start. */
function answer(found: Placed[], compare: (a: Position, b: Position) => number, page: Page): void {
  found.sort(compare);
  const { start } = page;
  const continued = start.keys !== undefined || start.rid !== undefined;
  for (const row of found) if (!continued || compare(row, start) > 0) if (!page.add(row)) return;
}

function compareKeys(
  left: readonly string[] | undefined,
  right: readonly string[] | undefined,
  orders: readonly { descending: boolean }[],
): number {
  for (let index = 0; index < Math.max(left?.length ?? 0, right?.length ?? 0); index++) {
    const order = compareStrings(left?.[index] ?? '', right?.[index] ?? '');
    if (order !== 0) return orders[index]?.descending ? -order : order;
  }
  return 0;
}

/** The text a row answers with; SELECT * of whole documents is not serialised anew. */
function rowText(query: Query, scope: Scope): (row: Row, item: SourceItem) => string | undefined {
  const select: Evaluate = compileSelection(query.selection, query, scope);
  return (row, item) => {
    const value = select(row);
    if (value === undefined) return undefined;
    return value === item.document ? item.text() : JSON.stringify(value);
  };
}

function startPosition({ top, offset, limit }: Query, scope: Scope): Position {
  if (top !== undefined && limit !== undefined) throw badRequest('TOP and OFFSET LIMIT cannot be used together.');
  const take = top ?? limit;
  return {
    ...(offset === undefined ? {} : { skip: amount(offset, 'OFFSET', scope) }),
    ...(take === undefined ? {} : { take: amount(take, top === undefined ? 'LIMIT' : 'TOP', scope) }),
  };
}

/** The number behind TOP, OFFSET or LIMIT. @throws 400 when it is none */
export function amount(expression: Expression, clause: string, scope: Pick<Scope, 'parameters'>): number {
  const value =
    expression.kind === 'parameter'
      ? parameter(expression.name, scope)
      : expression.kind === 'literal'
        ? expression.value
        : undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw badRequest(`The value of ${clause} must be a whole number of zero or more.`);
  return value;
}

/** An index entry as text that orders like the entry. */
function termText(value: Value): string {
  return Buffer.from(indexTerm(value)).toString('hex');
}
