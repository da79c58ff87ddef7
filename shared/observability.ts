/**
 * The registry of the names of metrics, spans and log lines, and the instruments behind them. Product code measures
 * through here and nowhere else; queries, alert rules and the workbook use the same names. Ids of devices or clients are
 * never dimensions: too many.
 */
import {
  metrics,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Attributes,
  type Counter,
  type Histogram,
  type SpanContext,
  type UpDownCounter,
} from '@opentelemetry/api';

/** Every metric of the product: kind, unit and what it counts. */
export const METRICS = {
  'sluice.ingest.accepted': { kind: 'counter', unit: '{event}', description: 'Telemetry events applied and stored' },
  'sluice.ingest.duplicates': {
    kind: 'counter',
    unit: '{event}',
    description: 'Telemetry events that were applied before',
  },
  'sluice.ingest.quarantined': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events put into quarantine, by reason',
  },
  'sluice.ingest.lag': { kind: 'histogram', unit: 'ms', description: 'From the hub accepting an event to its commit' },
  'sluice.ingest.batch': { kind: 'histogram', unit: '{event}', description: 'Hub events of one invocation' },
  'sluice.rules.transitions': {
    kind: 'counter',
    unit: '{transition}',
    description: 'Alerts opened, raised and resolved, by change',
  },
  'sluice.sweep.devices': {
    kind: 'counter',
    unit: '{device}',
    description: 'Devices for which a sweep let time pass',
  },
  'sluice.anomalies.transitions': {
    kind: 'counter',
    unit: '{transition}',
    description: 'Anomalies opened and closed, by state',
  },
  'sluice.anomalies.restarted': {
    kind: 'counter',
    unit: '{parameter}',
    description: 'Parameters whose saved detector could not be read: they learn anew',
  },
  'sluice.journal.entries': { kind: 'counter', unit: '{entry}', description: 'Journal entries appended' },
  'sluice.journal.recovered': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events applied by a writer that died before journaling them',
  },
  'sluice.live.published': { kind: 'counter', unit: '{message}', description: 'Messages published to Web PubSub' },
  'sluice.live.publish.failed': {
    kind: 'counter',
    unit: '{message}',
    description: 'Messages given up: streams find the entries in the store',
  },
  'sluice.live.dropped': {
    kind: 'counter',
    unit: '{message}',
    description: 'Live messages of a shape that is not ours',
  },
  'sluice.notifications.attempts': {
    kind: 'counter',
    unit: '{attempt}',
    description: 'Attempts to tell an action, by outcome',
  },
  'sluice.notifications.suppressed': {
    kind: 'counter',
    unit: '{notification}',
    description: 'Notifications that were not sent, by reason',
  },
  'sluice.actions.disabled': {
    kind: 'counter',
    unit: '{action}',
    description: 'Actions that ended because their endpoint is dead, by reason',
  },
  'sluice.token.issued': { kind: 'counter', unit: '{token}', description: 'Access tokens issued, by grant' },
  'sluice.token.rejected': { kind: 'counter', unit: '{request}', description: 'Token requests refused, by error' },
  'sluice.token.duration': {
    kind: 'histogram',
    unit: 'ms',
    description: 'Time a token request took, refused ones too',
  },
  'sluice.store.charge': { kind: 'counter', unit: '{RU}', description: 'Request units of the store, by operation' },
  'sluice.store.throttled': {
    kind: 'counter',
    unit: '{request}',
    description: 'Requests the store refused for now (429)',
  },
  'sluice.stream.utilization': {
    kind: 'histogram',
    unit: '1',
    description: 'Open streams of an instance as a part of what it may hold, at each opening',
  },
  'sluice.stream.active': { kind: 'updown', unit: '{stream}', description: 'Open streams' },
  'sluice.stream.delivered': { kind: 'counter', unit: '{event}', description: 'Events written to streams' },
  'sluice.stream.resumed': { kind: 'counter', unit: '{stream}', description: 'Streams that began with a cursor' },
  'sluice.stream.gaps': {
    kind: 'counter',
    unit: '{gap}',
    description: 'Gaps announced: the cursor was older than the journal',
  },
} as const satisfies Record<string, { kind: 'counter' | 'histogram' | 'updown'; unit: string; description: string }>;

type NameOf<K> = {
  [N in keyof typeof METRICS]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[keyof typeof METRICS];

const counters = new Map<string, Counter>();
const upDownCounters = new Map<string, UpDownCounter>();
const histograms = new Map<string, Histogram>();

// Instruments are made at first use, not at import: the host installs the meter provider before the app runs.
const meter = () => metrics.getMeter('sluice');

/** Adds to a counter. */
export function count(name: NameOf<'counter'>, value = 1, attributes: Attributes = {}): void {
  const instrument = counters.get(name) ?? meter().createCounter(name, METRICS[name]);
  counters.set(name, instrument);
  instrument.add(value, attributes);
}

/** Adds to a quantity that also falls. */
export function adjust(name: NameOf<'updown'>, value: number): void {
  const instrument = upDownCounters.get(name) ?? meter().createUpDownCounter(name, METRICS[name]);
  upDownCounters.set(name, instrument);
  instrument.add(value);
}

/** Records one measurement. */
export function record(name: NameOf<'histogram'>, value: number): void {
  const instrument = histograms.get(name) ?? meter().createHistogram(name, METRICS[name]);
  histograms.set(name, instrument);
  instrument.record(value);
}

/** Every span of the product, and what it is about. */
export const SPANS = {
  'ingest.batch': 'One batch of a source partition; it links to what its events belong to',
  'http.request': 'One request, until its answer begins',
  'stream.write': 'An event on its way to open streams; a child of what its device sent',
} as const;

/** Links of one span: a batch may hold hundreds of events. */
const LINKS_MAX = 32;

/** What a span is about. Contexts are `traceparent` texts (W3C Trace Context). */
export interface SpanAbout {
  /** What caused it; absent or unreadable: it begins a trace. */
  parent?: string | undefined;
  /** What else it belongs to. Only contexts that somebody keeps are linked. */
  links?: readonly string[];
  attributes?: Attributes;
}

/** Runs `work` within a span. @throws what `work` throws; the span says that it failed */
export async function inSpan<T>(name: keyof typeof SPANS, about: SpanAbout, work: () => Promise<T>): Promise<T> {
  const span = startSpan(name, about);
  try {
    return await work();
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** Notes something that takes no time. */
export function noteSpan(name: keyof typeof SPANS, about: SpanAbout): void {
  startSpan(name, about).end();
}

function startSpan(name: keyof typeof SPANS, { parent, links = [], attributes = {} }: SpanAbout) {
  const cause = readTraceParent(parent);
  const context = cause ? trace.setSpanContext(ROOT_CONTEXT, cause) : ROOT_CONTEXT;
  const linked = links
    .filter(isKept)
    .slice(0, LINKS_MAX)
    .map(readTraceParent)
    .filter((link) => link !== undefined);
  return trace
    .getTracer('sluice')
    .startSpan(name, { attributes, links: linked.map((link) => ({ context: link })) }, context);
}

const TRACE_PARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether a value is a `traceparent` of version 00: what else comes is not ours to interpret, and is left out. */
export function isTraceParent(value: unknown): value is string {
  return typeof value === 'string' && TRACE_PARENT.test(value);
}

/** Whether whoever began a trace keeps it: the flag `sampled` (W3C Trace Context §3.2.2.5.1). */
export function isKept(traceParent: string): boolean {
  return (Number.parseInt(traceParent.slice(-2), 16) & 1) === 1;
}

function readTraceParent(text: string | undefined): SpanContext | undefined {
  if (!isTraceParent(text)) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = text.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

/** Everything that is logged: what went wrong and no answer tells. Never a line for each event of a device. */
export const LOGS = {
  'http-failed': 'error',
  'audit-failed': 'error',
  'last-used-not-recorded': 'warning',
} as const satisfies Record<string, 'warning' | 'error'>;

/** One line of the log. */
export interface LogRecord {
  time: Date;
  level: 'warning' | 'error';
  event: keyof typeof LOGS;
  /** Never a secret. */
  fields: Record<string, unknown>;
  error: { name: string | undefined; message: string | undefined; stack: string | undefined };
}

let logSink: ((record: LogRecord) => void) | undefined;

/** Hands every line from here on to `sink` as well; undefined ends that. */
export function sendLogsTo(sink: ((record: LogRecord) => void) | undefined): void {
  logSink = sink;
}

/** Logs what went wrong: a line of JSON on stderr, which every host collects. Never throws. */
export function log(event: keyof typeof LOGS, fields: Record<string, unknown>, cause: unknown): void {
  const { name, message, stack } = Object(cause) as Partial<Error>;
  const entry: LogRecord = { time: new Date(), level: LOGS[event], event, fields, error: { name, message, stack } };
  const { time, level } = entry;
  process.stderr.write(`${JSON.stringify({ time, level, event, ...fields, name, message, stack })}\n`);
  logSink?.(entry);
}
