/** Paths of the document in a query: `c.a.b`, or `c["a"]["b"]`. */
import type { Expression, Query } from './syntax.ts';

/** The alias under which a query sees whole documents; undefined when its first input is a part of them. */
export function rootAlias({ from }: Query): string | undefined {
  const [first] = from;
  return first?.source.kind === 'identifier' && !first.iterate ? first.alias : undefined;
}

/** The names along a path of the document; undefined when the expression is something else. */
export function documentPath(expression: Expression, root: string | undefined): string[] | undefined {
  if (expression.kind === 'identifier') return expression.name === root ? [] : undefined;
  if (expression.kind !== 'member' || expression.key.kind !== 'literal' || typeof expression.key.value !== 'string')
    return undefined;
  const outer = documentPath(expression.object, root);
  return outer && [...outer, expression.key.value];
}
