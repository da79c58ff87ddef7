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

/** What each format may be called in an Accept header. */
const NAMES: readonly { framing: Framing; names: readonly string[] }[] = [
  { framing: sse, names: ['text/event-stream'] },
  { framing: ndjson, names: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'] },
];

/**
 * The format for an Accept header (RFC 9110 §12.5.1): of each format the most specific range counts. The best is the one
 * with the highest weight, then the one that is named and not merely allowed, then the one that is named first.
 * @returns undefined when the header accepts neither
 */
export function negotiate(accept: string | null | undefined): Framing | undefined {
  if (accept === null || accept === undefined || accept.trim() === '') return sse;
  const ranges = accept.split(',').map(readRange);
  let best: { framing: Framing; range: MediaRange } | undefined;
  for (const { framing, names } of NAMES) {
    const range = ranges.filter(({ name }) => covers(name, names)).toSorted(bySpecificity)[0];
    if (range === undefined || !(range.quality > 0)) continue;
    if (best === undefined || byPreference(range, best.range, ranges) < 0) best = { framing, range };
  }
  return best?.framing;
}

/** One range of an Accept header. */
interface MediaRange {
  name: string;
  /** 0 for a weight that is none. */
  quality: number;
  /** 2 for a name, 1 for all names of a type, 0 for everything. */
  specificity: number;
}

function readRange(text: string): MediaRange {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
  const specificity = name === '*/*' ? 0 : name.endsWith('/*') ? 1 : 2;
  return { name, quality: /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(weight) ? Number(weight) : 0, specificity };
}

function covers(range: string, names: readonly string[]): boolean {
  return range === '*/*' || names.some((name) => name === range || `${name.split('/')[0]}/*` === range);
}

function bySpecificity(one: MediaRange, other: MediaRange): number {
  return other.specificity - one.specificity || other.quality - one.quality;
}

function byPreference(one: MediaRange, other: MediaRange, ranges: readonly MediaRange[]): number {
  return (
    other.quality - one.quality || other.specificity - one.specificity || ranges.indexOf(one) - ranges.indexOf(other)
  );
}
