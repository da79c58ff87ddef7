/**
 * Our `@azure/functions-core`: the eight members that the real `@azure/functions` library relies on. On Azure the worker
 * supplies this module; here `register.ts` (or Jest's moduleNameMapper) does. Keep the exports to those eight.
 */
import { HOOK_NAMES, type HookName, appState } from './app-state.ts';
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './contract.ts';
import { writeLog } from './write-log.ts';

/** Version of the worker whose behaviour is reproduced. */
export const version = '3.13.0';
/** Version of the host whose behaviour is reproduced. */
export const hostVersion = '4.1037.0';

/** Runs a callback once, at `dispose`. */
export class Disposable {
  #callOnDispose: (() => unknown) | undefined;

  constructor(callOnDispose: () => unknown) {
    this.#callOnDispose = callOnDispose;
  }

  static from(...disposables: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  dispose(): void {
    const call = this.#callOnDispose;
    this.#callOnDispose = undefined;
    call?.();
  }
}

/** Writes a log entry that belongs to no invocation. */
export function log(level: LogLevel, category: LogCategory, message: string): void {
  writeLog({ level, category, message });
}

/** @throws when the app has started, or when the model lacks a member */
export function setProgrammingModel(model: ProgrammingModel): void {
  refuseWhenStarted('A programming model can only be set during app startup.');
  appState().programmingModel = model;
}

/** The model that the library has set, `undefined` before. */
export function getProgrammingModel(): ProgrammingModel | undefined {
  return appState().programmingModel;
}

/**
 * Adds a function to the app.
 * @throws when the app has started, or when the name is taken
 */
export function registerFunction(metadata: FunctionMetadata, callback: FunctionCallback): Disposable {
  refuseWhenStarted('A function can only be registered during app startup.');
  const name = metadata?.name;
  if (typeof name !== 'string' || name === '') throw systemError(new TypeError('A function needs a name.'));
  if (typeof callback !== 'function') {
    throw systemError(new TypeError(`The handler of function "${name}" is not a function.`));
  }
  const { functions } = appState();
  // Names are compared without case: the host keeps functions in a case-insensitive table.
  const key = name.toLowerCase();
  if (functions.has(key)) throw systemError(new Error(`A function with name "${name}" has already been registered.`));
  functions.set(key, { metadata, callback });
  return new Disposable(() => {
    refuseWhenStarted('A function can only be disposed during app startup.');
    functions.delete(key);
  });
}

/**
 * Adds a hook. Hooks run in the order of their registration.
 * @throws RangeError for a name the platform does not know; the library turns it into its "host too old" message
 */
export function registerHook(name: string, callback: HookCallback): Disposable {
  if (!isHookName(name)) throw systemError(new RangeError(`Unrecognized hook "${name}"`));
  const hooks = appState().hooks[name];
  hooks.push(callback);
  return new Disposable(() => {
    const at = hooks.indexOf(callback);
    if (at !== -1) hooks.splice(at, 1);
  });
}

function isHookName(name: string): name is HookName {
  return (HOOK_NAMES as readonly string[]).includes(name);
}

function refuseWhenStarted(message: string): void {
  if (appState().locked) throw systemError(new Error(message));
}

/** Marks an error as the platform's own, which is how the library tells it from an error of the app. */
function systemError<T extends Error>(error: T): T {
  return Object.assign(error, { isAzureFunctionsSystemError: true });
}
