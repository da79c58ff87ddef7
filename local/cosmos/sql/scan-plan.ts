/**
 * Chooses how SQLite walks the items for a query. What is pushed down only ever lets too many rows through: every row is
 * tested again by the compiled WHERE, so that SQLite never decides what undefined, null or a type means.
 */
import type { SqlValue } from '../database-file.ts';
import type { Value } from '../json-value.ts';
import { indexTerm, typeBounds } from '../items/index-term.ts';
import type { TableLayout } from '../items/items-table.ts';
import { keyText } from '../items/partition-key.ts';
import { parameter, type Scope } from './compile.ts';
import { documentPath, rootAlias } from './document-path.ts';
import { isScalar } from './order.ts';
import type { Expression, Query } from './syntax.ts';

/** How to walk: conditions, and the order that a continuation goes on in. */
export interface ScanPlan {
  conditions: string[];
  values: SqlValue[];
  /** Walk along this column, then by `rid`; undefined = by `rid` alone. */
  column?: { name: string; segments: string[] };
  descending: boolean;
  /** True when the walk is the query's ORDER BY. */
  ordered: boolean;
}

/** A condition on a column. */
interface Restriction {
  segments: string[];
  column: string;
  /** SQL with `#` for the column. */
  sql: string;
  values: SqlValue[];
  shape: 'range' | 'equal' | 'list';
}

/** Values of IN that are pushed down; longer lists are left to WHERE. */
const IN_VALUES_MAX = 500;

/** The table and what of it the request covers. */
export interface ScanTarget {
  table: string;
  layout: TableLayout;
  conditions: string[];
  values: SqlValue[];
  /** True when the conditions leave one logical partition: only then an index of its columns helps. */
  onePartition: boolean;
}

/** Plans the walk: in the order of ORDER BY where an index has it, else in the order of creation. */
export function planScan(query: Query, target: ScanTarget, scope: Pick<Scope, 'parameters'>): ScanPlan {
  const { layout } = target;
  const root = rootAlias(query);
  const columns = new Map(layout.indexed.map(({ segments, column }) => [segments.join('/'), column]));
  const restrictions =
    root === undefined || query.where === undefined ? [] : restrict(query.where, root, layout, columns, scope);
  const helps = target.onePartition || layout.keyIsId;
  const order = helps ? orderColumn(query, root, columns) : undefined;
  const best = helps && !order ? bestRestriction(restrictions) : undefined;
  const conditions = [...target.conditions];
  const values = [...target.values];
  if (best && best.shape !== 'equal') {
    // The numbers of a range come sorted out of the index first: so the walk keeps its order, and reads only what it needs.
    const range = restrictions.filter(({ column }) => column === best.column);
    const inner = [...target.conditions, ...range.map(({ sql, column }) => sql.replaceAll('#', column))];
    conditions.push(`rid IN (SELECT rid FROM ${target.table} WHERE ${inner.join(' AND ')})`);
    values.push(...target.values, ...range.flatMap((restriction) => restriction.values));
  }
  for (const { sql, column, values: more } of restrictions) {
    const followed = isPlain(column) || column === order?.name || (best?.shape === 'equal' && column === best.column);
    // "+" keeps SQLite from choosing the index of a column that the walk does not follow.
    conditions.push(sql.replaceAll('#', followed ? column : `+${column}`));
    values.push(...more);
  }
  return {
    conditions,
    values,
    ...(order === undefined ? {} : { column: order }),
    descending: order !== undefined && (query.orderBy[0]?.descending ?? false),
    ordered: order !== undefined || query.orderBy.length === 0,
  };
}

/** The restriction that leaves the fewest items, as far as its shape tells; none when an id or key leaves fewer. */
function bestRestriction(restrictions: Restriction[]): Restriction | undefined {
  if (restrictions.some(({ column }) => isPlain(column))) return undefined;
  const first = (wanted: Restriction['shape']) => restrictions.find(({ shape }) => shape === wanted);
  // A range is most often "what is new"; what must equal something is most often a kind of item.
  return first('range') ?? first('equal') ?? first('list');
}

/** Columns that every table has. */
function isPlain(column: string): boolean {
  return column === 'id' || column === 'pk';
}

function orderColumn(query: Query, root: string | undefined, columns: Map<string, string>): ScanPlan['column'] {
  const [first, ...others] = query.orderBy;
  const segments = first && others.length === 0 ? documentPath(first.expression, root) : undefined;
  const name = segments && columns.get(segments.join('/'));
  return segments && name ? { name, segments } : undefined;
}

/** The conditions that every row of WHERE's conjunction satisfies, as far as columns can tell. */
function restrict(
  where: Expression,
  root: string,
  layout: TableLayout,
  columns: Map<string, string>,
  scope: Pick<Scope, 'parameters'>,
): Restriction[] {
  if (where.kind === 'binary' && where.operator === 'AND')
    return [
      ...restrict(where.left, root, layout, columns, scope),
      ...restrict(where.right, root, layout, columns, scope),
    ];
  const found = restriction(where, scope);
  const segments = found && documentPath(found.path, root);
  if (!found || !segments) return [];
  const path = segments.join('/');
  if (path === layout.keyPath)
    return oneOf(
      segments,
      'pk',
      found.equals?.map((value) => keyText([value])),
    );
  if (path === 'id')
    return oneOf(
      segments,
      'id',
      found.equals?.filter((value) => typeof value === 'string'),
    );
  const column = columns.get(path);
  return column === undefined ? [] : [{ segments, column, ...found.terms }];
}

function oneOf(segments: string[], column: 'pk' | 'id', values: string[] | undefined): Restriction[] {
  if (values === undefined) return [];
  return [{ segments, column, sql: `# IN (${values.map(() => '?').join(', ')})`, values, shape: 'list' }];
}

interface Found {
  path: Expression;
  terms: Pick<Restriction, 'sql' | 'values' | 'shape'>;
  /** The values that the path must equal one of: for the columns of ids and keys, which hold texts. */
  equals?: (null | boolean | number | string)[];
}

function restriction(expression: Expression, scope: Pick<Scope, 'parameters'>): Found | undefined {
  if (expression.kind === 'binary') return comparison(expression, scope);
  if (expression.kind === 'call') return startsWith(expression.name, expression.args, scope);
  if (expression.kind === 'in') return oneOfList(expression, scope);
  if (expression.kind !== 'between') return undefined;
  const low = bound(expression.operand, '>=', constant(expression.low, scope));
  const high = bound(expression.operand, '<=', constant(expression.high, scope));
  return low && high && { path: expression.operand, terms: both(low.terms, high.terms) };
}

function oneOfList(
  { operand, list }: Extract<Expression, { kind: 'in' }>,
  scope: Pick<Scope, 'parameters'>,
): Found | undefined {
  const values = list.map((item) => constant(item, scope));
  if (!values.every(isScalar) || values.length > IN_VALUES_MAX) return undefined;
  const sql = `# IN (${values.map(() => '?').join(', ')})`;
  return {
    path: operand,
    terms: { sql, values: values.map(indexTerm), shape: values.length === 1 ? 'equal' : 'list' },
    equals: values,
  };
}

const MIRRORED: Record<string, string> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

function comparison(
  { operator, left, right }: Extract<Expression, { kind: 'binary' }>,
  scope: Pick<Scope, 'parameters'>,
): Found | undefined {
  if (!Object.hasOwn(MIRRORED, operator)) return undefined;
  const value = constant(right, scope);
  if (value !== undefined) return bound(left, operator, value);
  return bound(right, MIRRORED[operator] ?? operator, constant(left, scope));
}

function bound(path: Expression, operator: string, value: Value): Found | undefined {
  if (!isScalar(value)) return undefined;
  if (operator === '=')
    return {
      path,
      terms: { sql: '# = ?', values: [indexTerm(value)], shape: 'equal' },
      equals: [value],
    };
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  const [from, to] = typeBounds(value);
  const term = indexTerm(value);
  const terms: Found['terms'] =
    operator === '>' || operator === '>='
      ? { sql: `(# ${operator} ? AND # < ?)`, values: [term, to], shape: 'range' }
      : { sql: `(# ${operator} ? AND # >= ?)`, values: [term, from], shape: 'range' };
  return { path, terms };
}

function both(first: Found['terms'], second: Found['terms']): Found['terms'] {
  return { sql: `${first.sql} AND ${second.sql}`, values: [...first.values, ...second.values], shape: 'range' };
}

function startsWith(
  name: string,
  [path, prefix, ignoreCase]: Expression[],
  scope: Pick<Scope, 'parameters'>,
): Found | undefined {
  const text = prefix && constant(prefix, scope);
  if (
    name !== 'STARTSWITH' ||
    path === undefined ||
    ignoreCase !== undefined ||
    typeof text !== 'string' ||
    !text.isWellFormed()
  )
    return undefined;
  const term = indexTerm(text);
  return {
    path,
    terms: { sql: `(# >= ? AND # < ?)`, values: [term, Buffer.concat([term, Uint8Array.of(0xff)])], shape: 'range' },
  };
}

/** The value of an expression that is the same for every row. */
function constant(expression: Expression, scope: Pick<Scope, 'parameters'>): Value {
  if (expression.kind === 'literal') return expression.value;
  return expression.kind === 'parameter' ? parameter(expression.name, scope) : undefined;
}
