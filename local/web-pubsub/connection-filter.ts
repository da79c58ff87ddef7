/**
 * The OData subset by which a send chooses connections: identifiers `userId`, `connectionId`, `protocol` and the
 * collection `groups`; logic, comparison, `in` and the string functions. Types are checked when the filter is read,
 * so that a wrong filter is refused whoever is connected.
 */
import type { Connection } from './connection.ts';
import { callFilterFunction } from './connection-filter-functions.ts';
import { invalidFilter, readFilterTokens, type FilterToken } from './connection-filter-tokens.ts';
import { FILTER_DEPTH_MAX } from './limits.ts';

/** A value while a filter is applied. */
export type FilterValue = string | number | boolean | null | Set<string>;
/** A part of a filter: the type its value has unless it is null, and its text for error messages. */
export interface FilterExpression {
  type: 'string' | 'integer' | 'boolean' | 'null' | 'collection';
  text: string;
  of: (connection: Connection) => FilterValue;
}

const comparisons = ['eq', 'ne', 'gt', 'ge', 'lt', 'le'] as const;

/**
 * Reads a filter.
 * @returns tells whether a connection is meant
 * @throws ServiceError 400 that names the part that is wrong
 */
export function readConnectionFilter(filter: string): (connection: Connection) => boolean {
  const whole = new FilterReader(readFilterTokens(filter)).read();
  return (connection) => whole.of(connection) === true;
}

/** Recursive descent over the grammar: or, and, comparison, not, primary, from the loosest to the tightest. */
class FilterReader {
  readonly #tokens: FilterToken[];
  #next = 0;
  #depth = 0;

  constructor(tokens: FilterToken[]) {
    this.#tokens = tokens;
  }

  read(): FilterExpression {
    const expression = expectType(this.#or(), 'boolean');
    const rest = this.#tokens[this.#next];
    if (rest) throw invalidFilter(`unexpected '${rest.text}' at character ${rest.at + 1}`);
    return expression;
  }

  #or(): FilterExpression {
    let left = this.#and();
    while (this.#takes('or')) {
      const [a, b] = [expectType(left, 'boolean'), expectType(this.#and(), 'boolean')];
      left = boolean(`${a.text} or ${b.text}`, (one) => a.of(one) === true || b.of(one) === true);
    }
    return left;
  }

  #and(): FilterExpression {
    let left = this.#comparison();
    while (this.#takes('and')) {
      const [a, b] = [expectType(left, 'boolean'), expectType(this.#comparison(), 'boolean')];
      left = boolean(`${a.text} and ${b.text}`, (one) => a.of(one) === true && b.of(one) === true);
    }
    return left;
  }

  #comparison(): FilterExpression {
    const left = this.#negation();
    if (this.#takes('in')) return membership(left, this.#list());
    const operator = comparisons.find((word) => this.#takes(word));
    return operator ? comparison(left, operator, this.#negation()) : left;
  }

  #negation(): FilterExpression {
    if (!this.#takes('not')) return this.#primary();
    const operand = this.#deeper(() => this.#negation());
    if (operand.type !== 'boolean') {
      throw invalidFilter(`'not ${operand.text}' negates a value of type ${operand.type}, expect boolean`);
    }
    return boolean(`not ${operand.text}`, (one) => operand.of(one) !== true);
  }

  /** What follows `in`: values in parentheses, or the groups with or without. */
  #list(): FilterExpression[] {
    if (!this.#takes('(')) return [this.#primary()];
    const items = this.#deeper(() => this.#items());
    this.#expects(')');
    return items;
  }

  #items(): FilterExpression[] {
    const items = [this.#or()];
    while (this.#takes(',')) items.push(this.#or());
    return items;
  }

  #primary(): FilterExpression {
    const token = this.#tokens[this.#next];
    if (!token) throw invalidFilter('it ends where a value is expected');
    this.#next += 1;
    const { kind, text } = token;
    if (kind === 'string') {
      const value = text.slice(1, -1).replaceAll("''", "'");
      return { type: 'string', text, of: () => value };
    }
    if (kind === 'integer') return { type: 'integer', text, of: () => Number(text) };
    if (text === '(') {
      const inner = this.#deeper(() => this.#or());
      this.#expects(')');
      return { ...inner, text: `(${inner.text})` };
    }
    if (kind === 'word') return this.#word(token);
    throw invalidFilter(`unexpected '${text}' at character ${token.at + 1}`);
  }

  #word({ text, at }: FilterToken): FilterExpression {
    if (this.#takes('(')) {
      const parameters = this.#tokens[this.#next]?.text === ')' ? [] : this.#deeper(() => this.#items());
      this.#expects(')');
      return callFilterFunction(text, parameters);
    }
    switch (text.toLowerCase()) {
      case 'userid':
        return { type: 'string', text, of: ({ userId }) => userId ?? null };
      case 'connectionid':
        return { type: 'string', text, of: ({ id }) => id };
      case 'protocol':
        return { type: 'string', text, of: ({ protocol }) => (protocol === 'raw' ? null : protocol) };
      case 'groups':
        return { type: 'collection', text, of: ({ groups }) => groups };
      case 'null':
        return { type: 'null', text, of: () => null };
      case 'true':
      case 'false':
        return boolean(text, () => text.toLowerCase() === 'true');
      default:
        throw invalidFilter(`unknown identifier '${text}' at character ${at + 1}`);
    }
  }

  #takes(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (!token || token.kind === 'string' || token.text.toLowerCase() !== text) return false;
    this.#next += 1;
    return true;
  }

  #expects(text: string): void {
    if (this.#takes(text)) return;
    const token = this.#tokens[this.#next];
    throw invalidFilter(
      token
        ? `expected '${text}' instead of '${token.text}' at character ${token.at + 1}`
        : `it ends where '${text}' is expected`,
    );
  }

  #deeper<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > FILTER_DEPTH_MAX) throw invalidFilter(`nested deeper than ${FILTER_DEPTH_MAX}`);
    const result = read();
    this.#depth -= 1;
    return result;
  }
}

function comparison(
  left: FilterExpression,
  operator: (typeof comparisons)[number],
  right: FilterExpression,
): FilterExpression {
  const text = `${left.text} ${operator} ${right.text}`;
  if (!comparable(left, right)) {
    throw invalidFilter(`'${text}' compares ${left.type} with ${right.type}`);
  }
  if (operator === 'eq') return boolean(text, (one) => left.of(one) === right.of(one));
  if (operator === 'ne') return boolean(text, (one) => left.of(one) !== right.of(one));
  if (left.type === 'boolean' || right.type === 'boolean') throw invalidFilter(`'${text}': booleans have no order`);
  return boolean(text, (one) => {
    const [a, b] = [left.of(one), right.of(one)];
    if (a === null || b === null) return false;
    if (operator === 'gt') return a > b;
    if (operator === 'ge') return a >= b;
    return operator === 'lt' ? a < b : a <= b;
  });
}

function membership(left: FilterExpression, list: FilterExpression[]): FilterExpression {
  const text = `${left.text} in (${list.map((item) => item.text).join(', ')})`;
  const [first] = list;
  if (list.length === 1 && first?.type === 'collection') {
    if (left.type !== 'string') throw invalidFilter(`'${text}': only a string can be in groups, not ${left.type}`);
    return boolean(text, (one) => {
      const [value, groups] = [left.of(one), first.of(one)];
      return typeof value === 'string' && groups instanceof Set && groups.has(value);
    });
  }
  const odd = list.find((item) => !comparable(left, item));
  if (odd) throw invalidFilter(`'${text}' compares ${left.type} with ${odd.type}`);
  return boolean(text, (one) => {
    const value = left.of(one);
    return list.some((item) => item.of(one) === value);
  });
}

function comparable(left: FilterExpression, right: FilterExpression): boolean {
  if (left.type === 'collection' || right.type === 'collection') return false;
  return left.type === right.type || left.type === 'null' || right.type === 'null';
}

function expectType(expression: FilterExpression, type: FilterExpression['type']): FilterExpression {
  if (expression.type === type) return expression;
  throw invalidFilter(`'${expression.text}' is of type ${expression.type}, expect ${type}`);
}

function boolean(text: string, of: (connection: Connection) => boolean): FilterExpression {
  return { type: 'boolean', text, of };
}
