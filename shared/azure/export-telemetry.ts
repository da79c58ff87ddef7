/** Sets up OpenTelemetry for Application Insights. Loaded only where that is asked for. */
import { metrics, trace, type Context, type Link } from '@opentelemetry/api';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Sampler } from '@opentelemetry/sdk-trace';
import { sendLogsTo } from '../observability.ts';
import {
  createLogExporter,
  createMetricExporter,
  createSpanExporter,
  type IngestionTarget,
} from './application-insights.ts';

/** Milliseconds between two exports of metrics: alert rules look once a minute. */
const EXPORT_MS = 60_000;

/** What can be waited for before the process ends. */
export interface TelemetryExport {
  /** Sends what is at hand and ends. */
  shutdown(): Promise<void>;
}

/**
 * Exports what is measured from here on.
 * @param sampled the part of the traces that begin here which is kept, 0 to 1
 */
export function exportTelemetry(target: IngestionTarget, sampled: number): TelemetryExport {
  const exporter = createMetricExporter(target);
  const meters = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: EXPORT_MS })],
  });
  const tracers = new TracerProvider({
    sampler: sampler(sampled),
    spanProcessors: [new BatchSpanProcessor({ exporter: createSpanExporter(target) })],
  });
  metrics.setGlobalMeterProvider(meters);
  trace.setGlobalTracerProvider(tracers);
  const logs = createLogExporter(target);
  sendLogsTo((record) => logs.log(record));
  return {
    async shutdown() {
      sendLogsTo(undefined);
      await Promise.allSettled([meters.shutdown(), tracers.shutdown(), logs.shutdown()]);
    },
  };
}

/**
 * Keeps what its caller keeps, and a batch when one of its events is kept: whoever follows a device's message must find
 * the batch that took it.
 */
function sampler(sampled: number): Sampler {
  const ofOwn = new TraceIdRatioBasedSampler(sampled);
  return {
    shouldSample(context: Context, traceId: string, _name, _kind, _attributes, links: Link[]) {
      const parent = trace.getSpanContext(context);
      const kept = [...(parent ? [parent] : []), ...links.map((link) => link.context)].some(
        ({ traceFlags }) => (traceFlags & 1) === 1,
      );
      if (kept) return { decision: SamplingDecision.RECORD_AND_SAMPLED };
      return parent ? { decision: SamplingDecision.NOT_RECORD } : ofOwn.shouldSample(context, traceId);
    },
    toString: () => 'sluice',
  };
}
