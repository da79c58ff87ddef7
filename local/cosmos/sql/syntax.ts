/** The syntax tree of Cosmos SQL. */
import type { Value } from '../json-value.ts';

export type ArithmeticOperator = '|' | '^' | '&' | '<<' | '>>' | '>>>' | '+' | '-' | '*' | '/' | '%';
export type OrderOperator = '<' | '<=' | '>' | '>=';
export type BinaryOperator = 'OR' | 'AND' | '??' | '=' | '!=' | '||' | OrderOperator | ArithmeticOperator;
type UnaryOperator = 'NOT' | '-' | '+' | '~';

export type Expression =
  | { kind: 'literal'; value: Value }
  | { kind: 'parameter'; name: string }
  | { kind: 'identifier'; name: string }
  | { kind: 'member'; object: Expression; key: Expression }
  | { kind: 'unary'; operator: UnaryOperator; operand: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'conditional'; test: Expression; consequent: Expression; alternate: Expression }
  | { kind: 'in'; operand: Expression; list: Expression[] }
  | { kind: 'between'; operand: Expression; low: Expression; high: Expression }
  | { kind: 'like'; operand: Expression; pattern: Expression; escape?: Expression }
  | { kind: 'call'; name: string; args: Expression[] }
  | { kind: 'object'; properties: { name: string; value: Expression }[] }
  | { kind: 'array'; items: Expression[] }
  | { kind: 'subquery'; form: 'exists' | 'array' | 'scalar'; query: Query };

/** What a query answers with: whole items, one value each, or named columns. */
export type Selection =
  | { kind: 'star' }
  | { kind: 'value'; expression: Expression }
  | { kind: 'list'; items: { expression: Expression; alias?: string }[] };

/** One input of FROM: a path or a subquery, bound as it is or element by element (`IN`). */
export interface FromSource {
  source: Expression;
  alias: string;
  iterate: boolean;
}

export interface OrderItem {
  expression: Expression;
  descending: boolean;
}

export interface Query {
  distinct: boolean;
  top?: Expression;
  selection: Selection;
  from: FromSource[];
  where?: Expression;
  groupBy: Expression[];
  orderBy: OrderItem[];
  offset?: Expression;
  limit?: Expression;
}
