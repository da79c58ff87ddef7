/** Where a reader starts: the selector filter of its link, resolved against the partition's log. */
import { ARGUMENT_ERROR, Refused } from './amqp-error.ts';
import type { PartitionLog } from './partition-log.ts';

/** Where to start: by offset, by sequence number, or by time in epoch milliseconds. */
export interface StartPosition {
  readonly by: 'offset' | 'sequence-number' | 'enqueued-time';
  readonly value: string;
  readonly inclusive: boolean;
}

const SELECTOR =
  /^\s*amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time)\s*(>=|>)\s*(?:'([^']*)'|(-?\d+|@latest))\s*$/;

/** What a link without a selector asks for: everything. */
export const FROM_START: StartPosition = { by: 'offset', value: '-1', inclusive: false };

/** Reads a selector such as `amqp.annotation.x-opt-offset > '120'`. @throws Refused */
export function parseSelector(selector: string): StartPosition {
  const match = SELECTOR.exec(selector);
  const by = match?.[1];
  if (match === null || (by !== 'offset' && by !== 'sequence-number' && by !== 'enqueued-time')) {
    throw new Refused(
      ARGUMENT_ERROR,
      `The selector filter '${selector}' is not understood. Supported: amqp.annotation.x-opt-offset, ` +
        `x-opt-sequence-number or x-opt-enqueued-time, compared with > or >= to one value.`,
    );
  }
  return { by, value: match[3] ?? match[4] ?? '', inclusive: match[2] === '>=' };
}

function wholeNumber(position: StartPosition): number {
  if (!/^-?\d{1,16}$/.test(position.value)) {
    throw new Refused(ARGUMENT_ERROR, `The supplied ${position.by} '${position.value}' is not a whole number.`);
  }
  return Number(position.value);
}

/**
 * The sequence number a reader starts at.
 * @throws Refused when the position lies past the end of the log: it belongs to another hub, or to this one before
 * it was emptied
 */
export function resolveStart(log: PartitionLog, position: StartPosition): number {
  if (position.by !== 'enqueued-time' && position.value === '@latest') return log.nextSequence;
  if (position.by === 'offset' && position.value === '-1') return log.state().beginSequence;
  const { inclusive } = position;
  const value = wholeNumber(position);
  if (position.by === 'enqueued-time') {
    return log.firstWhere((_offset, enqueuedMs) => (inclusive ? enqueuedMs >= value : enqueuedMs > value));
  }
  const state = log.state();
  if (position.by === 'offset') {
    if (value > Number(state.lastOffset)) {
      throw new Refused(
        ARGUMENT_ERROR,
        `The supplied offset '${value}' is invalid. The last offset in the system is '${state.lastOffset}'.`,
      );
    }
    return log.firstWhere((offset) => (inclusive ? offset >= value : offset > value));
  }
  if (value > state.lastSequence) {
    throw new Refused(
      ARGUMENT_ERROR,
      `The supplied sequence number '${value}' is invalid. The last sequence number in the system is ` +
        `'${state.lastSequence}'.`,
    );
  }
  return Math.max(state.beginSequence, inclusive ? value : value + 1);
}
