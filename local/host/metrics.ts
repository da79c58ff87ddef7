/**
 * Metrics on one machine: a global OpenTelemetry meter provider, registered before the app is loaded, whose numbers
 * `GET /metrics` gives in the text format of Prometheus. The product sees only `@opentelemetry/api`.
 */
import { metrics } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

/** Collects only when asked. */
class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export interface Metrics {
  /** All metrics as text. */
  text: () => Promise<string>;
  close: () => Promise<void>;
}

/** Registers the provider. A provider that is already there stays (a test may bring its own); then the text is empty. */
export function registerMetrics(): Metrics {
  const reader = new PullReader();
  const provider = new MeterProvider({ readers: [reader] });
  const registered = metrics.setGlobalMeterProvider(provider);
  // Without target_info: its default service name is this machine's path of Node.
  const serialiser = new PrometheusSerializer('', false, undefined, true);
  return {
    text: async () => serialiser.serialize((await reader.collect()).resourceMetrics),
    close: async () => {
      if (registered) metrics.disable();
      await provider.shutdown();
    },
  };
}
