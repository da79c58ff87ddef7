/** Texts of refusals: the field, the rule, the type of the value. Never the value: it may be huge or secret. */
import type { z } from 'zod';

/** Characters of one refusal's text. */
export const DETAIL_CHARS_MAX = 400;
const SEGMENT_CHARS_MAX = 64;

/**
 * Says what is wrong with an input that a schema refuses.
 * @param at where the input stands in the event, such as `[3]`; empty for the whole body
 */
export function explain(schema: z.ZodType, input: unknown, at: string): string {
  const issue = schema.safeParse(input).error?.issues[0];
  if (issue === undefined) return `${at || 'body'}: is not a reading set`;
  const field = issue.path.reduce<string>((path, key) => join(path, key), at);
  const nested = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  const got = nested ? '' : `; got ${typeName(valueAt(input, issue.path))}`;
  return `${field || 'body'}: ${nested?.message ?? issue.message}${got}`.slice(0, DETAIL_CHARS_MAX);
}

/** What a value is, in a few words. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  if (typeof value === 'object') return `an object of ${Object.keys(value).length} members`;
  return typeof value === 'number' && !Number.isFinite(value) ? 'a number that is not finite' : `a ${typeof value}`;
}

function join(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  // Keys are the sender's: control characters and lengths of its choice do not belong into logs.
  const text = String(key).replace(/[^\x20-\x7e]/g, '?');
  const short = text.length > SEGMENT_CHARS_MAX ? `${text.slice(0, SEGMENT_CHARS_MAX)}…` : text;
  return path === '' ? short : `${path}.${short}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
