/** What a client of a JSON subprotocol may say. */
import { MESSAGE_TTL_SECONDS_MAX } from './limits.ts';
import { isGroupName } from './names.ts';
import type { Content, Metadata } from './message.ts';

/** A request of a client. `other` is what the service knows and this stand-in does not do, or what nobody knows. */
export type ClientFrame = { ackId: number | undefined } & (
  | { type: 'joinGroup' | 'leaveGroup'; group: string }
  | PublishFrame
  | { type: 'sequenceAck'; sequenceId: number }
  | { type: 'ping' }
  | { type: 'invoke'; invocationId: string }
  | { type: 'other'; name: string }
);

/** A message for a group. `ttlSeconds` 0 is for ever. */
export interface PublishFrame {
  type: 'sendToGroup';
  group: string;
  noEcho: boolean;
  content: Content;
  ttlSeconds: number;
  metadata: Metadata | undefined;
}

/** A frame that breaks the protocol: it names the field and the rule. */
export class FrameError extends Error {}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const metadataKey = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Reads a text frame.
 * @throws FrameError
 */
export function readClientFrame(text: string): ClientFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    throw new FrameError('The frame is not JSON.');
  }
  if (!isRecord(frame)) throw new FrameError('The frame is not a JSON object.');
  const type = frame['type'];
  if (typeof type !== 'string') throw new FrameError('type: must be a string.');
  const ackId = wholeNumber(frame, 'ackId');
  switch (type) {
    case 'joinGroup':
    case 'leaveGroup':
      return { type, ackId, group: group(frame) };
    case 'sendToGroup':
      return { type, ackId, group: group(frame), ...published(frame) };
    case 'sequenceAck': {
      const sequenceId = wholeNumber(frame, 'sequenceId');
      if (sequenceId === undefined) throw new FrameError('sequenceId: is missing.');
      return { type, ackId, sequenceId };
    }
    case 'ping':
      return { type, ackId };
    case 'invoke': {
      const invocationId = frame['invocationId'];
      if (typeof invocationId !== 'string') throw new FrameError('invocationId: must be a string.');
      return { type, ackId, invocationId };
    }
    default:
      return { type: 'other', ackId, name: type.slice(0, 100) };
  }
}

function published(frame: Record<string, unknown>) {
  const noEcho = frame['noEcho'] ?? false;
  if (typeof noEcho !== 'boolean') throw new FrameError('noEcho: must be true or false.');
  const ttlSeconds = wholeNumber(frame, 'ttlSeconds') ?? 0;
  if (ttlSeconds > MESSAGE_TTL_SECONDS_MAX) throw new FrameError(`ttlSeconds: is above ${MESSAGE_TTL_SECONDS_MAX}.`);
  return { noEcho, ttlSeconds, content: content(frame), metadata: metadata(frame) };
}

function content(frame: Record<string, unknown>): Content {
  const data = frame['data'];
  const dataType = frame['dataType'] ?? 'json';
  switch (dataType) {
    case 'json':
      if (data === undefined) throw new FrameError('data: is missing.');
      return { dataType: 'json', text: jsonOf(data) };
    case 'text':
      if (typeof data !== 'string') throw new FrameError('data: must be a string, as dataType is text.');
      return { dataType: 'text', text: data };
    case 'binary':
      if (typeof data !== 'string' || !base64.test(data)) {
        throw new FrameError('data: must be a base64 string, as dataType is binary.');
      }
      return { dataType: 'binary', bytes: Buffer.from(data, 'base64') };
    default:
      throw new FrameError('dataType: must be json, text or binary.');
  }
}

/** JSON.parse takes any depth, JSON.stringify ends with the stack. */
function jsonOf(data: unknown): string {
  try {
    return JSON.stringify(data);
  } catch {
    throw new FrameError('data: is nested too deeply.');
  }
}

function metadata(frame: Record<string, unknown>): Metadata | undefined {
  const given = frame['metadata'];
  if (given === undefined || given === null) return undefined;
  if (!isRecord(given)) throw new FrameError('metadata: must be an object.');
  const read: Metadata = {};
  for (const [key, value] of Object.entries(given)) {
    if (!metadataKey.test(key) || typeof value !== 'string') {
      throw new FrameError('metadata: keys are letters, digits, - and _, values are strings.');
    }
    read[key] = value;
  }
  return read;
}

function group(frame: Record<string, unknown>): string {
  const name = frame['group'];
  if (!isGroupName(name)) throw new FrameError('group: must be a string of 1 to 1024 characters, not only blanks.');
  return name;
}

function wholeNumber(frame: Record<string, unknown>, field: string): number | undefined {
  const value = frame[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new FrameError(`${field}: must be a whole number, 0 or more.`);
  }
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
