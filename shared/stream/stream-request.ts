/** What a client may ask of a stream: query and headers, checked. */
import { z } from 'zod';
import { invalidInput, Problem } from '../http/problem.ts';
import { duration, parseDuration } from '../rules/duration.ts';
import { DEVICE_ID_CHARS_MAX, isDeviceId, isParameterName } from '../telemetry/telemetry-event.ts';
import { parseTimestamp } from '../telemetry/timestamp.ts';
import { CURSOR_CHARS_MAX, parseCursor, type Position } from './cursor.ts';
import { negotiate, type Framing } from './framing.ts';
import type { JournalSource } from './journal-reader.ts';
import { positionAt } from './position-at.ts';
import type { EventKind, Selection } from './view.ts';

/** Devices that one stream may name; without any it has all that are permitted. */
export const FILTER_DEVICES_MAX = 500;
/** Groups that one stream may name. */
export const FILTER_GROUPS_MAX = 50;
/** Parameters that one stream may name. */
export const FILTER_PARAMETERS_MAX = 64;
/** Shortest and longest interval of a stream that wants only the newest per device, in milliseconds. */
const EVERY_MIN_MS = 100;
const EVERY_MAX_MS = 3_600_000;
const GROUP_ID = /^[A-Za-z0-9._~-]{1,128}$/;
const KINDS = ['telemetry', 'alert', 'anomaly'] as const satisfies EventKind[];

/** A comma-separated list, as a set. Checked as text, so that a refusal shows what was sent. */
function list(max: number, what: string, isItem: (text: string) => boolean) {
  return z
    .string()
    .refine((text) => itemsOf(text).size <= max, `may name at most ${max}`)
    .refine((text) => [...itemsOf(text)].every(isItem), `must be ${what}, separated by commas`)
    .transform(itemsOf);
}

function itemsOf(text: string): Set<string> {
  return new Set(text.split(',').map((item) => item.trim()));
}

/** Events of one answer of `GET /v1/telemetry` unless asked otherwise. */
const PULL_EVENTS = 100;
/** Events of one answer at most. */
export const PULL_EVENTS_MAX = 1_000;
const PULL_RULE = `must be a whole number from 1 to ${PULL_EVENTS_MAX}`;

const SINCE_RULE = 'must be a time such as 2026-11-24T09:00:00Z or an age such as 15m or PT1H';

const cursorText = z.string().max(CURSOR_CHARS_MAX, `may have at most ${CURSOR_CHARS_MAX} characters`);

/** Filters and positions that the stream and the pull endpoint share. */
const filterQuery = {
  devices: list(FILTER_DEVICES_MAX, `ids of devices of up to ${DEVICE_ID_CHARS_MAX} characters`, isDeviceId).optional(),
  groups: list(FILTER_GROUPS_MAX, 'ids of device groups', (text) => GROUP_ID.test(text)).optional(),
  parameters: list(FILTER_PARAMETERS_MAX, 'names of parameters', isParameterName).optional(),
  types: list(KINDS.length, `some of ${KINDS.join(', ')}`, (text) => KINDS.some((kind) => kind === text)).optional(),
  cursor: cursorText.optional(),
  since: z.string().max(40, SINCE_RULE).optional(),
  format: z.enum(['plain', 'cloudevents'], 'must be plain or cloudevents').default('plain'),
};

/** The query of `GET /v1/stream/telemetry`. */
export const streamQuery = z.object({
  ...filterQuery,
  every: duration(EVERY_MIN_MS, EVERY_MAX_MS).optional(),
  snapshot: z.literal('latest', 'must be latest').optional(),
  /** What EventSource clients that cannot send the header put into the URL instead: they add it at every reconnection. */
  lastEventId: cursorText.optional(),
  /** Read by the guard. */
  ticket: z.string().max(100, 'is no ticket').optional(),
});

/** The query of `GET /v1/telemetry`. */
export const pullQuery = z.object({
  ...filterQuery,
  limit: z
    .string()
    .regex(/^\d{1,4}$/, PULL_RULE)
    .transform(Number)
    .pipe(z.number().min(1, PULL_RULE).max(PULL_EVENTS_MAX, PULL_RULE))
    .default(PULL_EVENTS),
});

/** The query of a stream, checked. */
export type StreamQuery = z.output<typeof streamQuery>;
/** The query of a pull, checked. */
export type PullQuery = z.output<typeof pullQuery>;

/**
 * What a client of a stream wants to see, and how.
 * @throws Problem 406 when it accepts no format that streams have
 */
export function streamSelection(query: StreamQuery, accept: string | null): Selection {
  const framing = negotiate(accept);
  if (framing === undefined) {
    const formats = 'A stream is text/event-stream or application/x-ndjson: accept one of them.';
    throw new Problem('not-acceptable', 406, formats);
  }
  return { ...selectionOf(query, framing), ...(query.every === undefined ? {} : { everyMs: query.every }) };
}

/** What a client wants to see. */
export function selectionOf(query: StreamQuery | PullQuery, framing: Framing): Selection {
  const { devices, groups, parameters, format, types } = query;
  return {
    framing,
    format,
    types: new Set(KINDS.filter((kind) => types?.has(kind) ?? true)),
    ...(devices === undefined ? {} : { devices }),
    ...(groups === undefined ? {} : { groups }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

/** Where a client wants to begin. */
export interface Beginning {
  /** Whether it brought a cursor. */
  resumed: boolean;
  /** The position; undefined is now. Looks into the journal only for `since`. */
  find(journal: JournalSource, tenantId: string): Promise<Position | undefined>;
}

/**
 * Where to begin. The last event id, of the header or else of the query, wins: an EventSource that reconnects repeats the URL of its first connection.
 * @throws Problem 400 `bad-cursor` for text that is no cursor, 400 for a `since` that is none or together with `cursor`
 */
export function beginningOf(query: StreamQuery | PullQuery, lastEventId: string | undefined, nowMs: number): Beginning {
  const sinceMs = query.since === undefined ? undefined : readSince(query.since, nowMs);
  const text = lastEventId === undefined || lastEventId === '' ? query.cursor : lastEventId;
  if (text !== undefined) {
    if (text === query.cursor && sinceMs !== undefined) {
      throw invalidInput('query', [{ field: 'since', rule: 'must be left out where a cursor is given' }]);
    }
    const position = parseCursor(text);
    if (position === undefined) {
      const where = text === query.cursor ? 'cursor' : 'Last-Event-ID';
      throw new Problem('bad-cursor', 400, `${where}: this is no cursor of ours. Send one as you got it, or none.`);
    }
    return { resumed: true, find: () => Promise.resolve(position) };
  }
  return {
    resumed: false,
    find: async (journal, tenantId) => (sinceMs === undefined ? undefined : positionAt(journal, tenantId, sinceMs)),
  };
}

function readSince(text: string, nowMs: number): number {
  const age = parseDuration(text);
  const at = age === undefined ? parseTimestamp(text) : nowMs - age;
  const rule = at === undefined ? SINCE_RULE : 'must not lie in the future';
  if (at === undefined || at > nowMs) throw invalidInput('query', [{ field: 'since', rule, got: text }]);
  return at;
}
