/** The whole local system while its store is away, and while disks are full: clear errors, and nothing lost or twice. */
import { EventHubProducerClient } from '@azure/event-hubs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { administrator, fetchToken, newApplication, type AdministratorApi } from '../support/api-client.ts';
import { startLocalSystem, type Connection, type LocalSystem } from '../support/local-system.ts';
import { readStream, type TrackingReader } from '../support/tracking-reader.ts';
import { until } from '../support/until.ts';

/** Milliseconds in which a caller must have its 503. */
const ANSWER_MS_MAX = 6_000;
const DEVICES = ['t-0', 't-1', 't-2'];

let system: LocalSystem;
let connection: Connection;
let admin: AdministratorApi;
let producer: EventHubProducerClient;
let reader: TrackingReader;
let sent = 0;

beforeAll(async () => {
  system = await startLocalSystem();
  connection = system.connection();
  admin = await administrator(connection);
  const { connectionString, eventHub } = connection.eventHubs;
  producer = new EventHubProducerClient(connectionString, eventHub, { retryOptions: { maxRetries: 0 } });
  for (const deviceId of DEVICES) await admin.send('POST', '/v1/devices', { deviceId, name: deviceId });
  await admin.send('POST', '/v1/rules', {
    name: 'Every tenth',
    when: { kind: 'condition', if: { param: 'tenth', op: 'eq', value: true } },
  });
  const application = await newApplication(admin, { name: 'Reader', devices: DEVICES });
  reader = readStream(`${connection.api}/v1/stream/telemetry`, () => fetchToken(connection.api, application.form));
  await until(() => reader.taken.some(({ type }) => type === 'ready'), 20_000);
}, 90_000);

afterAll(async () => {
  reader?.close();
  await producer?.close();
  await system?.[Symbol.asyncDispose]();
}, 30_000);

/** Sends events, each numbered, in turn to the devices. */
async function send(events: number): Promise<void> {
  for (let index = 0; index < events; index++) {
    const number = sent;
    const deviceId = DEVICES[number % DEVICES.length] ?? '';
    const body = { deviceId, readings: { number, tenth: Math.floor(number / DEVICES.length) % 10 === 5 } };
    await producer.sendBatch([{ body }], { partitionKey: deviceId });
    sent++;
  }
}

/** Waits until all that was sent has arrived, and says what arrived wrongly. */
async function arrived(): Promise<void> {
  const telemetry = () => reader.taken.filter(({ type }) => type === 'message').map(({ data }) => data);
  await until(() => telemetry().length >= sent, 60_000);
  const numbers = telemetry().map(({ readings }) => (readings as { number: number }).number);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, number) => number));
  for (const deviceId of DEVICES) {
    const own = telemetry().filter((data) => data['deviceId'] === deviceId);
    const inOrder = own.map(({ readings }) => (readings as { number: number }).number);
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
  }
  const opened = Array.from({ length: sent }, (_, number) => Math.floor(number / DEVICES.length)).filter(
    (turn) => turn % 10 === 5,
  ).length;
  const alerts = () => reader.taken.filter(({ type, data }) => type === 'alert' && data['change'] === 'opened');
  await until(() => alerts().length >= opened);
  expect(new Set(alerts().map(({ data }) => data['alertId'])).size).toBe(opened);
  expect(alerts()).toHaveLength(opened);
}

async function strike(endpoint: string, method: 'POST' | 'DELETE', body?: object): Promise<void> {
  const response = await fetch(`${endpoint}/$faults`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`The fault was refused: ${response.status} ${await response.text()}`);
}

async function refusedInTime(method: string, path: string, input?: object): Promise<void> {
  const started = performance.now();
  const { status, body, headers } = await admin.send(method, path, input);
  expect({ status, type: body['type'] }).toEqual({ status: 503, type: 'urn:sluice:problem:unavailable' });
  expect(headers.get('retry-after')).toBe('2');
  expect(performance.now() - started).toBeLessThan(ANSWER_MS_MAX);
}

const hubEndpoint = () =>
  `http://${/Endpoint=sb:\/\/([^;/]+)/.exec(connection.eventHubs.connectionString)?.[1] ?? 'no-endpoint'}`;

test.each([
  ['answers 503', { kind: 'unavailable', count: -1 }],
  ['hangs', { kind: 'delay', delayMs: 60_000, count: -1 }],
])(
  'the store %s: callers get their 503 in time, and what devices send meanwhile arrives once',
  async (_, fault) => {
    const { endpoint } = connection.cosmos;
    await send(15);
    await strike(endpoint, 'POST', fault);
    const began = performance.now();
    await send(15);
    await refusedInTime('GET', '/v1/devices');
    await refusedInTime('POST', '/v1/device-groups', { id: 'never', name: 'Never' });
    await send(15);
    await until(() => performance.now() - began > 3_000);
    await strike(endpoint, 'DELETE');
    expect(await admin.send('GET', '/v1/devices')).toMatchObject({ status: 200 });
    await send(15);
    await arrived();
  },
  120_000,
);

test('the disk of the store is full: writes are 503, reads go on, and when there is room again nothing is missing', async () => {
  const { endpoint } = connection.cosmos;
  await send(10);
  await arrived();
  await strike(endpoint, 'POST', { kind: 'disk-full' });
  const large = { name: 'x'.repeat(100), groups: [] };
  const refused = await untilFull(large);
  expect(refused).toMatchObject({ status: 503, body: { type: 'urn:sluice:problem:unavailable' } });
  await send(30);
  expect(await admin.send('GET', '/v1/devices')).toMatchObject({ status: 200 });
  await strike(endpoint, 'DELETE');
  expect(await admin.send('POST', '/v1/devices', { deviceId: 'after', ...large })).toMatchObject({ status: 201 });
  await send(10);
  await arrived();
}, 120_000);

/** A full file still has pages with room: writes until they are used up. */
async function untilFull(body: object) {
  for (let index = 0; index < 2_000; index++) {
    const answer = await admin.send('POST', '/v1/devices', { deviceId: `filler-${index}`, ...body });
    if (answer.status !== 201) return answer;
  }
  throw new Error('The disk never became full.');
}

test('the disk of the hub is full: a send is refused and not acknowledged, and afterwards everything goes on', async () => {
  await send(5);
  await strike(hubEndpoint(), 'POST', { failWrites: 1_000 });
  const before = sent;
  for (let index = 0; index < 3; index++) await expect(send(1)).rejects.toThrow(/no space left/);
  expect(sent).toBe(before);
  await strike(hubEndpoint(), 'DELETE');
  await send(10);
  await arrived();
}, 60_000);
