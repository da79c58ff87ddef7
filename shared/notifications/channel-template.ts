/**
 * Templates of actions: an operator's own text with named places, escaped for the channel it goes to. A place is filled
 * once, what fills it is never read as a template again, and nothing in it is code.
 */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';

/** Characters that one place takes. */
export const PLACE_CHARS_MAX = 2000;
/** Bytes of a template in JSON. */
export const JSON_TEMPLATE_BYTES_MAX = 8192;

/** What may stand between `{{` and `}}`. */
const PLACES = [
  'type',
  'alert.id',
  'change',
  'condition',
  'severity',
  'rule.id',
  'rule.name',
  'device.id',
  'param',
  'value',
  'threshold',
  'message',
  'messages',
  'count',
  'openedAt',
  'at',
] as const;
type Place = (typeof PLACES)[number];

/** What fills the places; one without a value becomes empty. */
export type PlaceValues = Partial<Record<Place, ReadingValue>>;

// Spaces are taken off afterwards: a pattern that skips them itself takes minutes for a template of spaces.
const PLACE = /\{\{([^{}]*)\}\}/g;
const ONLY_PLACE = /^\{\{([^{}]*)\}\}$/;

/** What is wrong with a template; undefined: nothing. */
export function templateFault(template: string): string | undefined {
  const known: readonly string[] = PLACES;
  const allowed = `allowed: ${PLACES.join(', ')}`;
  const unknown = [...template.matchAll(PLACE)]
    .map(([, place = '']) => place.trim())
    .find((place) => !known.includes(place));
  if (unknown !== undefined) return `unknown placeholder {{${unknown.slice(0, 40)}}}; ${allowed}`;
  if (/\{\{|\}\}/.test(template.replaceAll(PLACE, ''))) return `has {{ or }} outside of a placeholder; ${allowed}`;
  return template.isWellFormed() ? undefined : 'must be well-formed Unicode';
}

/** What is wrong with the strings of a template in JSON, its names included; undefined: nothing. */
export function jsonTemplateFault(template: unknown): string | undefined {
  if (Buffer.byteLength(JSON.stringify(template)) > JSON_TEMPLATE_BYTES_MAX)
    return `must be at most ${JSON_TEMPLATE_BYTES_MAX} bytes`;
  return faultWithin(template);
}

function faultWithin(template: unknown): string | undefined {
  if (typeof template === 'string') return templateFault(template);
  if (typeof template !== 'object' || template === null) return undefined;
  for (const [name, value] of Object.entries(template)) {
    if (name.includes('{{')) return 'must not have placeholders in names of members';
    const fault = faultWithin(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Fills a template of plain text. */
export function fillText(template: string, values: PlaceValues): string {
  return fill(template, values, (text) => text);
}

/** Fills a template of one line, as headers are: whatever would end the line is a space. */
export function fillLine(template: string, values: PlaceValues, charsMax = 200): string {
  return fill(template, values, (text) => text)
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, charsMax)
    .toWellFormed();
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Fills a template of HTML: what fills a place is text, wherever it stands. */
export function fillHtml(template: string, values: PlaceValues): string {
  return fill(template, values, (text) => text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? ''));
}

/** Fills the strings of a template in JSON. A string that is one place only keeps the value's type: a number stays one. */
export function fillJson(template: unknown, values: PlaceValues): unknown {
  if (typeof template === 'string') {
    const place = ONLY_PLACE.exec(template)?.[1]?.trim() as Place | undefined;
    const value = place === undefined ? undefined : values[place];
    if (place === undefined) return fillText(template, values);
    return typeof value === 'string' ? cut(value) : (value ?? null);
  }
  if (Array.isArray(template)) return template.map((each) => fillJson(each, values));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fillJson(value, values)]));
}

function fill(template: string, values: PlaceValues, escape: (text: string) => string): string {
  return template.replaceAll(PLACE, (_, place: string) => escape(cut(String(values[place.trim() as Place] ?? ''))));
}

/** Not in the middle of a character. */
function cut(text: string): string {
  return text.length <= PLACE_CHARS_MAX ? text : text.slice(0, PLACE_CHARS_MAX).toWellFormed();
}
