/** FROM, WHERE and SELECT over the rows of one document: what streaming, sorting, grouping and subqueries share. */
import { badRequest } from '../cosmos-error.ts';
import { setProperty, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { createAggregate, isAggregate, type Aggregate } from './aggregates.ts';
import { compile, type Evaluate, type Row, type Scope } from './compile.ts';
import { canonicalText } from './order.ts';
import { lastName } from './parse.ts';
import { print } from './print.ts';
import type { Expression, FromSource, Query, Selection } from './syntax.ts';

/** Calls back for each combination of inputs that WHERE lets pass. The row is reused: read it, do not keep it. */
type ForEachRow = (row: Row, emit: (row: Row) => void) => void;

/** FROM and WHERE, compiled. */
export interface RowSource {
  scope: Scope;
  forEach: ForEachRow;
}

/**
 * Compiles FROM and WHERE.
 * @param rootSlot the slot of the document, for the outermost query: any name means it
 */
export function compileRows(query: Query, outer: Scope, rootSlot?: number): RowSource {
  let scope = outer;
  let forEach: ForEachRow = (row, emit) => emit(row);
  query.from.forEach((source, index) => {
    const root = index === 0 ? rootSlot : undefined;
    const bound = bind(source, scope, root);
    const before = forEach;
    const { each } = bound;
    scope = bound.scope;
    forEach = (row, emit) => before(row, (inner) => each(inner, emit));
  });
  if (query.where === undefined) return { scope, forEach };
  const where = compile(query.where, scope);
  const unfiltered = forEach;
  return {
    scope,
    forEach: (row, emit) =>
      unfiltered(row, (inner) => {
        if (where(inner) === true) emit(inner);
      }),
  };
}

/** Adds one input of FROM to a scope. */
function bind(
  { source, alias, iterate }: FromSource,
  scope: Scope,
  rootSlot: number | undefined,
): { scope: Scope; each: ForEachRow } {
  const slots = new Map(scope.slots);
  if (source.kind === 'identifier' && rootSlot !== undefined && !iterate) {
    slots.set(alias, rootSlot);
    return { scope: { ...scope, slots }, each: (row, emit) => emit(row) };
  }
  const slot = scope.width;
  const sourceScope = rootSlot === undefined ? scope : { ...scope, slots: new Map([[rootName(source), rootSlot]]) };
  slots.set(alias, slot);
  const bound = { ...scope, slots, width: slot + 1 };
  if (source.kind === 'subquery') {
    const run = scope.subquery(source.query, sourceScope);
    return { scope: bound, each: (row, emit) => forEachValue(run(row), row, slot, emit) };
  }
  const evaluate = compile(source, sourceScope);
  return {
    scope: bound,
    each: (row, emit) => {
      const value = evaluate(row);
      if (!iterate) forEachValue(value === undefined ? [] : [value], row, slot, emit);
      else if (Array.isArray(value)) forEachValue(value, row, slot, emit);
    },
  };
}

function forEachValue(values: JsonValue[], row: Row, slot: number, emit: (row: Row) => void): void {
  for (const value of values) {
    row[slot] = value;
    emit(row);
  }
}

/** The name a path starts with. */
function rootName(expression: Expression): string {
  if (expression.kind === 'identifier') return expression.name;
  return expression.kind === 'member' ? rootName(expression.object) : '';
}

/** Compiles SELECT: the value that a row answers with; undefined = none. */
export function compileSelection(selection: Selection, query: Query, scope: Scope): Evaluate {
  switch (selection.kind) {
    case 'star': {
      const [only, ...others] = query.from;
      if (only === undefined || others.length > 0)
        throw badRequest("'SELECT *' is only valid with a single input set.");
      return compile({ kind: 'identifier', name: only.alias }, scope);
    }
    case 'value':
      return compile(selection.expression, scope);
    case 'list': {
      const columns = columnNames(selection).map((name, index) => ({
        name,
        value: compile(selection.items[index]?.expression ?? { kind: 'literal', value: null }, scope),
      }));
      return (row) => {
        const object: JsonObject = {};
        for (const { name, value } of columns) {
          const result = value(row);
          if (result !== undefined) setProperty(object, name, result);
        }
        return object;
      };
    }
  }
}

/** The names of a SELECT list: the alias, the last property of a path, or `$1`, `$2` …. */
export function columnNames({ items }: Extract<Selection, { kind: 'list' }>): string[] {
  let unnamed = 0;
  return items.map(({ expression, alias }) => alias ?? lastName(expression) ?? `$${++unnamed}`);
}

/** Groups rows: fed all of them, it answers the values of the groups with their keys. */
export interface Grouping {
  add(row: Row): void;
  results(): { key: string; value: Value }[];
}

/** True when a query has GROUP BY or an aggregate: then it answers one value per group. */
export function isGrouped(query: Query): boolean {
  return (
    query.groupBy.length > 0 ||
    selectedExpressions(query.selection).some((expression) => aggregatesIn(expression).length > 0)
  );
}

/** The expressions of SELECT. */
function selectedExpressions(selection: Selection): Expression[] {
  if (selection.kind === 'star') return [];
  return selection.kind === 'value' ? [selection.expression] : selection.items.map(({ expression }) => expression);
}

/** Compiles GROUP BY and the aggregates; each `start` gives an empty grouping. */
export function compileGrouping(query: Query, scope: Scope): { start: () => Grouping } {
  if (query.selection.kind === 'star') throw badRequest("'SELECT *' is not valid with GROUP BY.");
  const keys = query.groupBy.map((expression) => compile(expression, scope));
  const calls = new Map<string, { name: string; argument: Evaluate }>();
  for (const expression of selectedExpressions(query.selection))
    for (const call of aggregatesIn(expression)) {
      const [argument, ...others] = call.args;
      if (argument === undefined || others.length > 0)
        throw badRequest(`The ${call.name} function requires 1 argument(s).`);
      calls.set(print(call), { name: call.name, argument: compile(argument, scope) });
    }
  const computed = new Map<string, number>();
  for (const text of [...query.groupBy.map(print), ...calls.keys()]) computed.set(text, computed.size);
  const select = compileSelection(query.selection, query, { ...scope, computed, width: computed.size });
  return {
    start: () => {
      const groups = new Map<string, { values: Value[]; aggregates: Aggregate[] }>();
      const start = (values: Value[]) => ({
        values,
        aggregates: [...calls.values()].map(({ name }) => createAggregate(name)),
      });
      // Without GROUP BY there is one group, even over no rows.
      if (keys.length === 0) groups.set('', start([]));
      return {
        add: (row) => {
          const values = keys.map((key) => key(row));
          const text = values.map(canonicalText).join('\u0000');
          let group = groups.get(text);
          if (group === undefined) groups.set(text, (group = start(values)));
          [...calls.values()].forEach(({ argument }, index) => group.aggregates[index]?.add(argument(row)));
        },
        results: () =>
          [...groups].map(([key, { values, aggregates }]) => {
            const row: Row = [];
            query.groupBy.forEach((expression, index) => (row[computed.get(print(expression)) ?? 0] = values[index]));
            [...calls.keys()].forEach((text, index) => (row[computed.get(text) ?? 0] = aggregates[index]?.result()));
            return { key, value: select(row) };
          }),
      };
    },
  };
}

/** The aggregates within an expression, subqueries left out. */
export function aggregatesIn(expression: Expression): Extract<Expression, { kind: 'call' }>[] {
  if (expression.kind === 'call' && isAggregate(expression.name)) return [expression];
  return children(expression).flatMap(aggregatesIn);
}

/** The direct parts of an expression. */
function children(expression: Expression): Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'parameter':
    case 'identifier':
    case 'subquery':
      return [];
    case 'member':
      return [expression.object, expression.key];
    case 'unary':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'conditional':
      return [expression.test, expression.consequent, expression.alternate];
    case 'in':
      return [expression.operand, ...expression.list];
    case 'between':
      return [expression.operand, expression.low, expression.high];
    case 'like':
      return [expression.operand, expression.pattern];
    case 'call':
      return expression.args;
    case 'object':
      return expression.properties.map(({ value }) => value);
    case 'array':
      return expression.items;
  }
}

/** Compiles a subquery: the values it answers with for a row of the outer query. */
export function compileSubquery(query: Query, scope: Scope): (row: Row) => JsonValue[] {
  if (query.orderBy.length > 0 || query.offset !== undefined || query.top !== undefined)
    throw badRequest('ORDER BY, OFFSET LIMIT and TOP inside of a subquery are not implemented by the local Cosmos DB.');
  if (scope.computed !== undefined)
    throw badRequest('A subquery in a SELECT with GROUP BY or an aggregate is not implemented by the local Cosmos DB.');
  const { scope: inner, forEach } = compileRows(query, scope);
  const collect: (row: Row) => Value[] = isGrouped(query)
    ? groupedValues(compileGrouping(query, inner), forEach)
    : plainValues(compileSelection(query.selection, query, inner), forEach);
  return (row) => {
    const values = collect(row).filter((value) => value !== undefined);
    return query.distinct ? [...new Map(values.map((value) => [canonicalText(value), value])).values()] : values;
  };
}

function groupedValues({ start }: { start: () => Grouping }, forEach: ForEachRow): (row: Row) => Value[] {
  return (row) => {
    const grouping = start();
    forEach(row, (inner) => grouping.add(inner));
    return grouping.results().map(({ value }) => value);
  };
}

function plainValues(select: Evaluate, forEach: ForEachRow): (row: Row) => Value[] {
  return (row) => {
    const values: Value[] = [];
    forEach(row, (inner) => values.push(select(inner)));
    return values;
  };
}
