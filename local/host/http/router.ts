/**
 * Which function answers a request. Functions are tried in the order of their names and the first that matches wins, not
 * the most specific; a wrong verb does not match, so it ends in 404 and never in 405.
 */
import { ConfigurationError } from '../config/configuration-error.ts';
import type { RegisteredFunction } from '../core/app-state.ts';
import type { BindingInfo } from '../core/contract.ts';
import { type RouteTemplate, type RouteValues, parseRouteTemplate } from './route-template.ts';

const AUTH_LEVELS = ['anonymous', 'function', 'admin'] as const;
export type AuthLevel = (typeof AUTH_LEVELS)[number];

export interface HttpFunction {
  fn: RegisteredFunction;
  /** Name of the trigger's binding: the key of the request in the invocation. */
  bindingName: string;
  methods: string[];
  authLevel: AuthLevel;
  template: RouteTemplate;
}

export interface RouteMatch {
  target: HttpFunction;
  values: RouteValues;
}

/** Routes the host keeps for itself. */
const RESERVED = /^(admin|runtime)(\/|$)/i;

/**
 * Reads the route of an HTTP function.
 * @throws ConfigurationError naming the function
 */
export function httpFunction(
  fn: RegisteredFunction,
  bindingName: string,
  trigger: BindingInfo,
  prefix: string,
): HttpFunction {
  const { name } = fn.metadata;
  const route = textOption(trigger['route'], '') || name;
  const authLevel = textOption(trigger['authLevel'], 'function').toLowerCase();
  if (!isAuthLevel(authLevel)) {
    throw new ConfigurationError(`Function "${name}": authLevel must be one of ${AUTH_LEVELS.join(', ')}`);
  }
  const text = [prefix, route]
    .map((part) => part.replace(/^\/+|\/+$/g, ''))
    .filter((part) => part !== '')
    .join('/');
  if (RESERVED.test(text)) {
    throw new ConfigurationError(`Function "${name}": the route "${text}" conflicts with routes of the host itself`);
  }
  const methods = Array.isArray(trigger['methods']) ? trigger['methods'].map((verb) => String(verb).toUpperCase()) : [];
  try {
    return { fn, bindingName, methods, authLevel, template: parseRouteTemplate(text) };
  } catch (error) {
    throw new ConfigurationError(`Function "${name}": ${(error as Error).message}`);
  }
}

function textOption(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback;
}

function isAuthLevel(level: string): level is AuthLevel {
  return (AUTH_LEVELS as readonly string[]).includes(level);
}

/** Orders functions as the platform does and returns the lookup. */
export function createRouter(functions: HttpFunction[]): (method: string, path: string) => RouteMatch | undefined {
  const ordered = functions.toSorted((a, b) => ordinal(a.fn.metadata.name, b.fn.metadata.name));
  return (method, path) => {
    for (const target of ordered) {
      if (target.methods.length > 0 && !target.methods.includes(method)) continue;
      const values = target.template.match(path);
      if (values !== undefined) return { target, values };
    }
    return undefined;
  };
}

/** Ordinal, without case: `-` sorts before `_`, unlike a locale's order. */
function ordinal(a: string, b: string): number {
  const [left, right] = [a.toUpperCase(), b.toUpperCase()];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
