/** Telemetry reaches an ingestion endpoint as Application Insights reads it: the real SDK over a socket, a scripted server. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import { metrics, trace } from '@opentelemetry/api';
import { afterEach, expect, test } from '@jest/globals';
import { captureOutput } from '../support/everything-written.ts';
import { exportTelemetry } from '../../shared/azure/export-telemetry.ts';
import { inSpan, log } from '../../shared/observability.ts';

interface Envelope {
  name: string;
  iKey: string;
  time: string;
  tags: Record<string, string>;
  data: { baseType: string; baseData: Record<string, unknown> };
}

interface Taken {
  authorization: string | undefined;
  url: string | undefined;
  envelopes: Envelope[];
}

type Answer = { status: number; body?: object; headers?: Record<string, string> };

/** An ingestion endpoint that gives the scripted answers, then takes everything. */
async function ingestionEndpoint(script: Answer[] = []) {
  const taken: Taken[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes).toString() : bytes.toString();
      taken.push({
        authorization: request.headers.authorization,
        url: request.url,
        envelopes: JSON.parse(text) as Envelope[],
      });
      const { status, body = {}, headers = {} } = script.shift() ?? { status: 200 };
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    taken,
    all: () => taken.flatMap(({ envelopes }) => envelopes),
    connectionString: `InstrumentationKey=a-key;IngestionEndpoint=http://127.0.0.1:${port}/;AADAudience=an-audience`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

afterEach(() => {
  metrics.disable();
  trace.disable();
});

const target = { role: 'sluice-api', instance: 'instance-1' };

function pointsOf(envelopes: Envelope[], name: string) {
  return envelopes
    .filter(({ data }) => data.baseType === 'MetricData')
    .flatMap(({ data, tags, iKey }) =>
      (data.baseData['metrics'] as { name: string }[]).map((point) => ({
        ...point,
        properties: data.baseData['properties'],
        tags,
        iKey,
      })),
    )
    .filter((point) => point.name === name);
}

test('metrics arrive with their dimensions, what was added since the last time, and the app that they are of', async () => {
  await using endpoint = await ingestionEndpoint();
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString }, 0);
  const meter = metrics.getMeter('test');
  meter.createCounter('requests').add(2, { error: 'invalid_client' });
  const lag = meter.createHistogram('lag');
  lag.record(5);
  lag.record(7);
  await telemetry.shutdown();

  const tags = { 'ai.cloud.role': 'sluice-api', 'ai.cloud.roleInstance': 'instance-1' };
  expect(endpoint.taken[0]?.url).toBe('/v2.1/track');
  expect(pointsOf(endpoint.all(), 'requests')).toEqual([
    expect.objectContaining({ value: 2, count: 1, properties: { error: 'invalid_client' }, iKey: 'a-key', tags }),
  ]);
  expect(pointsOf(endpoint.all(), 'lag')).toEqual([
    expect.objectContaining({ value: 12, count: 2, min: 5, max: 7, properties: {} }),
  ]);
});

test('a token for the audience goes along where one is given', async () => {
  await using endpoint = await ingestionEndpoint();
  const scopes: string[] = [];
  const token = async (scope: string) => {
    scopes.push(scope);
    return 'a-token';
  };
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString, token }, 0);
  metrics.getMeter('test').createCounter('requests').add(1);
  await telemetry.shutdown();

  expect(endpoint.taken[0]?.authorization).toBe('Bearer a-token');
  expect(scopes).toEqual(['an-audience']);
});

test('what is refused for now is sent again, and only that; what is refused for good is not', async () => {
  const errors = [
    { index: 0, statusCode: 400, message: 'bad' },
    { index: 1, statusCode: 429, message: 'later' },
  ];
  await using endpoint = await ingestionEndpoint([
    { status: 503 },
    { status: 206, body: { itemsReceived: 3, itemsAccepted: 1, errors } },
  ]);
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString }, 0);
  const counter = metrics.getMeter('test').createCounter('requests');
  for (const error of ['one', 'two', 'three']) counter.add(1, { error });
  await telemetry.shutdown();

  const sent = endpoint.taken.map(({ envelopes }) =>
    pointsOf(envelopes, 'requests').map(({ properties }) => (properties as { error: string }).error),
  );
  expect(sent).toEqual([['one', 'two', 'three'], ['one', 'two', 'three'], ['two']]);
});

test('a span is kept when its caller keeps it or one of its links, and says whose child it is', async () => {
  await using endpoint = await ingestionEndpoint();
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString }, 0);
  const context = (digit: string, flags: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`;
  await inSpan('http.request', { parent: context('1', '01'), attributes: { route: 'a' } }, async () => undefined);
  await inSpan('ingest.batch', { parent: context('2', '00'), links: [context('3', '01')] }, async () => undefined);
  await inSpan('http.request', { parent: context('4', '00') }, async () => undefined);
  await inSpan('http.request', { parent: 'nonsense' }, async () => undefined);
  const failing = inSpan('http.request', { parent: context('5', '01') }, async () => {
    throw new Error('as asked');
  });
  await expect(failing).rejects.toThrow('as asked');
  await telemetry.shutdown();

  const spans = endpoint.all().filter(({ data }) => data.baseType === 'RemoteDependencyData');
  expect(spans.map(({ tags }) => tags['ai.operation.id']?.[0])).toEqual(['1', '2', '5']);
  expect(spans[0]).toMatchObject({
    tags: { 'ai.operation.parentId': '1'.repeat(16) },
    data: {
      baseData: {
        name: 'http.request',
        success: true,
        properties: { route: 'a' },
        duration: expect.stringMatching(/^0\.00:00:0\d\.\d{3}$/),
      },
    },
  });
  expect(spans[1]?.data.baseData['properties']).toMatchObject({
    '_MS.links': JSON.stringify([{ operation_Id: '3'.repeat(32), id: '3'.repeat(16) }]),
  });
  expect(spans[2]?.data.baseData['success']).toBe(false);
});

test('what is logged arrives as an exception with its fields, on stderr as well, and ends with the export', async () => {
  await using endpoint = await ingestionEndpoint();
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString }, 0);
  const output = captureOutput();
  try {
    log('http-failed', { route: 'v1/me', transient: true }, new TypeError('as asked'));
    await telemetry.shutdown();
    log('http-failed', { route: 'late' }, new Error('after the end'));
  } finally {
    output.stop();
  }
  const lines = output
    .text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines[0]).toMatchObject({ level: 'error', event: 'http-failed', route: 'v1/me', message: 'as asked' });
  const exceptions = endpoint.all().filter(({ data }) => data.baseType === 'ExceptionData');
  expect(exceptions).toHaveLength(1);
  expect(exceptions[0]).toMatchObject({
    name: 'Microsoft.ApplicationInsights.Exception',
    data: {
      baseData: {
        severityLevel: 3,
        exceptions: [{ typeName: 'TypeError', message: 'as asked', hasFullStack: true }],
        properties: { event: 'http-failed', route: 'v1/me', transient: 'true' },
      },
    },
  });
});

test('of a flood of lines the first few hundred are sent', async () => {
  await using endpoint = await ingestionEndpoint();
  const telemetry = exportTelemetry({ ...target, connectionString: endpoint.connectionString }, 0);
  const output = captureOutput();
  try {
    for (let number = 0; number < 1_000; number++) log('audit-failed', { number }, new Error('flood'));
  } finally {
    output.stop();
  }
  await telemetry.shutdown();
  expect(endpoint.all().filter(({ data }) => data.baseType === 'ExceptionData')).toHaveLength(200);
});

test('a connection string without a key is refused', () => {
  expect(() => exportTelemetry({ ...target, connectionString: 'IngestionEndpoint=http://127.0.0.1:1' }, 0)).toThrow(
    'InstrumentationKey',
  );
});
