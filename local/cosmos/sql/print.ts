/** Writes an expression or a query back as Cosmos SQL: for rewritten queries, and to compare expressions. */
import type { Value } from '../json-value.ts';
import type { Expression, FromSource, Query, Selection } from './syntax.ts';

/** The text of an expression, with every operator in parentheses; equal expressions give equal texts. */
export function print(expression: Expression): string {
  switch (expression.kind) {
    case 'literal':
      return printValue(expression.value);
    case 'parameter':
    case 'identifier':
      return expression.name;
    case 'member':
      return `${print(expression.object)}${printKey(expression.key)}`;
    case 'unary':
      return `(${expression.operator} ${print(expression.operand)})`;
    case 'binary':
      return `(${print(expression.left)} ${expression.operator} ${print(expression.right)})`;
    case 'conditional':
      return `(${print(expression.test)} ? ${print(expression.consequent)} : ${print(expression.alternate)})`;
    case 'in':
      return `(${print(expression.operand)} IN (${expression.list.map(print).join(', ')}))`;
    case 'between':
      return `(${print(expression.operand)} BETWEEN ${print(expression.low)} AND ${print(expression.high)})`;
    case 'like':
      return `(${print(expression.operand)} LIKE ${print(expression.pattern)}${expression.escape ? ` ESCAPE ${print(expression.escape)}` : ''})`;
    case 'call':
      return `${expression.name}(${expression.args.map(print).join(', ')})`;
    case 'object':
      return `{${expression.properties.map(({ name, value }) => `${JSON.stringify(name)}: ${print(value)}`).join(', ')}}`;
    case 'array':
      return `[${expression.items.map(print).join(', ')}]`;
    case 'subquery':
      return `${expression.form === 'scalar' ? '' : expression.form.toUpperCase()}(${printQuery(expression.query)})`;
  }
}

/** The text of a whole query. */
export function printQuery(query: Query): string {
  const { distinct, top, selection, groupBy, orderBy, offset, limit } = query;
  return [
    `SELECT${distinct ? ' DISTINCT' : ''}${top === undefined ? '' : ` TOP ${print(top)}`} ${printSelection(selection)}`,
    printFrom(query),
    query.where === undefined ? '' : `WHERE ${print(query.where)}`,
    groupBy.length === 0 ? '' : `GROUP BY ${groupBy.map(print).join(', ')}`,
    orderBy.length === 0
      ? ''
      : `ORDER BY ${orderBy.map(({ expression, descending }) => `${print(expression)} ${descending ? 'DESC' : 'ASC'}`).join(', ')}`,
    offset === undefined || limit === undefined ? '' : `OFFSET ${print(offset)} LIMIT ${print(limit)}`,
  ]
    .filter((clause) => clause !== '')
    .join(' ');
}

/** FROM with its joins; '' when the query has none. */
export function printFrom({ from }: Query): string {
  const source = ({ source: path, alias, iterate }: FromSource) =>
    iterate ? `${alias} IN ${print(path)}` : `${print(path)} AS ${alias}`;
  return from.length === 0 ? '' : `FROM ${from.map(source).join(' JOIN ')}`;
}

function printSelection(selection: Selection): string {
  switch (selection.kind) {
    case 'star':
      return '*';
    case 'value':
      return `VALUE ${print(selection.expression)}`;
    case 'list':
      return selection.items
        .map(({ expression, alias }) => `${print(expression)}${alias === undefined ? '' : ` AS ${alias}`}`)
        .join(', ');
  }
}

/** `.name` where a name may stand, else brackets. */
function printKey(key: Expression): string {
  return key.kind === 'literal' && typeof key.value === 'string' && /^[A-Za-z_]\w*$/.test(key.value)
    ? `.${key.value}`
    : `[${print(key)}]`;
}

function printValue(value: Value): string {
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
