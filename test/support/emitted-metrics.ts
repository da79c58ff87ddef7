/**
 * Which metrics of the registry the tests of one file really emit, by a meter provider that notes names. The end of a
 * whole run asks that none is missing (`every-metric.ts`): a metric that nothing emits any more is a lie on the workbook.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNoopMeter, metrics, type Meter } from '@opentelemetry/api';
import { afterAll, expect } from '@jest/globals';

/** Where each test file leaves the names that it saw. */
export const EMITTED = fileURLToPath(new URL('../../build/emitted-metrics', import.meta.url));

/** Rooms whose tests bring a provider of their own. */
const OWN_PROVIDER = /[\\/]test[\\/](local|azure)[\\/]/;

const { testPath = '' } = expect.getState();
if (!OWN_PROVIDER.test(testPath)) noteNames(path.basename(testPath, '.test.ts'));

function noteNames(file: string): void {
  const seen = new Set<string>();
  const noop = createNoopMeter();
  const meter: Meter = Object.assign(Object.create(noop) as Meter, {
    createCounter: (name: string) => ({ add: () => seen.add(name) }),
    createUpDownCounter: (name: string) => ({ add: () => seen.add(name) }),
    createHistogram: (name: string) => ({ record: () => seen.add(name) }),
  });
  metrics.setGlobalMeterProvider({ getMeter: () => meter });
  afterAll(() => {
    if (seen.size === 0) return;
    mkdirSync(EMITTED, { recursive: true });
    writeFileSync(path.join(EMITTED, `${file}-${process.pid}-${Date.now()}.json`), JSON.stringify([...seen]));
  });
}
