/** Turns expressions into closures. A row is an array of slots, one for each alias of FROM. */
import { badRequest } from '../cosmos-error.ts';
import { property, setProperty, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { builtIn } from './functions.ts';
import { isAggregate } from './aggregates.ts';
import { likePattern } from './like.ts';
import { compareValues, equalValues, isScalar, sameType } from './order.ts';
import { print } from './print.ts';
import type { ArithmeticOperator, BinaryOperator, Expression, OrderOperator, Query } from './syntax.ts';

/** A row: the value of each alias by its slot. */
export type Row = Value[];
export type Evaluate = (row: Row) => Value;

/** What an expression may refer to. */
export interface Scope {
  /** Slots by alias, the inner ones over the outer ones. */
  slots: ReadonlyMap<string, number>;
  /** The first slot that is free. */
  width: number;
  parameters: ReadonlyMap<string, Value>;
  nowMs: number;
  /** Finds a user-defined function by its id; throws 400 when there is none. */
  userFunction: (id: string) => (args: Value[]) => Value;
  /** Compiles a subquery; the runner of queries provides it. */
  subquery: (query: Query, scope: Scope) => (row: Row) => JsonValue[];
  /** Expressions with a value of their own in the row: results of aggregates and of GROUP BY, by their text. */
  computed?: ReadonlyMap<string, number>;
}

/**
 * Compiles an expression.
 * @throws 400 for a name that cannot be resolved, or a function that is not known
 */
export function compile(expression: Expression, scope: Scope): Evaluate {
  const computed = scope.computed?.get(computedKey(expression, scope));
  if (computed !== undefined) return (row) => row[computed];
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'parameter': {
      const value = parameter(expression.name, scope);
      return () => value;
    }
    case 'identifier':
      return compileIdentifier(expression.name, scope);
    case 'member':
      return compileMember(expression.object, expression.key, scope);
    case 'unary':
      return compileUnary(expression.operator, compile(expression.operand, scope));
    case 'binary':
      return compileBinary(expression.operator, compile(expression.left, scope), compile(expression.right, scope));
    case 'conditional': {
      const test = compile(expression.test, scope);
      const consequent = compile(expression.consequent, scope);
      const alternate = compile(expression.alternate, scope);
      return (row) => (test(row) === true ? consequent(row) : alternate(row));
    }
    case 'in': {
      const operand = compile(expression.operand, scope);
      const list = expression.list.map((item) => compile(item, scope));
      return (row) => {
        const value = operand(row);
        return value === undefined ? undefined : list.some((item) => equalValues(value, item(row)));
      };
    }
    case 'between': {
      const { operand, low, high } = expression;
      const from = compileBinary('>=', compile(operand, scope), compile(low, scope));
      const to = compileBinary('<=', compile(operand, scope), compile(high, scope));
      return compileBinary('AND', from, to);
    }
    case 'like':
      return compileLike(expression, scope);
    case 'call':
      return compileCall(expression.name, expression.args, scope);
    case 'object':
      return compileObject(expression.properties, scope);
    case 'array': {
      const items = expression.items.map((item) => compile(item, scope));
      return (row) => items.map((item) => item(row)).filter((item) => item !== undefined);
    }
    case 'subquery': {
      const run = scope.subquery(expression.query, scope);
      if (expression.form === 'exists') return (row) => run(row).length > 0;
      if (expression.form === 'array') return run;
      return (row) => run(row)[0];
    }
  }
}

/** The text under which an expression is looked up among computed ones; '' when none can be meant. */
function computedKey(expression: Expression, scope: Scope): string {
  return scope.computed === undefined || expression.kind === 'subquery' || expression.kind === 'literal'
    ? ''
    : print(expression);
}

/** The value of a parameter. @throws 400 when the request does not give it */
export function parameter(name: string, scope: Pick<Scope, 'parameters'>): Value {
  if (!scope.parameters.has(name)) throw badRequest(`The parameter ${name} has no value.`);
  return scope.parameters.get(name);
}

function compileIdentifier(name: string, scope: Scope): Evaluate {
  const slot = scope.slots.get(name);
  if (slot === undefined) throw badRequest(`Identifier '${name}' could not be resolved.`);
  if (scope.computed !== undefined)
    throw badRequest(
      `Property reference '${name}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`,
    );
  return (row) => row[slot];
}

function compileMember(object: Expression, key: Expression, scope: Scope): Evaluate {
  const of = compile(object, scope);
  if (key.kind === 'literal' && typeof key.value === 'string') {
    const name = key.value;
    return (row) => property(of(row), name);
  }
  const index = compile(key, scope);
  return (row) => {
    const value = of(row);
    const at = index(row);
    if (typeof at === 'string') return property(value, at);
    return typeof at === 'number' && Array.isArray(value) ? value[at] : undefined;
  };
}

function compileUnary(operator: 'NOT' | '-' | '+' | '~', operand: Evaluate): Evaluate {
  if (operator === 'NOT')
    return (row) => {
      const value = operand(row);
      return typeof value === 'boolean' ? !value : undefined;
    };
  return (row) => {
    const value = operand(row);
    if (typeof value !== 'number') return undefined;
    return operator === '-' ? -value : operator === '~' ? ~value : value;
  };
}

const ARITHMETIC: Record<ArithmeticOperator, (left: number, right: number) => number> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '|': (left, right) => left | right,
  '^': (left, right) => left ^ right,
  '&': (left, right) => left & right,
  '<<': (left, right) => left << right,
  '>>': (left, right) => left >> right,
  '>>>': (left, right) => left >>> right,
};

/** Whether an order (below, at or above zero) satisfies the operator. */
const ORDER: Record<OrderOperator, (order: number) => boolean> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

const isArithmetic = (operator: BinaryOperator): operator is ArithmeticOperator => Object.hasOwn(ARITHMETIC, operator);
const isOrder = (operator: BinaryOperator): operator is OrderOperator => Object.hasOwn(ORDER, operator);

function compileBinary(operator: BinaryOperator, left: Evaluate, right: Evaluate): Evaluate {
  if (isArithmetic(operator)) return compileArithmetic(ARITHMETIC[operator], left, right);
  if (isOrder(operator)) return compileOrder(ORDER[operator], left, right);
  switch (operator) {
    case 'AND':
      return (row) => and(left(row), () => right(row));
    case 'OR':
      return (row) => or(left(row), () => right(row));
    case '??':
      return (row) => {
        const value = left(row);
        return value === undefined ? right(row) : value;
      };
    case '=':
    case '!=':
      return (row) => {
        const a = left(row);
        const b = right(row);
        return a === undefined || b === undefined ? undefined : equalValues(a, b) === (operator === '=');
      };
    case '||':
      return (row) => {
        const a = left(row);
        const b = right(row);
        return typeof a === 'string' && typeof b === 'string' ? a + b : undefined;
      };
  }
}

/** Three-valued: false wins, else what is no boolean makes the result undefined. */
function and(left: Value, right: () => Value): Value {
  if (left === false) return false;
  const other = right();
  if (other === false) return false;
  return left === true && other === true ? true : undefined;
}

/** Three-valued: true wins, else what is no boolean makes the result undefined. */
function or(left: Value, right: () => Value): Value {
  if (left === true) return true;
  const other = right();
  if (other === true) return true;
  return left === false && other === false ? false : undefined;
}

/** Values of different types, and arrays and objects, have no order: undefined. */
function compileOrder(satisfies: (order: number) => boolean, left: Evaluate, right: Evaluate): Evaluate {
  return (row) => {
    const a = left(row);
    const b = right(row);
    return isScalar(a) && isScalar(b) && sameType(a, b) ? satisfies(compareValues(a, b)) : undefined;
  };
}

/** What is no number, or has no finite result, is undefined. */
function compileArithmetic(
  calculate: (left: number, right: number) => number,
  left: Evaluate,
  right: Evaluate,
): Evaluate {
  return (row) => {
    const a = left(row);
    const b = right(row);
    if (typeof a !== 'number' || typeof b !== 'number') return undefined;
    const result = calculate(a, b);
    return Number.isFinite(result) ? result : undefined;
  };
}

function compileLike({ operand, pattern, escape }: Extract<Expression, { kind: 'like' }>, scope: Scope): Evaluate {
  const text = compile(operand, scope);
  const like = compile(pattern, scope);
  const escaped = escape && compile(escape, scope);
  let known: { like: string; expression: RegExp } | undefined;
  return (row) => {
    const value = text(row);
    const wanted = like(row);
    if (typeof value !== 'string' || typeof wanted !== 'string') return undefined;
    if (known?.like !== wanted) known = { like: wanted, expression: likePattern(wanted, escaped?.(row)) };
    return known.expression.test(value);
  };
}

function compileCall(name: string, args: Expression[], scope: Scope): Evaluate {
  if (isAggregate(name))
    throw badRequest(
      `The aggregate ${name} must not be used here: only in SELECT, and not inside of another aggregate.`,
    );
  const values = args.map((argument) => compile(argument, scope));
  if (name.startsWith('udf.')) {
    const call = scope.userFunction(name.slice('udf.'.length));
    return (row) => call(values.map((value) => value(row)));
  }
  const { call } = builtIn(name, args.length);
  const { nowMs } = scope;
  return (row) =>
    call(
      values.map((value) => value(row)),
      nowMs,
    );
}

function compileObject(properties: { name: string; value: Expression }[], scope: Scope): Evaluate {
  const values = properties.map(({ name, value }) => ({ name, value: compile(value, scope) }));
  return (row) => {
    const object: JsonObject = {};
    for (const { name, value } of values) {
      const result = value(row);
      if (result !== undefined) setProperty(object, name, result);
    }
    return object;
  };
}
