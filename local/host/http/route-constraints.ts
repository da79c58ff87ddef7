/** Inline route constraints, by the names and rules of ASP.NET. */

export type Constraint = (value: string) => boolean;

const INT = /^[+-]?\d+$/;
const INT32 = [-2_147_483_648n, 2_147_483_647n] as const;
const INT64 = [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n] as const;
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)$/;
const FLOAT = /^[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|infinity|nan)$/i;
const GUID = /^(\{|\()?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}(\}|\))?$/i;

const integer =
  ([min, max]: readonly [bigint, bigint]): Constraint =>
  (value) =>
    INT.test(value) && BigInt(value.replace('+', '')) >= min && BigInt(value.replace('+', '')) <= max;

const PLAIN: Record<string, Constraint> = {
  int: integer(INT32),
  long: integer(INT64),
  bool: (value) => /^(true|false)$/i.test(value),
  datetime: (value) => /\d/.test(value) && !Number.isNaN(Date.parse(value)),
  decimal: (value) => DECIMAL.test(value),
  double: (value) => FLOAT.test(value),
  float: (value) => FLOAT.test(value),
  guid: (value) => GUID.test(value),
  alpha: (value) => /^[a-z]*$/i.test(value),
  required: (value) => value !== '',
  file: (value) => /\.[^./]+$/.test(value),
  nonfile: (value) => !/\.[^./]+$/.test(value),
};

/**
 * Compiles one constraint, such as `int` or `range(1,5)`.
 * @throws Error naming the constraint and the route
 */
export function parseConstraint(template: string, text: string): Constraint {
  const match = /^\s*(\w+)\s*(?:\((.*)\))?\s*$/s.exec(text);
  const name = match?.[1]?.toLowerCase() ?? '';
  const argument = match?.[2];
  const plain = argument === undefined ? PLAIN[name] : undefined;
  const built = plain ?? (argument === undefined ? undefined : withArgument(name, argument));
  if (built === undefined) throw new Error(`route "${template}": the constraint "${text}" is not known`);
  return built;
}

function withArgument(name: string, argument: string): Constraint | undefined {
  if (name === 'regex') {
    const pattern = new RegExp(argument.replaceAll('{{', '{').replaceAll('}}', '}'), 'i');
    return (value) => pattern.test(value);
  }
  const numbers = argument.split(',').map((part) => part.trim());
  if (!numbers.every((number) => INT.test(number)) || numbers.length > 2) return undefined;
  const [first = 0, second] = numbers.map(Number);
  const isLong = integer(INT64);
  if (second !== undefined) {
    if (name === 'length') return (value) => value.length >= first && value.length <= second;
    if (name === 'range') return (value) => isLong(value) && Number(value) >= first && Number(value) <= second;
    return undefined;
  }
  switch (name) {
    case 'minlength':
      return (value) => value.length >= first;
    case 'maxlength':
      return (value) => value.length <= first;
    case 'length':
      return (value) => value.length === first;
    case 'min':
      return (value) => isLong(value) && Number(value) >= first;
    case 'max':
      return (value) => isLong(value) && Number(value) <= first;
    default:
      return undefined;
  }
}
