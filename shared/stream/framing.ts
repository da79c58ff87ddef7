/**
 * How events look on the wire. A frame is complete in itself; `seal` puts the cursor on the last frame of a write and
 * only there: whoever is cut off inside a write gets it again and skips nothing.
 * Blocks that carry only an `id:` are never sent: not every EventSource keeps their id.
 */

/** The kinds of events of a stream. Telemetry is the default type of an EventSource: `onmessage` receives it. */
export type EventType =
  | 'telemetry'
  | 'alert'
  | 'anomaly'
  | 'ready'
  | 'snapshot'
  | 'heartbeat'
  | 'gap'
  | 'token_expiring'
  | 'close';

/** One wire format. */
export interface Framing {
  readonly name: 'sse' | 'ndjson';
  readonly contentType: string;
  /** The opening of a response: the reconnection time of an EventSource. */
  preamble(retryMs: number): string;
  /** A complete event. `json` is its payload without line breaks, as JSON.stringify makes it. */
  frame(type: EventType, json: string): string;
  /** Frames with the cursor on the last one. `frames` is one frame or more. */
  seal(frames: string, cursor: string): string;
}

/** Server-sent events, WHATWG HTML §9.2. */
export const sse: Framing = {
  name: 'sse',
  contentType: 'text/event-stream; charset=utf-8',
  preamble: (retryMs) => `retry: ${retryMs}\n`,
  frame: (type, json) => (type === 'telemetry' ? `data: ${json}\n\n` : `event: ${type}\ndata: ${json}\n\n`),
  seal: (frames, cursor) => `${frames.slice(0, -1)}id: ${cursor}\n\n`,
};

/** One JSON object a line: `{"type":…,"data":…,"cursor":…}`, the cursor where SSE has an id. */
export const ndjson: Framing = {
  name: 'ndjson',
  contentType: 'application/x-ndjson; charset=utf-8',
  preamble: () => '',
  frame: (type, json) => `{"type":"${type}","data":${json}}\n`,
  seal: (frames, cursor) => `${frames.slice(0, -2)},"cursor":"${cursor}"}\n`,
};

/**
 * The format for an Accept header: ndjson where it is named and Server-sent events are not preferred.
 * @returns undefined when the header accepts neither
 */
export function negotiate(accept: string | null | undefined): Framing | undefined {
  if (accept === null || accept === undefined || accept.trim() === '') return sse;
  let best: { framing: Framing; quality: number } | undefined;
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    const framing = RANGES.get(name);
    if (framing !== undefined && quality > (best?.quality ?? 0)) best = { framing, quality };
  }
  return best?.framing;
}

const RANGES = new Map<string, Framing>([
  ['text/event-stream', sse],
  ['text/*', sse],
  ['*/*', sse],
  ['application/x-ndjson', ndjson],
  ['application/ndjson', ndjson],
  ['application/jsonl', ndjson],
]);
