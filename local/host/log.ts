/** The host's log: lines on stderr, quiet by default. stdout is kept for the one line that says the host is ready. */
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

export interface HostLog {
  (level: LogLevel, message: string): void;
  entry: (entry: LogEntry) => void;
}

/**
 * A log that passes on what is at or above a level.
 * @param write gets one line without its end
 */
export function createLog(
  minimum: LogLevel,
  write: (line: string) => void,
  now: () => Date = () => new Date(),
): HostLog {
  const line = (level: LogLevel, text: string) => {
    if (ORDER[level] >= ORDER[minimum]) write(`${now().toISOString()} ${level.padEnd(11)} ${text}`);
  };
  return Object.assign((level: LogLevel, message: string) => line(level, message), {
    entry: ({ level, message, functionName }: LogEntry) =>
      line(level, functionName === undefined ? message : `[${functionName}] ${message}`),
  });
}
