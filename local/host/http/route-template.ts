/**
 * Route templates of ASP.NET as Functions uses them: literals, `{name}`, `{name?}`, `{name=default}`, `{*rest}`,
 * inline constraints `{id:int:min(1)}` and several parameters in one segment `{name}.{extension}`.
 */
import { type Constraint, parseConstraint } from './route-constraints.ts';

export type RouteValues = Record<string, string>;

interface Parameter {
  name: string;
  optional: boolean;
  catchAll: boolean;
  fallback: string | undefined;
  constraints: Constraint[];
}

interface Segment {
  /** Matches one path segment; a group per parameter. */
  pattern: RegExp;
  parameters: Parameter[];
}

export interface RouteTemplate {
  text: string;
  /** The values of a path that matches, `undefined` otherwise. */
  match(path: string): RouteValues | undefined;
}

/**
 * Compiles a template.
 * @throws Error naming what is wrong with it
 */
export function parseRouteTemplate(text: string): RouteTemplate {
  const segments = splitSegments(text.replace(/^\/+|\/+$/g, '')).map((part, index, all) =>
    parseSegment(text, part, index === all.length - 1),
  );
  const names = segments.flatMap((segment) => segment.parameters.map((parameter) => parameter.name.toLowerCase()));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`route "${text}": the parameter {${twice}} appears twice`);
  return { text, match: (path) => matchPath(segments, path) };
}

/** A `/` inside braces (a regex constraint) does not split. */
function splitSegments(text: string): string[] {
  if (text === '') return [];
  const segments = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (character === '/' && depth === 0) segments.push('');
    else segments[segments.length - 1] += character;
  }
  return segments;
}

const PARAMETER = /\{((?:[^{}]|\{\{|\}\})*)\}/g;

function parseSegment(template: string, text: string, last: boolean): Segment {
  if (text === '') throw new Error(`route "${template}": an empty segment (two slashes in a row)`);
  const parameters: Parameter[] = [];
  let pattern = '';
  let at = 0;
  for (const found of text.matchAll(PARAMETER)) {
    pattern += literal(template, text.slice(at, found.index));
    const parameter = parseParameter(template, found[1] ?? '');
    const whole = found[0] === text;
    if (parameter.catchAll && !(whole && last)) {
      throw new Error(`route "${template}": {*${parameter.name}} must be the whole last segment`);
    }
    if ((parameter.optional || parameter.fallback !== undefined) && !whole) {
      throw new Error(`route "${template}": {${parameter.name}} shares its segment, so it cannot be optional`);
    }
    parameters.push(parameter);
    pattern += '(.+)';
    at = found.index + found[0].length;
  }
  pattern += literal(template, text.slice(at));
  return { pattern: new RegExp(`^${pattern}$`, 'is'), parameters };
}

function literal(template: string, text: string): string {
  if (/[{}]/.test(text)) throw new Error(`route "${template}": a brace without its partner`);
  return text.replaceAll(/[\\^$.*+?()[\]|]/g, '\\$&');
}

function parseParameter(template: string, text: string): Parameter {
  const match = /^(\*{0,2})([^:=?*{}/]+)((?::[^=]*?(?:\((?:[^()]|\([^()]*\))*\))?)*?)(\?|=.*)?$/s.exec(text);
  if (match === null) throw new Error(`route "${template}": {${text}} is not a parameter`);
  const [, star = '', name = '', constraints = '', suffix] = match;
  return {
    name: name.trim(),
    catchAll: star !== '',
    optional: suffix === '?',
    fallback: suffix?.startsWith('=') ? suffix.slice(1) : undefined,
    constraints: splitConstraints(constraints).map((constraint) => parseConstraint(template, constraint)),
  };
}

/** A `:` inside parentheses (a regex) does not split. */
function splitConstraints(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  for (const character of text) {
    if (character === ':' && depth === 0) {
      parts.push('');
      continue;
    }
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    parts[parts.length - 1] += character;
  }
  return parts;
}

function matchPath(segments: Segment[], path: string): RouteValues | undefined {
  const parts = path.replace(/^\/+|\/+$/g, '').split('/');
  if (parts.length === 1 && parts[0] === '') parts.pop();
  const values: RouteValues = {};
  for (const [index, segment] of segments.entries()) {
    const [only] = segment.parameters;
    if (only?.catchAll) {
      const rest = parts.slice(index).join('/');
      return take(values, only, rest === '' ? only.fallback : decode(rest)) ? values : undefined;
    }
    const part = parts[index];
    if (part === undefined) {
      // Only a segment that is one optional or defaulted parameter may be absent.
      if (only === undefined || !(only.optional || only.fallback !== undefined)) return undefined;
      if (!take(values, only, only.fallback)) return undefined;
      continue;
    }
    const found = segment.pattern.exec(decode(part));
    if (found === null) return undefined;
    for (const [position, parameter] of segment.parameters.entries()) {
      if (!take(values, parameter, found[position + 1])) return undefined;
    }
  }
  return parts.length > segments.length ? undefined : values;
}

function take(values: RouteValues, parameter: Parameter, value: string | undefined): boolean {
  if (value === undefined) return parameter.catchAll || parameter.optional;
  if (!parameter.constraints.every((accepts) => accepts(value))) return false;
  values[parameter.name] = value;
  return true;
}

/** As the server does: `%2F` stays (it would change the segments), broken sequences stay as they are. */
function decode(part: string): string {
  return part.replaceAll(/(?:%(?!2f)[0-9a-f]{2})+/gi, (sequence) => {
    try {
      return decodeURIComponent(sequence);
    } catch {
      return sequence;
    }
  });
}
