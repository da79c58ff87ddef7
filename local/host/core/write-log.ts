/** The one way a log entry takes: through the app's `log` hooks to the host's sink. */
import { type LogEntry, appState } from './app-state.ts';
import type { LogLevel } from './contract.ts';

/**
 * Hands an entry to the `log` hooks, then to the host. Hooks are synchronous and may edit level and message of `user`
 * entries only; what they write elsewhere is dropped, and a hook that throws does not lose the entry.
 */
export function writeLog(entry: LogEntry, invocationContext?: unknown): void {
  const state = appState();
  let { level, message } = entry;
  if (state.hooks.log.length > 0) {
    const context = {
      hookData: {},
      appHookData: state.appHookData,
      category: entry.category,
      invocationContext,
      level: level as LogLevel,
      message,
    };
    for (const hook of state.hooks.log) {
      try {
        hook(context);
      } catch (error) {
        state.sink({ level: 'error', category: 'system', message: `A log hook failed: ${String(error)}` });
      }
    }
    if (entry.category === 'user') ({ level, message } = context);
  }
  state.sink({ ...entry, level, message });
}
