import type { FilterExpression, FilterValue } from './connection-filter.ts';
import { invalidFilter } from './connection-filter-tokens.ts';

type Type = FilterExpression['type'];

/** A function: the types it takes (the last ones may be left out), the type it gives, and what it does. */
interface FilterFunction {
  takes: Type[];
  optional?: number;
  gives: Type;
  apply: (text: string, ...more: string[]) => FilterValue;
}

const onString = (apply: (text: string) => FilterValue): FilterFunction => ({
  takes: ['string'],
  gives: 'string',
  apply,
});
const onTwo = (gives: Type, apply: (text: string, other: string) => FilterValue): FilterFunction => ({
  takes: ['string', 'string'],
  gives,
  apply: (text, other = '') => apply(text, other),
});

const functions = new Map<string, FilterFunction>(
  Object.entries({
    tolower: onString((text) => text.toLowerCase()),
    toupper: onString((text) => text.toUpperCase()),
    trim: onString((text) => text.trim()),
    concat: onTwo('string', (text, other) => text + other),
    startswith: onTwo('boolean', (text, other) => text.startsWith(other)),
    endswith: onTwo('boolean', (text, other) => text.endsWith(other)),
    contains: onTwo('boolean', (text, other) => text.includes(other)),
    indexof: onTwo('integer', (text, other) => text.indexOf(other)),
    substring: {
      takes: ['string', 'integer', 'integer'],
      optional: 1,
      gives: 'string',
      apply: (text, start, length) => cut(text, Math.max(0, Number(start)), length),
    },
  }),
);

/**
 * A call of a function of the filter language. A function of null is null.
 * @throws ServiceError 400 when there is no such function, or it does not take these parameters
 */
export function callFilterFunction(name: string, parameters: FilterExpression[]): FilterExpression {
  const text = `${name}(${parameters.map((parameter) => parameter.text).join(', ')})`;
  if (name.toLowerCase() === 'length') return lengthOf(text, parameters);
  const known = functions.get(name.toLowerCase());
  if (!known) throw invalidFilter(`unknown function '${name}'`);
  const { takes, optional = 0, gives, apply } = known;
  if (parameters.length > takes.length || parameters.length < takes.length - optional) {
    throw invalidFilter(`'${text}' has ${parameters.length} parameters, ${name} takes ${takes.length}`);
  }
  parameters.forEach((parameter, at) => {
    const expected = takes[at];
    const fits = parameter.type === expected || (expected === 'string' && parameter.type === 'null');
    if (!fits) throw invalidFilter(`'${parameter.text}' in '${text}' is of type ${parameter.type}, expect ${expected}`);
  });
  return {
    type: gives,
    text,
    of: (connection) => {
      const values = parameters.map((parameter) => parameter.of(connection));
      const [text = '', ...more] = values.map(String);
      return values.includes(null) ? null : apply(text, ...more);
    },
  };
}

/** `length` is the only function that also takes a collection. */
function lengthOf(text: string, [parameter, ...more]: FilterExpression[]): FilterExpression {
  if (!parameter || more.length > 0) throw invalidFilter(`'${text}': length takes 1 parameter`);
  if (parameter.type !== 'string' && parameter.type !== 'null' && parameter.type !== 'collection') {
    throw invalidFilter(`'${text}': length takes a string or groups, not ${parameter.type}`);
  }
  return {
    type: 'integer',
    text,
    of: (connection) => {
      const value = parameter.of(connection);
      if (value instanceof Set) return value.size;
      return typeof value === 'string' ? value.length : null;
    },
  };
}

function cut(text: string, start: number, length: string | undefined): string {
  return text.slice(start, length === undefined ? undefined : start + Math.max(0, Number(length)));
}
