/** Parses Cosmos SQL: SELECT by descent, expressions by precedence (Pratt). What is not implemented is refused by name. */
import { badRequest } from '../cosmos-error.ts';
import type { BinaryOperator, Expression, FromSource, OrderItem, Query, Selection } from './syntax.ts';
import { TokenCursor } from './token-cursor.ts';
import { syntaxError, tokenize, type Token } from './tokens.ts';

/** Levels of nested expressions; deeper ones would exhaust the stack. */
const NESTING_MAX = 200;
/** Parsed queries kept: the texts of a program are few, its parameters many. */
const PARSED_MAX = 500;

/** Words that end an expression or an alias. */
const RESERVED = new Set(
  (
    'SELECT DISTINCT TOP VALUE AS FROM IN JOIN WHERE GROUP BY ORDER ASC DESC OFFSET LIMIT AND OR NOT BETWEEN LIKE ESCAPE EXISTS ' +
    'ARRAY NULL TRUE FALSE UNDEFINED HAVING UNION'
  ).split(' '),
);

/** How tightly binary operators bind; comparison also holds IN, BETWEEN and LIKE. */
const PRECEDENCE: Record<BinaryOperator, number> = {
  '??': 2,
  OR: 3,
  AND: 4,
  '=': 6,
  '!=': 6,
  '<': 6,
  '<=': 6,
  '>': 6,
  '>=': 6,
  '|': 7,
  '^': 8,
  '&': 9,
  '<<': 10,
  '>>': 10,
  '>>>': 10,
  '+': 11,
  '-': 11,
  '||': 11,
  '*': 12,
  '/': 12,
  '%': 12,
};
const CONDITIONAL = 1;
const NOT = 5;
const COMPARISON = 6;
const UNARY = 13;

const parsed = new Map<string, Query>();

/**
 * Parses a query.
 * @throws 400 naming what cannot be read, or the construct that is not implemented
 */
export function parseQuery(text: string): Query {
  const known = parsed.get(text);
  if (known) return known;
  const query = new Parser(tokenize(text)).whole();
  if (parsed.size >= PARSED_MAX) parsed.clear();
  parsed.set(text, query);
  return query;
}

class Parser extends TokenCursor {
  #depth = 0;

  whole(): Query {
    const query = this.#query();
    if (this.peek().kind !== 'end') throw this.unexpected();
    return query;
  }

  #query(): Query {
    this.expectWord('SELECT');
    const distinct = this.takeWord('DISTINCT');
    const top = this.takeWord('TOP') ? this.#amount() : undefined;
    const selection = this.#selection();
    const from = this.takeWord('FROM') ? this.#from() : [];
    const where = this.takeWord('WHERE') ? this.#expression() : undefined;
    const groupBy = this.takeWords('GROUP', 'BY') ? this.#list(() => this.#expression()) : [];
    if (this.isWord('HAVING')) throw badRequest('HAVING is not supported by Cosmos SQL.');
    const orderBy = this.takeWords('ORDER', 'BY') ? this.#list(() => this.#orderItem()) : [];
    const offset = this.takeWord('OFFSET') ? this.#amount() : undefined;
    if (offset !== undefined) this.expectWord('LIMIT');
    const limit = offset === undefined ? undefined : this.#amount();
    return {
      distinct,
      selection,
      from,
      groupBy,
      orderBy,
      ...(top === undefined ? {} : { top }),
      ...(where === undefined ? {} : { where }),
      ...(offset === undefined ? {} : { offset }),
      ...(limit === undefined ? {} : { limit }),
    };
  }

  #selection(): Selection {
    if (this.takeSymbol('*')) return { kind: 'star' };
    if (this.takeWord('VALUE')) return { kind: 'value', expression: this.#expression() };
    const items = this.#list(() => {
      const expression = this.#expression();
      const alias = this.#alias();
      return alias === undefined ? { expression } : { expression, alias };
    });
    return { kind: 'list', items };
  }

  #from(): FromSource[] {
    const sources = [this.#fromSource()];
    while (this.takeWord('JOIN')) sources.push(this.#fromSource());
    return sources;
  }

  #fromSource(): FromSource {
    const next = this.ahead(1);
    if (this.peek().kind === 'word' && next?.kind === 'word' && next.text.toUpperCase() === 'IN') {
      const alias = this.#identifier();
      this.expectWord('IN');
      return { source: this.#sourcePath(), alias, iterate: true };
    }
    const source = this.#sourcePath();
    const alias = this.#alias() ?? lastName(source);
    if (alias === undefined) throw syntaxError(this.peek().text, this.peek().at, 'This input of FROM needs an alias.');
    return { source, alias, iterate: false };
  }

  #sourcePath(): Expression {
    if (this.isSymbol('(') || this.isSymbol('[') || this.isSymbol('{') || this.peek().kind === 'parameter')
      return this.#operand(UNARY);
    let path: Expression = { kind: 'identifier', name: this.#identifier() };
    for (;;) {
      const longer = this.#member(path);
      if (longer === undefined) return path;
      path = longer;
    }
  }

  #alias(): string | undefined {
    if (this.takeWord('AS')) return this.peek().kind === 'string' ? this.next().text : this.#identifier();
    const token = this.peek();
    return token.kind === 'word' && !RESERVED.has(token.text.toUpperCase()) ? this.next().text : undefined;
  }

  #orderItem(): OrderItem {
    if (this.isWord('RANK')) throw badRequest('ORDER BY RANK is not implemented by the local Cosmos DB.');
    const expression = this.#expression();
    const descending = this.takeWord('DESC');
    if (!descending) this.takeWord('ASC');
    return { expression, descending };
  }

  /** A number or parameter behind TOP, OFFSET and LIMIT. */
  #amount(): Expression {
    const token = this.next();
    if (token.kind === 'parameter') return { kind: 'parameter', name: token.text };
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) };
    throw syntaxError(token.text, token.at, 'A number or a parameter must stand here.');
  }

  #expression(): Expression {
    return this.#operand(0);
  }

  /** An expression of operators that bind tighter than `floor`. */
  #operand(floor: number): Expression {
    if (++this.#depth > NESTING_MAX) throw badRequest(`The query is nested deeper than ${NESTING_MAX} levels.`);
    let left = this.#prefix();
    for (;;) {
      const longer = this.#infix(left, floor);
      if (longer === undefined) break;
      left = longer;
    }
    this.#depth--;
    return left;
  }

  #prefix(): Expression {
    if (this.takeWord('NOT')) return { kind: 'unary', operator: 'NOT', operand: this.#operand(NOT) };
    for (const operator of ['-', '+', '~'] as const)
      if (this.takeSymbol(operator)) {
        const operand = this.#operand(UNARY);
        if (operator === '-' && operand.kind === 'literal' && typeof operand.value === 'number')
          return { kind: 'literal', value: -operand.value };
        return { kind: 'unary', operator, operand };
      }
    let expression = this.#primary();
    for (;;) {
      const longer = this.#member(expression);
      if (longer === undefined) return expression;
      expression = longer;
    }
  }

  #infix(left: Expression, floor: number): Expression | undefined {
    if (CONDITIONAL > floor && this.takeSymbol('?')) {
      const consequent = this.#operand(0);
      this.expectSymbol(':');
      return { kind: 'conditional', test: left, consequent, alternate: this.#operand(0) };
    }
    if (COMPARISON > floor) {
      const comparison = this.#wordComparison(left);
      if (comparison !== undefined) return comparison;
    }
    const operator = this.#binaryOperator();
    if (operator === undefined) return undefined;
    const precedence = PRECEDENCE[operator];
    if (precedence <= floor) return undefined;
    this.next();
    return { kind: 'binary', operator, left, right: this.#operand(precedence) };
  }

  /** IN, BETWEEN and LIKE, each also behind NOT. */
  #wordComparison(left: Expression): Expression | undefined {
    const negated = this.isWord('NOT');
    const token = this.ahead(Number(negated));
    const word = token?.kind === 'word' ? token.text.toUpperCase() : '';
    if (word !== 'IN' && word !== 'BETWEEN' && word !== 'LIKE') return undefined;
    if (negated) this.next();
    this.next();
    const comparison = this.#comparison(word, left);
    return negated ? { kind: 'unary', operator: 'NOT', operand: comparison } : comparison;
  }

  #comparison(word: 'IN' | 'BETWEEN' | 'LIKE', operand: Expression): Expression {
    if (word === 'IN') {
      this.expectSymbol('(');
      const list = this.#list(() => this.#expression());
      this.expectSymbol(')');
      return { kind: 'in', operand, list };
    }
    if (word === 'BETWEEN') {
      const low = this.#operand(COMPARISON);
      this.expectWord('AND');
      return { kind: 'between', operand, low, high: this.#operand(COMPARISON) };
    }
    const pattern = this.#operand(COMPARISON);
    if (!this.takeWord('ESCAPE')) return { kind: 'like', operand, pattern };
    return { kind: 'like', operand, pattern, escape: this.#operand(COMPARISON) };
  }

  #binaryOperator(): BinaryOperator | undefined {
    const { kind, text } = this.peek();
    const name = kind === 'word' ? text.toUpperCase() : kind === 'symbol' ? text : '';
    return Object.hasOwn(PRECEDENCE, name) ? (name as BinaryOperator) : undefined;
  }

  /** `.name`, `["name"]` or `[0]` behind an expression. */
  #member(object: Expression): Expression | undefined {
    if (this.takeSymbol('.')) return { kind: 'member', object, key: { kind: 'literal', value: this.#propertyName() } };
    if (!this.takeSymbol('[')) return undefined;
    const key = this.#expression();
    this.expectSymbol(']');
    return { kind: 'member', object, key };
  }

  #primary(): Expression {
    const token = this.next();
    switch (token.kind) {
      case 'string':
        return { kind: 'literal', value: token.text };
      case 'number':
        return { kind: 'literal', value: Number(token.text) };
      case 'parameter':
        return { kind: 'parameter', name: token.text };
      case 'word':
        return this.#word(token);
      case 'symbol':
        if (token.text === '(') return this.#parenthesis();
        if (token.text === '[') return this.#arrayLiteral();
        if (token.text === '{') return this.#objectLiteral();
        throw syntaxError(token.text, token.at);
      case 'end':
        throw syntaxError(token.text, token.at);
    }
  }

  #word(token: Token): Expression {
    const word = token.text.toUpperCase();
    if (word === 'TRUE' || word === 'FALSE') return { kind: 'literal', value: word === 'TRUE' };
    if (word === 'NULL') return { kind: 'literal', value: null };
    if (word === 'UNDEFINED') return { kind: 'literal', value: undefined };
    if ((word === 'EXISTS' || word === 'ARRAY') && this.isSymbol('(')) {
      this.expectSymbol('(');
      const query = this.#query();
      this.expectSymbol(')');
      return { kind: 'subquery', form: word === 'EXISTS' ? 'exists' : 'array', query };
    }
    if (this.isSymbol('(')) return this.#call(token.text);
    if (word === 'UDF' && this.takeSymbol('.')) return this.#call(`udf.${this.#propertyName()}`);
    if (RESERVED.has(word) && word !== 'VALUE') throw syntaxError(token.text, token.at);
    return { kind: 'identifier', name: token.text };
  }

  #call(name: string): Expression {
    this.expectSymbol('(');
    const args = this.isSymbol(')') ? [] : this.#list(() => this.#expression());
    this.expectSymbol(')');
    // Names of built-in functions mean the same in any case, those of user-defined ones do not.
    return { kind: 'call', name: name.startsWith('udf.') ? name : name.toUpperCase(), args };
  }

  #parenthesis(): Expression {
    const isQuery = this.isWord('SELECT');
    const expression: Expression = isQuery
      ? { kind: 'subquery', form: 'scalar', query: this.#query() }
      : this.#expression();
    this.expectSymbol(')');
    return expression;
  }

  #arrayLiteral(): Expression {
    const items = this.isSymbol(']') ? [] : this.#list(() => this.#expression());
    this.expectSymbol(']');
    return { kind: 'array', items };
  }

  #objectLiteral(): Expression {
    const properties = this.isSymbol('}')
      ? []
      : this.#list(() => {
          const name = this.peek().kind === 'string' ? this.next().text : this.#propertyName();
          this.expectSymbol(':');
          return { name, value: this.#expression() };
        });
    this.expectSymbol('}');
    return { kind: 'object', properties };
  }

  #list<T>(read: () => T): T[] {
    const items = [read()];
    while (this.takeSymbol(',')) items.push(read());
    return items;
  }

  #identifier(): string {
    const token = this.next();
    if (token.kind !== 'word' || (RESERVED.has(token.text.toUpperCase()) && token.text.toUpperCase() !== 'VALUE'))
      throw syntaxError(token.text, token.at, 'An identifier must stand here.');
    return token.text;
  }

  /** Behind a dot any word is a name, reserved or not. */
  #propertyName(): string {
    const token = this.next();
    if (token.kind !== 'word') throw syntaxError(token.text, token.at, 'A property name must stand here.');
    return token.text;
  }
}

/** The name a path is known by without an alias: its last property, or the identifier itself. */
export function lastName(expression: Expression): string | undefined {
  if (expression.kind === 'identifier') return expression.name;
  if (expression.kind !== 'member' || expression.key.kind !== 'literal') return undefined;
  return typeof expression.key.value === 'string' ? expression.key.value : undefined;
}
