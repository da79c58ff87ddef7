/** Messages of alerts: fixed text with a few named places. Places are filled once; no code, no nesting. */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import type { PlainLeaf } from './condition.ts';

/** Characters of a template. */
export const TEMPLATE_CHARS_MAX = 500;
/** Characters of a finished message. */
export const MESSAGE_CHARS_MAX = 1000;
/** Characters that one place takes. */
const PLACE_CHARS_MAX = 256;

const PLACES = ['device.id', 'device.name', 'rule.name', 'severity', 'param', 'value', 'op', 'threshold'] as const;
// Spaces are taken off afterwards: a pattern that skips them itself takes long for a template of spaces.
const PLACE = /\{\{([^{}]*)\}\}/g;

const OP_TEXT: Record<Operator, string> = {
  gt: '>',
  gte: '≥',
  lt: '<',
  lte: '≤',
  eq: '=',
  neq: '≠',
  between: 'between',
  outside: 'outside',
  in: 'in',
  changed: 'changed',
  exists: 'exists',
  unknown: 'unknown',
  silent: 'silent for',
  fired: 'at',
};

/** What an alert was decided by: the comparison, or that nothing came, or that the time had come. */
export type Operator = PlainLeaf['op'] | 'silent' | 'fired';

/** What may stand between `{{` and `}}`. */
export type Place = (typeof PLACES)[number];

/** The message of a rule that names none, when it opens. */
export const OPENED_TEMPLATE = '{{device.name}}: {{param}} {{value}} {{op}} {{threshold}}';

/** What is wrong with a template, or undefined: a place that does not exist, or braces that are no place. */
export function templateFault(template: string): string | undefined {
  const known: readonly string[] = PLACES;
  const unknown = [...template.matchAll(PLACE)]
    .map((match) => (match[1] ?? '').trim())
    .find((place) => !known.includes(place));
  if (unknown !== undefined) return `unknown place {{${unknown.slice(0, 40)}}}; known: ${PLACES.join(', ')}`;
  if (/\{\{|\}\}/.test(template.replaceAll(PLACE, '')))
    return `has {{ or }} outside of a place; known: ${PLACES.join(', ')}`;
  return template.isWellFormed() ? undefined : 'must be well-formed Unicode';
}

/** A template taken apart: text and places in turn, beginning with text. */
export type Template = readonly string[];

/** Takes a template apart, once per rule instead of once per message. */
export function parseTemplate(template: string): Template {
  return template.split(PLACE).map((part, index) => (index % 2 === 0 ? part : part.trim()));
}

/** Fills a template. A place without a value becomes empty; values are not read as templates again. */
export function fillTemplate(template: Template, values: Record<Place, string>): string {
  const known: Partial<Record<string, string>> = values;
  let filled = '';
  for (const [index, part] of template.entries()) {
    filled += index % 2 === 0 ? part : (known[part] ?? '').slice(0, PLACE_CHARS_MAX);
  }
  // A place without a value leaves two spaces.
  return filled.replaceAll(/ {2,}/g, ' ').trim().slice(0, MESSAGE_CHARS_MAX);
}

/** An operator as people write it. */
export function operatorText(op: Operator): string {
  return OP_TEXT[op];
}

/** A limit as people write it; empty where the operator has none. */
export function thresholdText(op: Operator, threshold: ReadingValue | ReadingValue[] | undefined): string {
  if (threshold === undefined) return '';
  return Array.isArray(threshold) ? threshold.join(op === 'in' ? ', ' : ' and ') : String(threshold);
}
