/** The built-in functions of Cosmos SQL. A function answers undefined where the service does: wrong types, no such value. */
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, type JsonValue, type Value } from '../json-value.ts';
import { dateFunctions } from './date-functions.ts';
import { equalValues, isScalar } from './order.ts';

/** A function, with how many arguments it takes. */
export interface BuiltIn {
  min: number;
  max: number;
  call: (args: Value[], nowMs: number) => Value;
}

const define = (min: number, max: number, call: BuiltIn['call']): BuiltIn => ({ min, max, call });

/** Characters that REPLICATE may make (service limit). */
const REPLICATED_CHARACTERS_MAX = 10_000;

const test = (check: (value: Value) => boolean) => define(1, 1, ([value]) => check(value));

/** A function of strings only, the last of which may be the flag for "ignore case". */
const strings = (count: number, call: (...texts: string[]) => Value, caseFlag = false): BuiltIn =>
  define(count, count + Number(caseFlag), (args) => {
    const texts = args.slice(0, count);
    if (!texts.every((text) => typeof text === 'string')) return undefined;
    const flag = args[count];
    if (flag !== undefined && typeof flag !== 'boolean') return undefined;
    return call(...(flag === true ? texts.map((text) => text.toLowerCase()) : texts));
  });

/** A function of numbers; a result that is no finite number is undefined. */
const numbers = (count: number, call: (...values: number[]) => number, optional = 0): BuiltIn =>
  define(count - optional, count, (args) => {
    if (!args.every((value) => typeof value === 'number')) return undefined;
    const result = call(...args);
    return Number.isFinite(result) ? result : undefined;
  });

const mathNames = [
  'ABS',
  'ACOS',
  'ASIN',
  'ATAN',
  'COS',
  'EXP',
  'FLOOR',
  'LOG10',
  'SIGN',
  'SIN',
  'SQRT',
  'TAN',
  'TRUNC',
] as const;
const mathByName = Math as unknown as Record<string, (value: number) => number>;

/** Code points, so that a character outside the first plane counts once. */
const characters = (text: string): string[] => Array.from(text);

/** The integer argument that several string and array functions take. */
const integer = (value: Value): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? Math.trunc(value) : undefined;

function arrayContains([list, wanted, partial]: Value[]): Value {
  if (!Array.isArray(list) || wanted === undefined)
    return list === undefined || wanted === undefined ? undefined : false;
  if (partial !== undefined && typeof partial !== 'boolean') return undefined;
  return list.some((item) => (partial === true ? containsPart(item, wanted) : equalValues(item, wanted)));
}

function containsPart(item: JsonValue, part: JsonValue): boolean {
  if (!isJsonObject(item) || !isJsonObject(part)) return equalValues(item, part);
  return Object.entries(part).every(
    ([name, value]) => Object.hasOwn(item, name) && containsPart(item[name] ?? null, value),
  );
}

function regexMatch([text, pattern, flags]: Value[]): Value {
  if (typeof text !== 'string' || typeof pattern !== 'string' || (flags !== undefined && typeof flags !== 'string'))
    return undefined;
  if (flags !== undefined && !/^[msix]*$/.test(flags))
    throw badRequest(`REGEXMATCH: the modifiers '${flags}' must be of m, s, i and x.`);
  const ignoreBlanks = flags?.includes('x') ?? false;
  try {
    return new RegExp(ignoreBlanks ? pattern.replaceAll(/\s+/g, '') : pattern, (flags ?? '').replaceAll('x', '')).test(
      text,
    );
  } catch (error) {
    throw badRequest(`REGEXMATCH: ${Error.isError(error) ? error.message : String(error)}.`);
  }
}

function parseText(check: (value: JsonValue) => boolean): BuiltIn {
  return strings(1, (text = '') => {
    try {
      const value = JSON.parse(text) as JsonValue;
      return check(value) ? value : undefined;
    } catch {
      return undefined;
    }
  });
}

function toText([value]: Value[]): Value {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function set(args: Value[], keep: (item: JsonValue, second: JsonValue[]) => boolean, join: boolean): Value {
  const [first, second] = args;
  if (!Array.isArray(first) || !Array.isArray(second)) return undefined;
  const result: JsonValue[] = [];
  for (const item of join ? [...first, ...second] : first)
    if (keep(item, second) && !result.some((known) => equalValues(known, item))) result.push(item);
  return result;
}

function round(value: number, digits = 0): number {
  const factor = 10 ** Math.trunc(digits);
  // Away from zero at the half, unlike Math.round for negative numbers.
  return (Math.sign(value) * Math.round(Math.abs(value) * factor)) / factor;
}

/** Every built-in function by its name in capitals. */
const builtIns: ReadonlyMap<string, BuiltIn> = new Map<string, BuiltIn>([
  ['IS_ARRAY', test(Array.isArray)],
  ['IS_BOOL', test((value) => typeof value === 'boolean')],
  ['IS_DEFINED', test((value) => value !== undefined)],
  ['IS_FINITE_NUMBER', test((value) => Number.isFinite(value))],
  ['IS_INTEGER', test((value) => Number.isInteger(value))],
  ['IS_NULL', test((value) => value === null)],
  ['IS_NUMBER', test((value) => typeof value === 'number')],
  ['IS_OBJECT', test(isJsonObject)],
  ['IS_PRIMITIVE', test(isScalar)],
  ['IS_STRING', test((value) => typeof value === 'string')],

  ['CONTAINS', strings(2, (text = '', part = '') => text.includes(part), true)],
  ['ENDSWITH', strings(2, (text = '', part = '') => text.endsWith(part), true)],
  ['STARTSWITH', strings(2, (text = '', part = '') => text.startsWith(part), true)],
  ['STRINGEQUALS', strings(2, (left, right) => left === right, true)],
  ['LENGTH', strings(1, (text = '') => characters(text).length)],
  ['LOWER', strings(1, (text = '') => text.toLowerCase())],
  ['UPPER', strings(1, (text = '') => text.toUpperCase())],
  ['LTRIM', strings(1, (text = '') => text.trimStart())],
  ['RTRIM', strings(1, (text = '') => text.trimEnd())],
  ['TRIM', strings(1, (text = '') => text.trim())],
  ['REVERSE', strings(1, (text = '') => characters(text).toReversed().join(''))],
  ['REPLACE', strings(3, (text = '', from = '', to = '') => (from === '' ? text : text.replaceAll(from, () => to)))],
  ['CONCAT', define(2, 100, (args) => (args.every((text) => typeof text === 'string') ? args.join('') : undefined))],
  [
    'INDEX_OF',
    define(2, 3, ([text, part, start]) =>
      typeof text === 'string' && typeof part === 'string' ? text.indexOf(part, integer(start) ?? 0) : undefined,
    ),
  ],
  ['LEFT', define(2, 2, ([text, count]) => slice(text, 0, integer(count)))],
  [
    'RIGHT',
    define(2, 2, ([text, count]) => {
      const length = integer(count);
      return typeof text === 'string' && length !== undefined
        ? slice(text, Math.max(0, characters(text).length - length), length)
        : undefined;
    }),
  ],
  [
    'SUBSTRING',
    define(3, 3, ([text, start, count]) => {
      const from = integer(start);
      return from === undefined ? undefined : slice(text, from, integer(count));
    }),
  ],
  [
    'REPLICATE',
    define(2, 2, ([text, count]) => {
      const times = integer(count);
      if (
        typeof text !== 'string' ||
        times === undefined ||
        times < 0 ||
        text.length * times > REPLICATED_CHARACTERS_MAX
      )
        return undefined;
      return text.repeat(times);
    }),
  ],
  ['REGEXMATCH', define(2, 3, regexMatch)],
  ['TOSTRING', define(1, 1, toText)],
  ['STRINGTOARRAY', parseText(Array.isArray)],
  ['STRINGTOBOOLEAN', parseText((value) => typeof value === 'boolean')],
  ['STRINGTONULL', parseText((value) => value === null)],
  ['STRINGTONUMBER', parseText((value) => typeof value === 'number')],
  ['STRINGTOOBJECT', parseText(isJsonObject)],
  [
    'STRINGJOIN',
    define(2, 2, ([list, separator]) =>
      Array.isArray(list) && list.every((item) => typeof item === 'string') && typeof separator === 'string'
        ? list.join(separator)
        : undefined,
    ),
  ],
  ['STRINGSPLIT', strings(2, (text = '', separator = '') => text.split(separator))],

  ['ARRAY_CONTAINS', define(2, 3, arrayContains)],
  [
    'ARRAY_CONTAINS_ALL',
    define(2, 100, ([list, ...wanted]) =>
      Array.isArray(list) ? wanted.every((value) => list.some((item) => equalValues(item, value))) : undefined,
    ),
  ],
  [
    'ARRAY_CONTAINS_ANY',
    define(2, 100, ([list, ...wanted]) =>
      Array.isArray(list) ? wanted.some((value) => list.some((item) => equalValues(item, value))) : undefined,
    ),
  ],
  ['ARRAY_CONCAT', define(2, 100, (args) => (args.every(Array.isArray) ? args.flat() : undefined))],
  ['ARRAY_LENGTH', define(1, 1, ([list]) => (Array.isArray(list) ? list.length : undefined))],
  [
    'ARRAY_SLICE',
    define(2, 3, ([list, start, count]) => {
      const from = integer(start);
      if (!Array.isArray(list) || from === undefined || (count !== undefined && integer(count) === undefined))
        return undefined;
      const first = from < 0 ? Math.max(0, list.length + from) : from;
      return list.slice(first, count === undefined ? undefined : first + Math.max(0, integer(count) ?? 0));
    }),
  ],
  ['CHOOSE', define(2, 100, ([index, ...values]) => (typeof index === 'number' ? values[index - 1] : undefined))],
  [
    'SETINTERSECT',
    define(2, 2, (args) => set(args, (item, second) => second.some((other) => equalValues(item, other)), false)),
  ],
  ['SETUNION', define(2, 2, (args) => set(args, () => true, true))],
  [
    'OBJECTTOARRAY',
    define(1, 3, ([value, key, name]) =>
      isJsonObject(value)
        ? Object.entries(value).map(([k, v]) => ({
            [typeof key === 'string' ? key : 'k']: k,
            [typeof name === 'string' ? name : 'v']: v,
          }))
        : undefined,
    ),
  ],
  ['IIF', define(3, 3, ([condition, yes, no]) => (condition === true ? yes : no))],

  ...mathNames.map((name): [string, BuiltIn] => [
    name,
    numbers(1, (value) => (mathByName[name.toLowerCase()] ?? Number)(value)),
  ]),
  ['ATN2', numbers(2, (y = 0, x = 0) => Math.atan2(y, x))],
  ['CEILING', numbers(1, (value = 0) => Math.ceil(value))],
  ['COT', numbers(1, (value = 0) => 1 / Math.tan(value))],
  ['DEGREES', numbers(1, (value = 0) => (value * 180) / Math.PI)],
  ['RADIANS', numbers(1, (value = 0) => (value * Math.PI) / 180)],
  [
    'LOG',
    numbers(
      2,
      (value = 0, base?: number) => (base === undefined ? Math.log(value) : Math.log(value) / Math.log(base)),
      1,
    ),
  ],
  ['PI', define(0, 0, () => Math.PI)],
  ['POWER', numbers(2, (base = 0, exponent = 0) => base ** exponent)],
  ['ROUND', numbers(2, (value = 0, digits?: number) => round(value, digits), 1)],
  ['SQUARE', numbers(1, (value = 0) => value * value)],
  ['NUMBERBIN', numbers(2, (value = 0, bin = 1) => Math.floor(value / bin) * bin, 1)],
  ...dateFunctions,
]);

function slice(text: Value, from: number, count: number | undefined): Value {
  if (typeof text !== 'string' || count === undefined || from < 0) return undefined;
  return characters(text)
    .slice(from, from + Math.max(0, count))
    .join('');
}

/**
 * Finds a function.
 * @throws 400 naming it when it is not implemented, or takes another number of arguments
 */
export function builtIn(name: string, argumentCount: number): BuiltIn {
  const found = builtIns.get(name);
  if (!found)
    throw badRequest(
      `'${name}' is not a recognized built-in function name, or is not implemented by the local Cosmos DB.`,
    );
  if (argumentCount < found.min || argumentCount > found.max)
    throw badRequest(
      `The ${name} function requires ${found.min === found.max ? found.min : `${found.min} to ${found.max}`} argument(s).`,
    );
  return found;
}
