/**
 * What an app has registered: functions, hooks, programming model. One per process (as in a worker), or one per test
 * file under Jest. It hangs on a private global symbol, because the library reaches the core by `require` and the host
 * by `import`, and the two may be given separate copies of a module.
 */
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './contract.ts';

/** Hooks that the platform knows; any other name is refused. */
export const HOOK_NAMES = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof HOOK_NAMES)[number];

export interface RegisteredFunction {
  metadata: FunctionMetadata;
  callback: FunctionCallback;
}

/** A log entry on its way from app or library to the host; `log` hooks may edit it. */
export interface LogEntry {
  level: LogLevel;
  category: LogCategory;
  message: string;
  functionName?: string;
  invocationId?: string;
}

export interface AppState {
  functions: Map<string, RegisteredFunction>;
  hooks: Record<HookName, HookCallback[]>;
  programmingModel: ProgrammingModel | undefined;
  /** True from the moment the app has started: registration is refused from then on. */
  locked: boolean;
  /** Where log entries go; kept in a buffer until a host attaches. */
  sink: (entry: LogEntry) => void;
  /** Entries written before a host attached. */
  early: LogEntry[];
  appHookData: Record<string, unknown>;
  appLevelHookData: Record<string, unknown>;
}

const KEY: unique symbol = Symbol.for('sluice.local.functions-core') as never;
type Holder = { [KEY]?: AppState };

/** Entries kept while no host listens: a library that logs in a loop must not fill the memory of a test. */
const EARLY_LOG_MAX = 1000;

/** The state of this process's app. */
export function appState(): AppState {
  const holder = globalThis as Holder;
  return (holder[KEY] ??= newState());
}

function newState(): AppState {
  const early: LogEntry[] = [];
  return {
    functions: new Map(),
    hooks: { appStart: [], appTerminate: [], preInvocation: [], postInvocation: [], log: [] },
    programmingModel: undefined,
    locked: false,
    sink: (entry) => {
      if (early.length < EARLY_LOG_MAX) early.push(entry);
    },
    early,
    appHookData: {},
    appLevelHookData: {},
  };
}
