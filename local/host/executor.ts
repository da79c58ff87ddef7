/** Runs invocations: log lines, functionTimeout, the count of what is in flight. */
import { randomBytes } from 'node:crypto';
import { type Clock, TIMER_MS_MAX } from './clock.ts';
import type { RegisteredFunction } from './core/app-state.ts';
import type { Faults } from './faults/faults.ts';
import type { HostLog } from './log.ts';
import { type OutputWriters, writeOutputs } from './outputs/output.ts';
import { type InvocationInput, type Invoked, invoke, newInvocationId } from './worker.ts';

export type Outcome = ({ ok: true } & Invoked) | { ok: false; error: unknown };

export interface ExecutorOptions {
  /** Writers of output bindings; filled while the app is indexed. */
  outputs: OutputWriters;
  log: HostLog;
  faults: Faults;
  clock: Pick<Clock, 'wait'>;
  /** Milliseconds; `undefined` means no bound. */
  functionTimeoutMs: number | undefined;
  /** The platform restarts the worker process, which ends every other invocation and stream with it. */
  onTimeout: (message: string) => void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

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
    const { log, faults } = this.#options;
    if (!isHttp(fn) && faults.take('duplicate', name)) await this.run(fn, input, reason);
    const startedAt = performance.now();
    const category = `Function.${name}`;
    log('information', `Executing 'Functions.${name}' (Reason='${reason}', Id=${invocationId})`, category);
    const disarm = this.#armTimeout(name, invocationId);
    const work = this.#invoke(fn, invocationId, { traceContext: newTrace(), ...input }).catch(
      (error: unknown): Outcome => ({ ok: false, error }),
    );
    this.#running.add(work);
    const outcome = await work;
    this.#running.delete(work);
    disarm();
    const took = `Id=${invocationId}, Duration=${Math.round(performance.now() - startedAt)}ms`;
    if (outcome.ok) log('information', `Executed 'Functions.${name}' (Succeeded, ${took})`, category);
    else log('error', `Executed 'Functions.${name}' (Failed, ${took}): ${describeError(outcome.error)}`, category);
    return outcome;
  }

  /** Ends delays on request; resolves when nothing is in flight any more. */
  async idle(): Promise<void> {
    this.#closing.abort();
    while (this.#running.size > 0) {
      // oxlint-disable-next-line no-await-in-loop -- an invocation may have started while the last ones ended
      await Promise.all(this.#running);
    }
  }

  async #invoke(fn: RegisteredFunction, invocationId: string, input: InvocationInput): Promise<Outcome> {
    const { faults, outputs, clock } = this.#options;
    const { name } = fn.metadata;
    const delay = faults.take('delay', name);
    if (delay) await clock.wait(delay.delayMs, this.#closing.signal);
    faults.killIfDue('kill-before', name);
    if (faults.take('fail', name)) throw new Error('Failed by the fault "fail".');
    const invoked = await invoke(fn, invocationId, input);
    await writeOutputs(outputs, fn, invoked.response);
    faults.killIfDue('kill-after', name);
    if (faults.take('lose-result', name)) throw new Error('Failed by the fault "lose-result", after it had run.');
    return { ok: true, ...invoked };
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

function isHttp(fn: RegisteredFunction): boolean {
  return Object.values(fn.metadata.bindings).some(({ type }) => type.toLowerCase() === 'httptrigger');
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
