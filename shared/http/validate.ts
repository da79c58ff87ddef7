/** Checks input against a zod schema and turns broken rules into the errors of a Problem. */
import type { z } from 'zod';
import { invalidInput, type FieldFault } from './problem.ts';

/** Characters of a refused value that are echoed. */
const ECHO_CHARS_MAX = 60;
/** Broken rules that are listed; a hostile body could break thousands. */
const FAULTS_MAX = 20;

/**
 * Parses `value` by `schema`.
 * @throws Problem 400 listing field, rule and what came instead
 */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: 'body' | 'query' | 'path',
): z.output<Schema> {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw invalidInput(where, parsed.error.issues.flatMap(toFaults).slice(0, FAULTS_MAX));
}

function toFaults(issue: z.core.$ZodIssue): FieldFault[] {
  const field = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: field === '' ? key.slice(0, ECHO_CHARS_MAX) : `${field}.${key.slice(0, ECHO_CHARS_MAX)}`,
      rule: 'is not known here',
    }));
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) return [{ field, rule: 'is missing' }];
  return [{ field, rule: issue.message, ...(issue.input === undefined ? {} : { got: describe(issue.input) }) }];
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > ECHO_CHARS_MAX ? `${text.slice(0, ECHO_CHARS_MAX)}…` : text;
}
