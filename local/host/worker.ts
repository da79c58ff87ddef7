/**
 * The worker's half of the host: loads the app, asks the library for its capabilities, runs one invocation at a time per
 * call, runs the hooks. Order and visibility of every step are those of the real Node worker.
 */
import { randomUUID } from 'node:crypto';
import { globSync, existsSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError } from './config/configuration-error.ts';
import { type RegisteredFunction, appState } from './core/app-state.ts';
import type { Capabilities, CoreInvocationContext, InvocationRequest, InvocationResponse } from './core/contract.ts';
import { writeLog } from './core/write-log.ts';
import { listenOnLoopbackOnly } from './http/proxy-address.ts';

/** What the real worker declares by itself; the library adds what `app.setup` asked for. */
const WORKER_CAPABILITIES: Capabilities = {
  RawHttpBodyBytes: 'true',
  RpcHttpTriggerMetadataRemoved: 'true',
  RpcHttpBodyOnly: 'true',
  IgnoreEmptyValuedRpcHttpHeaders: 'true',
  UseNullableValueDictionaryForHttp: 'true',
  WorkerStatus: 'true',
  TypedDataCollection: 'true',
  HandlesWorkerTerminateMessage: 'true',
};

/** A file that may hold code; a glob also matches others (maps, JSON). */
const CODE = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/**
 * Loads the entry files, in the order of their names.
 * @param main a file or a glob, relative to the working folder, else to the app folder
 * @throws ConfigurationError when nothing matches; whatever an entry file throws blocks the whole app, as on Node ≥ 20
 */
export async function loadApp(appFolder: string, main: string): Promise<void> {
  const code = entryFiles(resolve('.'), main) ?? entryFiles(appFolder, main);
  if (code === undefined) {
    throw new ConfigurationError(`No function file matches "${main}" in ${resolve('.')} or ${appFolder}`);
  }
  for (const file of code) {
    writeLog({ level: 'debug', category: 'system', message: `Loading entry point file "${file}"` });
    // oxlint-disable-next-line no-await-in-loop -- the worker loads them one after the other; later files rely on earlier
    await import(pathToFileURL(file).href);
  }
}

function entryFiles(folder: string, main: string): string[] | undefined {
  const single = resolve(folder, main);
  const isFile = existsSync(single) && statSync(single).isFile();
  const files = isFile ? [single] : globSync(main, { cwd: folder }).map((file) => resolve(folder, file));
  const code = files.filter((file) => CODE.has(extname(file))).toSorted();
  return code.length === 0 ? undefined : code;
}

export interface StartedApp {
  capabilities: Capabilities;
  /** Closes the library's own HTTP server, if it opened one. */
  close: () => Promise<void>;
}

/** Runs the `appStart` hooks, takes the capabilities and locks registration. */
export async function startApp(appFolder: string): Promise<StartedApp> {
  const state = appState();
  await runHooks('appStart', {
    hookData: state.appLevelHookData,
    appHookData: state.appHookData,
    functionAppDirectory: appFolder,
  });
  const model = state.programmingModel;
  let capabilities = { ...WORKER_CAPABILITIES };
  const proxy = listenOnLoopbackOnly(() => model?.getCapabilities?.(capabilities));
  capabilities = (await proxy.result) ?? capabilities;
  const address = proxy.address();
  if (address !== undefined) capabilities['HttpUri'] = address;
  state.locked = true;
  return { capabilities, close: proxy.close };
}

/** Runs the `appTerminate` hooks. */
export async function terminateApp(): Promise<void> {
  const state = appState();
  await runHooks('appTerminate', { hookData: state.appLevelHookData, appHookData: state.appHookData });
}

async function runHooks(name: 'appStart' | 'appTerminate' | 'preInvocation' | 'postInvocation', context: object) {
  // A copy: a hook may dispose of itself while it runs.
  for (const hook of appState().hooks[name].slice()) {
    // oxlint-disable-next-line no-await-in-loop -- hooks run in order, each sees what the one before left
    await hook(context);
  }
}

export interface Invoked {
  response: InvocationResponse;
  /** What the handler (or a hook) returned; in streaming mode a missing value means that no response was ever sent. */
  result: unknown;
}

export type InvocationInput = Pick<
  InvocationRequest,
  'inputData' | 'triggerMetadata' | 'retryContext' | 'traceContext'
>;

/** A new invocation id; each retry gets its own. */
export function newInvocationId(): string {
  return randomUUID();
}

/**
 * Runs one invocation: arguments, pre hooks, handler, post hooks, response. With streaming on, the response step is where
 * the body is sent, so this resolves when the stream ends.
 * @throws what the handler threw, unless a post hook cleared it; what a hook threw; what the library refused
 */
export async function invoke(fn: RegisteredFunction, invocationId: string, input: InvocationInput): Promise<Invoked> {
  const state = appState();
  const { name } = fn.metadata;
  const model = state.programmingModel;
  if (model === undefined) throw new Error('No programming model has been set: the app does not use @azure/functions.');
  let userContext: unknown;
  const core: CoreInvocationContext = {
    invocationId,
    request: { invocationId, functionId: fn.metadata.functionId ?? name, ...input },
    metadata: fn.metadata,
    log: (level, category, message) =>
      writeLog({ level, category, message, functionName: name, invocationId }, userContext),
  };
  const invocation = await model.getInvocationModel(core);
  const { context, inputs } = await invocation.getArguments();
  userContext = context;

  const shared = { hookData: {}, appHookData: state.appHookData, invocationContext: context };
  const before = { ...shared, functionCallback: fn.callback, inputs };
  core.state = 'preInvocationHooks';
  await runHooks('preInvocation', before);

  const after: { result: unknown; error: unknown; inputs: unknown[] } & typeof shared = {
    ...shared,
    inputs: before.inputs,
    result: null,
    error: null,
  };
  core.state = 'invocation';
  try {
    after.result = await invocation.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    // `throw undefined` is still a failure: an error must be left for the post hooks to see.
    after.error = error ?? new Error('The function threw no value.');
  }
  core.state = 'postInvocationHooks';
  await runHooks('postInvocation', after);
  core.state = undefined;
  if (after.error !== null && after.error !== undefined) throw after.error;
  return { response: await invocation.getResponse(context, after.result), result: after.result };
}
