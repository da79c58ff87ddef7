/** Sorts an app's functions into HTTP routes and listeners; refuses what this host does not have. */
import { ConfigurationError } from './config/configuration-error.ts';
import { type ReadSetting, substitute } from './config/settings.ts';
import type { RegisteredFunction } from './core/app-state.ts';
import type { BindingInfo } from './core/contract.ts';
import { type HttpFunction, httpFunction } from './http/router.ts';
import { OUTPUTS } from './outputs/outputs.ts';
import type { OutputWriter, OutputWriters } from './outputs/output.ts';
import type { Listener, Trigger, TriggerSetup } from './triggers/trigger.ts';
import { TRIGGERS } from './triggers/triggers.ts';
import type { InvocationInput } from './worker.ts';

/** What `/admin/functions` knows of a function. */
export interface KnownFunction {
  fn: RegisteredFunction;
  /** By `AzureWebJobs.NAME.Disabled`: nothing triggers it, but it can be run by hand. */
  disabled: boolean;
  /** Of an HTTP function. */
  http: HttpFunction | undefined;
  /** Of every other function: the invocation that stands for an input given by hand. */
  manualInput: ((input: string) => InvocationInput) | undefined;
}

export interface IndexedApp {
  /** In the platform's order. */
  names: string[];
  /** In the same order. */
  known: KnownFunction[];
  http: HttpFunction[];
  /** Each starts one listener; bindings are checked already. */
  starters: (() => Promise<Listener>)[];
}

/**
 * @param outputs takes the writers of the functions' output bindings
 * @throws ConfigurationError naming function and binding
 */
export function indexFunctions(
  functions: Iterable<RegisteredFunction>,
  host: Omit<TriggerSetup, 'fn' | 'bindingName' | 'binding'>,
  outputs: OutputWriters,
): IndexedApp {
  const ordered = chosen([...functions], host.config.functions).toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const indexed: IndexedApp = { names: ordered.map((fn) => fn.metadata.name), known: [], http: [], starters: [] };
  for (const fn of ordered) {
    const { name } = fn.metadata;
    const [bindingName, raw] = triggerOf(fn);
    const writers = prepareOutputs(fn, host.readSetting);
    if (writers.size > 0) outputs.set(fn, writers);
    const binding = substitute(raw, host.readSetting, `Function "${name}"`);
    const disabled = isDisabled(name, host.readSetting);
    if (disabled) host.log('information', `Function '${name}' is disabled.`, `Function.${name}`);
    if (isHttp(raw)) {
      if (fn.metadata.retryOptions !== undefined) {
        host.log('warning', `Function '${name}': a retry policy has no effect on an HTTP trigger.`);
      }
      const http = httpFunction(fn, bindingName, binding, host.config.http.routePrefix);
      if (!disabled) indexed.http.push(http);
      indexed.known.push({ fn, disabled, http, manualInput: undefined });
    } else {
      const setup = { ...host, fn, bindingName, binding };
      const { start, manualInput } = findTrigger(fn, raw).prepare(setup);
      if (!disabled) indexed.starters.push(start);
      indexed.known.push({ fn, disabled, http: undefined, manualInput });
    }
  }
  return indexed;
}

/** `functions` of host.json; a name that the app does not have is ignored, as on the platform. */
function chosen(functions: RegisteredFunction[], names: string[] | undefined): RegisteredFunction[] {
  if (names === undefined) return functions;
  const wanted = new Set(names.map((name) => name.toUpperCase()));
  return functions.filter((fn) => wanted.has(sortKey(fn)));
}

/** `AzureWebJobs.NAME.Disabled`; with underscores where a setting cannot have dots. */
function isDisabled(name: string, read: ReadSetting): boolean {
  const setting = read(`AzureWebJobs.${name}.Disabled`) ?? read(`AzureWebJobs__${name}__Disabled`) ?? '';
  return /^(true|1)$/i.test(setting);
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

/** Every binding but the trigger: outputs get a writer, inputs are refused. */
function prepareOutputs(fn: RegisteredFunction, readSetting: ReadSetting): Map<string, OutputWriter> {
  const writers = new Map<string, OutputWriter>();
  for (const [name, raw] of Object.entries(fn.metadata.bindings)) {
    if (isTrigger(raw) || (raw.type.toLowerCase() === 'http' && name === '$return')) continue;
    const output = OUTPUTS.find((known) => known.type.toLowerCase() === raw.type.toLowerCase());
    if (raw.direction !== 'out' || output === undefined) throw unsupported(fn, raw);
    const functionName = fn.metadata.name;
    const binding = substitute(raw, readSetting, `Function "${functionName}"`);
    writers.set(name, output.prepare({ functionName, binding, readSetting }));
  }
  return writers;
}

function findTrigger(fn: RegisteredFunction, binding: BindingInfo): Trigger {
  const trigger = TRIGGERS.find((known) => known.type.toLowerCase() === binding.type.toLowerCase());
  if (trigger === undefined) throw unsupported(fn, binding);
  return trigger;
}

function unsupported(fn: RegisteredFunction, { type, direction }: BindingInfo): ConfigurationError {
  const known = [
    'httpTrigger',
    ...TRIGGERS.map((trigger) => trigger.type),
    ...OUTPUTS.map((output) => `${output.type} (out)`),
    'http (the return value of an HTTP function)',
  ];
  return new ConfigurationError(
    `Function "${fn.metadata.name}": the local host has no ${direction ?? 'in'} binding of type "${type}". ` +
      `It has: ${known.join(', ')}.`,
  );
}
