/** Runs invocations: log lines, functionTimeout, the count of what is in flight. */
import { randomBytes } from 'node:crypto';
import { TIMER_MS_MAX } from './clock.ts';
import type { RegisteredFunction } from './core/app-state.ts';
import type { HostLog } from './log.ts';
import { type OutputWriters, writeOutputs } from './outputs/output.ts';
import { type InvocationInput, type Invoked, invoke, newInvocationId } from './worker.ts';

export type Outcome = ({ ok: true } & Invoked) | { ok: false; error: unknown };

export interface ExecutorOptions {
  /** Writers of output bindings; filled while the app is indexed. */
  outputs: OutputWriters;
  log: HostLog;
  /** Milliseconds; `undefined` means no bound. */
  functionTimeoutMs: number | undefined;
  /** The platform restarts the worker process, which ends every other invocation and stream with it. */
  onTimeout: (message: string) => void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** Runs one invocation; never rejects. */
  async run(
    fn: RegisteredFunction,
    input: InvocationInput,
    reason: string,
    invocationId: string = newInvocationId(),
  ): Promise<Outcome> {
    const { name } = fn.metadata;
    const { log, outputs } = this.#options;
    const startedAt = performance.now();
    log('information', `Executing 'Functions.${name}' (Reason='${reason}', Id=${invocationId})`);
    const disarm = this.#armTimeout(name, invocationId);
    const work = invoke(fn, invocationId, { traceContext: newTrace(), ...input })
      .then(async (invoked): Promise<Outcome> => {
        await writeOutputs(outputs, fn, invoked.response);
        return { ok: true, ...invoked };
      })
      .catch((error: unknown): Outcome => ({ ok: false, error }));
    this.#running.add(work);
    const outcome = await work;
    this.#running.delete(work);
    disarm();
    const took = `Id=${invocationId}, Duration=${Math.round(performance.now() - startedAt)}ms`;
    if (outcome.ok) log('information', `Executed 'Functions.${name}' (Succeeded, ${took})`);
    else log('error', `Executed 'Functions.${name}' (Failed, ${took}): ${describeError(outcome.error)}`);
    return outcome;
  }

  /** Resolves when nothing is in flight any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) {
      // oxlint-disable-next-line no-await-in-loop -- an invocation may have started while the last ones ended
      await Promise.all(this.#running);
    }
  }

  #armTimeout(name: string, invocationId: string): () => void {
    const { functionTimeoutMs, onTimeout } = this.#options;
    if (functionTimeoutMs === undefined) return () => {};
    const message =
      `Timeout value of ${functionTimeoutMs / 1000} s exceeded by function 'Functions.${name}' (Id: '${invocationId}'). ` +
      'The platform restarts the worker process at this point.';
    const timer = setTimeout(() => onTimeout(message), Math.min(functionTimeoutMs, TIMER_MS_MAX));
    timer.unref();
    return () => clearTimeout(timer);
  }
}

/** A W3C trace of its own, not sampled; HTTP requests bring theirs. */
function newTrace(): NonNullable<InvocationInput['traceContext']> {
  const traceParent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
  return { traceParent, traceState: '', attributes: {} };
}

/** An error with its stack, for a log line. */
export function describeError(error: unknown): string {
  return Error.isError(error) ? (error.stack ?? error.message) : String(error);
}
