/**
 * Sends what was measured to the ingestion endpoint of Application Insights, as its envelopes: `POST /v2.1/track`. Ours
 * because the SDK's exporter is a tenth of the whole package, and half of that measures itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { HrTime } from '@opentelemetry/api';
import { AggregationTemporality, DataPointType, InstrumentType } from '@opentelemetry/sdk-metrics';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { LogRecord } from '../observability.ts';

/** Milliseconds one attempt may take. */
const SEND_MS_MAX = 10_000;
/** Milliseconds that lines of the log wait for others. */
const LOG_MS = 5_000;
/** Lines that wait at most: in an outage each request fails, and the first of them tell enough. */
const LOG_LINES_MAX = 200;
/** Attempts in all: what is late by then is given up, as the next minute's figures matter more. */
const ATTEMPTS_MAX = 3;
/** Milliseconds before another attempt, unless the answer says how long. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;
/** Answers after which the same may be sent again. 439 is the service's own "too many in this time". */
const TRANSIENT: ReadonlySet<number> = new Set([401, 403, 408, 429, 439, 500, 502, 503, 504]);

/** Where to send, and as who. */
export interface IngestionTarget {
  /** `InstrumentationKey=…;IngestionEndpoint=…`. */
  connectionString: string;
  /** The app's name and this instance's, as the portal shows them. */
  role: string;
  instance: string;
  /** A token for the scope; absent: the instrumentation key alone. */
  token?: (scope: string) => Promise<string>;
}

interface Envelope {
  name: string;
  time: string;
  iKey: string;
  tags: Record<string, string>;
  data: { baseType: string; baseData: Record<string, unknown> };
}

type Done = (result: { code: number; error?: Error }) => void;

/** Sends envelopes. @throws Error when they were given up */
type Send = (envelopes: Envelope[]) => Promise<void>;

/** Exports metrics. Counters go as what was added since the last time, which is what the queries sum up. */
export function createMetricExporter(target: IngestionTarget): PushMetricExporter {
  const { send, stamp } = ingestion(target);
  return {
    export: (metrics, done) => void settle(send(metricEnvelopes(metrics, stamp)), done),
    selectAggregationTemporality: (type) =>
      type === InstrumentType.UP_DOWN_COUNTER ? AggregationTemporality.CUMULATIVE : AggregationTemporality.DELTA,
    forceFlush: async () => {},
    shutdown: async () => {},
  };
}

/** Exports spans, as dependencies within the operation of whoever began the trace. */
export function createSpanExporter(target: IngestionTarget): SpanExporter {
  const { send, stamp } = ingestion(target);
  return {
    export: (spans, done) => void settle(send(spans.map((span) => spanEnvelope(span, stamp))), done),
    shutdown: async () => {},
  };
}

/** Takes lines of the log and sends them a few seconds later, many at once. */
export function createLogExporter(target: IngestionTarget): {
  log(record: LogRecord): void;
  shutdown(): Promise<void>;
} {
  const { send, stamp } = ingestion(target);
  let waiting: Envelope[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const lines = waiting;
    waiting = [];
    // They are on stderr as well.
    await Promise.allSettled([send(lines)]);
  };
  return {
    log(record) {
      if (waiting.length < LOG_LINES_MAX) waiting.push(logEnvelope(record, stamp));
      timer ??= setTimeout(() => void flush(), LOG_MS).unref();
    },
    shutdown: flush,
  };
}

async function settle(sending: Promise<void>, done: Done): Promise<void> {
  const [outcome] = await Promise.allSettled([sending]);
  done(outcome.status === 'fulfilled' ? { code: 0 } : { code: 1, error: outcome.reason as Error });
}

/** What every envelope of this process carries. */
type Stamp = Pick<Envelope, 'iKey' | 'tags'>;

function ingestion(target: IngestionTarget): { send: Send; stamp: Stamp } {
  const { key, endpoint, scope } = readConnectionString(target.connectionString);
  const url = `${endpoint}/v2.1/track`;
  const stamp = { iKey: key, tags: { 'ai.cloud.role': target.role, 'ai.cloud.roleInstance': target.instance } };
  const headersOf = async () => ({
    'content-type': 'application/json',
    ...(target.token && { authorization: `Bearer ${await target.token(scope)}` }),
  });
  const send: Send = async (envelopes) => {
    let left = envelopes;
    for (let attempt = 1; left.length > 0; attempt++) {
      // oxlint-disable-next-line no-await-in-loop -- another attempt waits for the answer to the one before
      const outcome = await attemptTo(url, headersOf, left);
      left = outcome.again;
      if (left.length === 0) return;
      if (attempt === ATTEMPTS_MAX) throw new Error(`Application Insights does not take telemetry: ${outcome.why}`);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await delay(outcome.waitMs, undefined, { ref: false });
    }
  };
  return { send, stamp };
}

/** What one attempt left over. What was refused for good is not sent again. */
interface Outcome {
  again: Envelope[];
  why: string;
  waitMs: number;
}

async function attemptTo(
  url: string,
  headersOf: () => Promise<Record<string, string>>,
  envelopes: Envelope[],
): Promise<Outcome> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: await headersOf(),
      body: JSON.stringify(envelopes),
      // A token must not follow a redirect to wherever an answer says.
      redirect: 'error',
      signal: AbortSignal.timeout(SEND_MS_MAX),
    });
    const text = await response.text();
    const waitMs = Math.min(Number(response.headers.get('retry-after') ?? 0) * 1000 || RETRY_MS, RETRY_MS_MAX);
    const why = `status ${response.status}`;
    if (response.status === 206) return { again: refusedForNow(text, envelopes), why, waitMs };
    return { again: TRANSIENT.has(response.status) ? envelopes : [], why, waitMs };
  } catch (error) {
    return { again: envelopes, why: error instanceof Error ? error.message : 'no answer', waitMs: RETRY_MS };
  }
}

/** The envelopes of a partly accepted request that may be sent again. */
function refusedForNow(text: string, envelopes: Envelope[]): Envelope[] {
  const { errors = [] } = JSON.parse(text) as { errors?: { index: number; statusCode: number }[] };
  return errors
    .filter(({ statusCode }) => TRANSIENT.has(statusCode))
    .map(({ index }) => envelopes[index])
    .filter((envelope) => envelope !== undefined);
}

/** @throws Error for a connection string without a key */
function readConnectionString(text: string): { key: string; endpoint: string; scope: string } {
  const parts = new Map(
    text.split(';').map((part): [string, string] => {
      const at = part.indexOf('=');
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
    }),
  );
  const key = parts.get('instrumentationkey');
  if (!key) throw new Error('APPLICATIONINSIGHTS_CONNECTION_STRING: InstrumentationKey is missing');
  const endpoint = (parts.get('ingestionendpoint') ?? 'https://dc.services.visualstudio.com').replace(/\/+$/, '');
  return { key, endpoint, scope: parts.get('aadaudience') ?? 'https://monitor.azure.com/.default' };
}

function metricEnvelopes({ scopeMetrics }: ResourceMetrics, stamp: Stamp): Envelope[] {
  const time = new Date().toISOString();
  return scopeMetrics
    .flatMap(({ metrics }) => metrics)
    .flatMap(({ descriptor: { name }, ...metric }) => {
      const envelope = (attributes: object, figures: object): Envelope => ({
        ...stamp,
        name: 'Microsoft.ApplicationInsights.Metric',
        time,
        data: {
          baseType: 'MetricData',
          baseData: { ver: 2, metrics: [{ name, kind: 'Aggregation', ...figures }], properties: textual(attributes) },
        },
      });
      switch (metric.dataPointType) {
        case DataPointType.SUM:
        case DataPointType.GAUGE:
          return metric.dataPoints.map(({ attributes, value }) => envelope(attributes, { value, count: 1 }));
        case DataPointType.HISTOGRAM:
        case DataPointType.EXPONENTIAL_HISTOGRAM:
          return metric.dataPoints
            .filter(({ value }) => value.count > 0)
            .map(({ attributes, value: { sum = 0, count, min, max } }) =>
              envelope(attributes, { value: sum, count, min, max }),
            );
      }
    });
}

function spanEnvelope(span: ReadableSpan, { iKey, tags }: Stamp): Envelope {
  const { traceId, spanId } = span.spanContext();
  const parent = span.parentSpanContext?.spanId;
  const links = span.links.map(({ context }) => ({ operation_Id: context.traceId, id: context.spanId }));
  return {
    iKey,
    name: 'Microsoft.ApplicationInsights.RemoteDependency',
    time: new Date(millis(span.startTime)).toISOString(),
    tags: { ...tags, 'ai.operation.id': traceId, ...(parent && { 'ai.operation.parentId': parent }) },
    data: {
      baseType: 'RemoteDependencyData',
      baseData: {
        ver: 2,
        id: spanId,
        name: span.name,
        type: 'InProc',
        duration: timespan(millis(span.duration)),
        success: span.status.code !== 2,
        properties: {
          ...textual(span.attributes),
          ...(links.length > 0 && { '_MS.links': JSON.stringify(links) }),
        },
      },
    },
  };
}

function logEnvelope({ time, level, event, fields, error }: LogRecord, stamp: Stamp): Envelope {
  const { name: typeName = 'Error', message = '', stack } = error;
  return {
    ...stamp,
    name: 'Microsoft.ApplicationInsights.Exception',
    time: time.toISOString(),
    data: {
      baseType: 'ExceptionData',
      baseData: {
        ver: 2,
        severityLevel: level === 'error' ? 3 : 2,
        exceptions: [{ typeName, message, hasFullStack: stack !== undefined, stack }],
        properties: textual({ event, ...fields }),
      },
    },
  };
}

function textual(attributes: object): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]));
}

function millis([seconds, nanos]: HrTime): number {
  return seconds * 1000 + nanos / 1e6;
}

/** `d.hh:mm:ss.mmm`, as .NET writes it. */
function timespan(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const seconds = ((ms / 1000) % 60).toFixed(3).padStart(6, '0');
  return `${Math.floor(ms / 86_400_000)}.${two((ms / 3_600_000) % 24)}:${two((ms / 60_000) % 60)}:${seconds}`;
}
