/**
 * Retry policies of a function (Event Hubs, timers, Cosmos DB). The loop lives in the host's memory: a restart begins to
 * count anew, and every attempt is an invocation with an id of its own.
 */
import type { Clock } from './clock.ts';
import { ConfigurationError } from './config/configuration-error.ts';
import type { RetryContext, RetryOptions } from './core/contract.ts';
import type { Outcome } from './executor.ts';

/** `maxRetryCount` that never ends. */
const FOR_EVER = -1;

export interface RetryPolicy {
  /** -1 means for ever. */
  maxRetryCount: number;
  /** Milliseconds before the n-th retry, counted from 1. */
  delayMs(retry: number): number;
}

/**
 * Reads the policy of a function; none means that one failure is the end.
 * @param random 0 (inclusive) to 1 (exclusive)
 * @throws ConfigurationError naming the function and the option
 */
export function retryPolicy(
  functionName: string,
  options: RetryOptions | undefined,
  random: () => number = Math.random,
): RetryPolicy {
  if (options === undefined) return { maxRetryCount: 0, delayMs: () => 0 };
  const where = `Function "${functionName}": retry`;
  const { maxRetryCount, retryStrategy } = options;
  if (maxRetryCount === undefined || !Number.isInteger(maxRetryCount) || maxRetryCount < FOR_EVER) {
    throw new ConfigurationError(`${where}.maxRetryCount must be a whole number, or -1 for no end`);
  }
  if (retryStrategy === 'fixedDelay') {
    const interval = options.delayInterval?.seconds;
    if (interval === undefined) throw new ConfigurationError(`${where}.delayInterval is missing`);
    return { maxRetryCount, delayMs: () => interval * 1000 };
  }
  if (retryStrategy !== 'exponentialBackoff') {
    throw new ConfigurationError(`${where}.strategy must be fixedDelay or exponentialBackoff`);
  }
  const minimum = options.minimumInterval?.seconds;
  const maximum = options.maximumInterval?.seconds;
  if (minimum === undefined || maximum === undefined) {
    throw new ConfigurationError(`${where} needs minimumInterval and maximumInterval`);
  }
  if (minimum > maximum) throw new ConfigurationError(`${where}.minimumInterval is above maximumInterval`);
  return {
    maxRetryCount,
    delayMs: (retry) => {
      const growth = retry < 2 ? 0 : (0.8 + 0.4 * random()) * 2 ** (retry - 2) * minimum;
      return Math.min(minimum + growth, maximum) * 1000;
    },
  };
}

/**
 * Runs an attempt until it succeeds, the policy is used up, or `signal` aborts (host stops, partition lost).
 * @returns the last outcome
 */
export async function runWithRetries(
  attempt: (context: RetryContext | undefined) => Promise<Outcome>,
  policy: RetryPolicy,
  signal: AbortSignal,
  { wait }: Pick<Clock, 'wait'>,
): Promise<Outcome> {
  let outcome = await attempt(undefined);
  for (let retry = 1; !outcome.ok; retry += 1) {
    if (policy.maxRetryCount !== FOR_EVER && retry > policy.maxRetryCount) break;
    // oxlint-disable-next-line no-await-in-loop -- one attempt after the other is the point
    await wait(policy.delayMs(retry), signal);
    if (signal.aborted) break;
    const context: RetryContext = {
      retryCount: retry,
      maxRetryCount: policy.maxRetryCount,
      exception: describeFailure(outcome.error),
    };
    // oxlint-disable-next-line no-await-in-loop
    outcome = await attempt(context);
  }
  return outcome;
}

/** As the host words a failure of the worker. */
function describeFailure(error: unknown): NonNullable<RetryContext['exception']> {
  const message = Error.isError(error) ? error.message : String(error);
  const stackTrace = Error.isError(error) ? (error.stack ?? '') : '';
  return {
    message: `Result: Failure\nException: ${message}\nStack: ${stackTrace}`,
    source: 'System.Private.CoreLib',
    stackTrace,
  };
}
