/**
 * The host's log: lines on stderr, quiet by default. stdout is kept for the one line that says the host is ready. A line
 * has to pass twice: the levels of host.json by category, as on the platform, and the terminal's own threshold.
 */
import type { LevelOf } from './config/log-levels.ts';
import type { LogEntry } from './core/app-state.ts';
import type { LogLevel } from './core/contract.ts';

const ORDER: Record<LogLevel, number> = {
  trace: 0,
  debug: 1,
  information: 2,
  warning: 3,
  error: 4,
  critical: 5,
  none: 6,
};

/** Category of the host's own lines. */
const HOST = 'Host.General';
/** Category of what the library says outside an invocation. */
const WORKER = 'Worker';
/** Category of what the app says outside an invocation. */
const CONSOLE = 'Host.Function.Console';

export interface HostLog {
  /** @param category decides which rule of host.json applies; the host's own when left out */
  (level: LogLevel, message: string, category?: string): void;
  entry: (entry: LogEntry) => void;
}

/**
 * A log that passes on what is at or above a level.
 * @param write gets one line without its end
 * @param levelOf the levels of host.json
 */
export function createLog(
  minimum: LogLevel,
  write: (line: string) => void,
  levelOf: LevelOf = () => 'trace',
  now: () => Date = () => new Date(),
): HostLog {
  const line = (level: LogLevel, text: string, category: string) => {
    if (level === 'none' || ORDER[level] < ORDER[minimum] || ORDER[level] < ORDER[levelOf(category)]) return;
    write(`${now().toISOString()} ${level.padEnd(11)} ${text}`);
  };
  return Object.assign((level: LogLevel, message: string, category = HOST) => line(level, message, category), {
    entry: ({ level, category, message, functionName }: LogEntry) => {
      if (functionName === undefined) line(level, message, category === 'user' ? CONSOLE : WORKER);
      else line(level, `[${functionName}] ${message}`, `Function.${functionName}${category === 'user' ? '.User' : ''}`);
    },
  });
}
