/**
 * The plan of a query over several partitions: what the client has to merge, and the query it shall send to each of them.
 * The client's own pipeline does the rest, as it does against the service.
 */
import { badRequest } from '../cosmos-error.ts';
import type { JsonObject, JsonValue, Value } from '../json-value.ts';
import { AGGREGATE_TYPES, isAggregate } from './aggregates.ts';
import { rootAlias } from './document-path.ts';
import { columnNames, aggregatesIn, isGrouped } from './select.ts';
import { print, printFrom, printQuery } from './print.ts';
import { amount } from './run-query.ts';
import type { Expression, Query, Selection } from './syntax.ts';

/** Where the client puts a condition when it goes on with an ORDER BY. */
const FILTER_PLACE = '{documentdb-formattableorderbyquery-filter}';

/** True when the results of several partitions cannot just be put one after the other. */
export function needsMerge(query: Query): boolean {
  return (
    query.orderBy.length > 0 ||
    query.distinct ||
    query.top !== undefined ||
    query.offset !== undefined ||
    isGrouped(query)
  );
}

/**
 * Plans a query.
 * @throws 400 for what clients cannot merge
 */
export function planQuery(query: Query, parameters: ReadonlyMap<string, Value>): JsonObject {
  const number = (expression: Expression | undefined, clause: string) =>
    expression === undefined ? null : amount(expression, clause, { parameters });
  const top = number(query.top, 'TOP');
  const offset = number(query.offset, 'OFFSET');
  const limit = number(query.limit, 'LIMIT');
  const grouped = isGrouped(query);
  if (grouped && query.orderBy.length > 0)
    throw badRequest('ORDER BY is not supported together with GROUP BY or an aggregate.');
  const take = top ?? (offset === null || limit === null ? null : offset + limit);
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: {
      distinctType: distinctType(query),
      top,
      offset,
      limit,
      orderBy: query.orderBy.map(({ descending }) => (descending ? 'Descending' : 'Ascending')),
      orderByExpressions: query.orderBy.map(({ expression }) => print(expression)),
      groupByExpressions: query.groupBy.map(print),
      groupByAliases: grouped && query.selection.kind === 'list' ? columnNames(query.selection) : [],
      aggregates:
        query.selection.kind === 'value'
          ? aggregatesIn(query.selection.expression).map(({ name }) => AGGREGATE_TYPES[name] ?? name)
          : [],
      groupByAliasToAggregateType: grouped ? aliasTypes(query.selection) : {},
      rewrittenQuery: grouped
        ? rewriteGrouped(query)
        : query.orderBy.length > 0
          ? rewriteOrdered(query, take)
          : rewritePlain(query, take),
      hasSelectValue: query.selection.kind === 'value',
      hasNonStreamingOrderBy: false,
    },
    queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
  };
}

/** Ordered when the rows come sorted by the very value that must differ. */
function distinctType({ distinct, selection, orderBy }: Query): 'None' | 'Ordered' | 'Unordered' {
  if (!distinct) return 'None';
  const [first, ...others] = orderBy;
  const only =
    selection.kind === 'value'
      ? selection.expression
      : selection.kind === 'list' && selection.items.length === 1
        ? selection.items[0]?.expression
        : undefined;
  return first && only && others.length === 0 && print(first.expression) === print(only) ? 'Ordered' : 'Unordered';
}

function rewritePlain(query: Query, take: number | null): string {
  const { top: _top, offset: _offset, limit: _limit, ...plain } = query;
  return printQuery(take === null ? plain : { ...plain, top: { kind: 'literal', value: take } });
}

function rewriteOrdered(query: Query, take: number | null): string {
  const root = rootAlias(query);
  const items = query.orderBy.map(({ expression }) => `{"item": ${print(expression)}}`).join(', ');
  const order = query.orderBy
    .map(({ expression, descending }) => `${print(expression)} ${descending ? 'DESC' : 'ASC'}`)
    .join(', ');
  const where = query.where === undefined ? FILTER_PLACE : `${print(query.where)} AND (${FILTER_PLACE})`;
  const limited = take === null || query.distinct ? '' : `TOP ${take} `;
  return `SELECT ${limited}${root}._rid, [${items}] AS orderByItems, ${payload(query)} AS payload ${printFrom(query)} WHERE ${query.where === undefined ? `(${where})` : where} ORDER BY ${order}`;
}

/** The whole selection as one expression. */
function payload({ selection, from }: Query): string {
  switch (selection.kind) {
    case 'star':
      if (from.length !== 1) throw badRequest("'SELECT *' is only valid with a single input set.");
      return from[0]?.alias ?? '';
    case 'value':
      return print(selection.expression);
    case 'list':
      return `{${columnNames(selection)
        .map(
          (name, index) =>
            `${JSON.stringify(name)}: ${print(selection.items[index]?.expression ?? { kind: 'literal', value: null })}`,
        )
        .join(', ')}}`;
  }
}

function rewriteGrouped(query: Query): string {
  const { selection, groupBy } = query;
  if (selection.kind === 'star') throw badRequest("'SELECT *' is not valid with GROUP BY.");
  const from = printFrom(query);
  const where = query.where === undefined ? '' : ` WHERE ${print(query.where)}`;
  const by = groupBy.length === 0 ? '' : ` GROUP BY ${groupBy.map(print).join(', ')}`;
  const groupItems = `[${groupBy.map((key) => `{"item": ${print(key)}}`).join(', ')}] AS groupByItems, `;
  if (selection.kind === 'value') {
    const value = isAggregateCall(selection.expression)
      ? `[${partial(selection.expression)}]`
      : print(withoutAggregates(selection.expression));
    return groupBy.length === 0
      ? `SELECT VALUE ${value} ${from}${where}`
      : `SELECT ${groupItems}${value} AS payload ${from}${where}${by}`;
  }
  const names = columnNames(selection);
  const properties = selection.items.map(
    ({ expression }, index) =>
      `${JSON.stringify(names[index])}: ${isAggregateCall(expression) ? partial(expression) : print(withoutAggregates(expression))}`,
  );
  return `SELECT ${groupBy.length === 0 ? '' : groupItems}{${properties.join(', ')}} AS payload ${from}${where}${by}`;
}

type Call = Extract<Expression, { kind: 'call' }>;

function isAggregateCall(expression: Expression): expression is Call {
  return expression.kind === 'call' && isAggregate(expression.name);
}

function withoutAggregates(expression: Expression): Expression {
  if (aggregatesIn(expression).length > 0)
    throw badRequest(
      'Compositions of aggregates and other expressions are not allowed in a query over several partitions.',
    );
  return expression;
}

/** What a partition answers of an aggregate, so that the client can merge it with the others. */
function partial({ name, args }: Call): string {
  const argument = args.map(print).join(', ');
  const value = `${name}(${argument})`;
  if (name === 'AVG') return `{"item": {"sum": SUM(${argument}), "count": COUNT(${argument})}}`;
  if (name === 'MIN' || name === 'MAX')
    return `{"item": ${value}, "item2": {"${name.toLowerCase()}": ${value}, "count": COUNT(${argument})}}`;
  return `{"item": ${value}}`;
}

function aliasTypes(selection: Selection): JsonObject {
  if (selection.kind !== 'list') return {};
  const names = columnNames(selection);
  const types: [string, JsonValue][] = selection.items.map(({ expression }, index) => [
    names[index] ?? '',
    isAggregateCall(expression) ? (AGGREGATE_TYPES[expression.name] ?? null) : null,
  ]);
  return Object.fromEntries(types);
}
