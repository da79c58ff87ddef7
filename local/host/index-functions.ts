/** Sorts an app's functions into HTTP routes and listeners; refuses what this host does not have. */
import { ConfigurationError } from './config/configuration-error.ts';
import { substitute } from './config/settings.ts';
import type { RegisteredFunction } from './core/app-state.ts';
import type { BindingInfo } from './core/contract.ts';
import { type HttpFunction, httpFunction } from './http/router.ts';
import type { Listener, TriggerSetup } from './triggers/trigger.ts';
import { TRIGGERS } from './triggers/triggers.ts';

export interface IndexedApp {
  /** In the platform's order. */
  names: string[];
  http: HttpFunction[];
  /** Each starts one listener; bindings are checked already. */
  starters: (() => Promise<Listener>)[];
}

/** @throws ConfigurationError naming function and binding */
export function indexFunctions(
  functions: Iterable<RegisteredFunction>,
  host: Omit<TriggerSetup, 'fn' | 'bindingName' | 'binding'>,
): IndexedApp {
  const ordered = [...functions].toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const indexed: IndexedApp = { names: ordered.map((fn) => fn.metadata.name), http: [], starters: [] };
  for (const fn of ordered) {
    const { name } = fn.metadata;
    refuseUnknownBindings(fn);
    const [bindingName, raw] = triggerOf(fn);
    const binding = substitute(raw, host.readSetting, `Function "${name}"`);
    if (isHttp(raw)) indexed.http.push(httpFunction(fn, bindingName, binding, host.config.http.routePrefix));
    else indexed.starters.push(findTrigger(fn, raw).prepare({ ...host, fn, bindingName, binding }));
  }
  return indexed;
}

function sortKey(fn: RegisteredFunction): string {
  return fn.metadata.name.toUpperCase();
}

function isTrigger(binding: BindingInfo): boolean {
  return /trigger$/i.test(binding.type);
}

function isHttp(binding: BindingInfo): boolean {
  return binding.type.toLowerCase() === 'httptrigger';
}

function triggerOf(fn: RegisteredFunction): [string, BindingInfo] {
  const triggers = Object.entries(fn.metadata.bindings).filter(([, binding]) => isTrigger(binding));
  const [only] = triggers;
  if (only === undefined || triggers.length > 1) {
    throw new ConfigurationError(`Function "${fn.metadata.name}" needs exactly one trigger, it has ${triggers.length}`);
  }
  return only;
}

function refuseUnknownBindings(fn: RegisteredFunction): void {
  for (const [name, binding] of Object.entries(fn.metadata.bindings)) {
    if (isTrigger(binding)) {
      if (!isHttp(binding)) findTrigger(fn, binding);
    } else if (binding.type.toLowerCase() !== 'http' || name !== '$return') {
      throw unsupported(fn, binding);
    }
  }
}

function findTrigger(fn: RegisteredFunction, { type, ...binding }: BindingInfo) {
  const trigger = TRIGGERS.find((known) => known.type.toLowerCase() === type.toLowerCase());
  if (trigger === undefined) throw unsupported(fn, { type, ...binding });
  return trigger;
}

function unsupported(fn: RegisteredFunction, { type, direction }: BindingInfo): ConfigurationError {
  const known = [
    'httpTrigger',
    ...TRIGGERS.map((trigger) => trigger.type),
    'http (the return value of an HTTP function)',
  ];
  return new ConfigurationError(
    `Function "${fn.metadata.name}": the local host has no ${direction ?? 'in'} binding of type "${type}". ` +
      `It has: ${known.join(', ')}.`,
  );
}
