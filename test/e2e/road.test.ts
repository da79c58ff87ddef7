/**
 * The whole road over the wire, with everything on it killed in turn: 10,000 events through the real SDK, read back over
 * SSE by a real client.
 */
import { EventHubProducerClient } from '@azure/event-hubs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { administrator, fetchToken, newApplication, type AdministratorApi } from '../support/api-client.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startLocalSystem, type Connection, type LocalSystem } from '../support/local-system.ts';
import { readStream, type TrackingReader } from '../support/tracking-reader.ts';
import { until } from '../support/until.ts';

const DEVICES = 20;
const EVENTS_PER_DEVICE = 500;
const FIRES = 25;

describe('the road of a reading', () => {
  let system: LocalSystem;
  let connection: Connection;
  let admin: AdministratorApi;
  let producer: EventHubProducerClient;

  beforeAll(async () => {
    system = await startLocalSystem();
    connection = system.connection();
    admin = await administrator(connection);
    const { connectionString, eventHub } = connection.eventHubs;
    producer = new EventHubProducerClient(connectionString, eventHub, {
      retryOptions: { timeoutInMs: 5000, retryDelayInMs: 200 },
    });
  }, 90_000);

  afterAll(async () => {
    await producer?.close();
    await system?.[Symbol.asyncDispose]();
  }, 30_000);

  async function send(deviceId: string, bodies: unknown[]): Promise<void> {
    const batch = await producer.createBatch({ partitionKey: deviceId });
    for (const body of bodies) if (!batch.tryAdd({ body })) throw new Error('The batch is full.');
    await producer.sendBatch(batch);
  }

  test('10,000 events arrive once each, whatever is killed on the way, and a rule fires exactly 25 times', async () => {
    await admin.send('POST', '/v1/device-groups', { id: 'road', name: 'Road' });
    const ids = Array.from({ length: DEVICES }, (_, index) => `road-${index}`);
    for (const deviceId of ids) {
      const { status } = await admin.send('POST', '/v1/devices', { deviceId, name: deviceId, groups: ['road'] });
      expect(status).toBe(201);
    }
    const rule = await admin.send('POST', '/v1/rules', {
      name: 'Level too high',
      severity: 'critical',
      scope: { devices: ['road-0'] },
      when: { kind: 'condition', if: { param: 'level', op: 'gt', value: 100 } },
    });
    expect(rule.status).toBe(201);
    const application = await newApplication(admin, { name: 'Road reader', groups: ['road'] });

    const proxy = await startCuttingProxy(connection.api);
    const reader: TrackingReader = readStream(`${proxy.url}/v1/stream/telemetry`, () =>
      fetchToken(connection.api, application.form),
    );
    try {
      await until(() => reader.taken.some(({ type }) => type === 'ready'));
      const started = Date.now() - EVENTS_PER_DEVICE * 1000;
      let round = 0;
      for (let from = 0; from < EVENTS_PER_DEVICE; from += 50) {
        for (const deviceId of ids) {
          const bodies = Array.from({ length: 50 }, (_, offset) => {
            const number = from + offset;
            // Every twentieth reading of the first device is over the threshold: 25 of 500.
            const level = deviceId === 'road-0' && number % 20 === 10 ? 200 : 50 + (number % 7);
            return { deviceId, ts: new Date(started + number * 1000).toISOString(), readings: { level, number } };
          });
          await send(deviceId, bodies);
        }
        round++;
        // Once there is a connection to cut: after a killed host the client needs a moment.
        if (round % 3 === 0) await until(() => proxy.cut() > 0, 30_000);
        if (round === 4 || round === 8) await killHost(system);
        if (round === 2 || round === 6) await cutWebPubSub(connection);
      }
      const telemetry = () => reader.taken.filter(({ type }) => type === 'message');
      await until(() => telemetry().length >= DEVICES * EVENTS_PER_DEVICE, 120_000);
      const alerts = () => reader.taken.filter(({ type }) => type === 'alert');
      await until(() => alerts().length >= FIRES * 2, 10_000);

      const eventIds = telemetry().map(({ data }) => data['eventId']);
      expect(eventIds.length - new Set(eventIds).size).toBe(0);
      for (const deviceId of ids) {
        const numbers = telemetry()
          .filter(({ data }) => data['deviceId'] === deviceId)
          .map(({ data }) => (data['readings'] as { number: number }).number);
        expect(numbers).toEqual(Array.from({ length: EVENTS_PER_DEVICE }, (_, number) => number));
      }
      expect(alerts().filter(({ data }) => data['change'] === 'opened')).toHaveLength(FIRES);
      expect(alerts().filter(({ data }) => data['change'] === 'resolved')).toHaveLength(FIRES);
      // Three connections were cut, and events came after the last cut.
      expect(reader.connections()).toBeGreaterThanOrEqual(4);
    } finally {
      reader.close();
      await proxy.close();
    }
  }, 240_000);

  test('a malformed, an oversized, an unknown-device and a foreign-tenant event end in quarantine and block nothing', async () => {
    await admin.send('POST', '/v1/devices', { deviceId: 'guarded', name: 'Guarded' });
    const application = await newApplication(admin, { name: 'Guarded reader', devices: ['guarded'] });
    const reader = readStream(`${connection.api}/v1/stream/telemetry`, () =>
      fetchToken(connection.api, application.form),
    );
    try {
      await until(() => reader.taken.some(({ type }) => type === 'ready'));
      await send('guarded', [
        Buffer.from('{"deviceId": "guarded", "readings": {'),
        { deviceId: 'guarded', readings: { text: 'x'.repeat(300 * 1024) } },
        { deviceId: 'nobody-knows', readings: { level: 1 } },
        { deviceId: 'guarded', tenantId: 'somebody-else', readings: { level: 1 } },
        { deviceId: 'guarded', readings: { level: 42 } },
      ]);
      await until(() =>
        reader.taken.some(({ data }) => (data['readings'] as { level?: number } | undefined)?.level === 42),
      );
      const { body } = await admin.send<{ items: { reason: string; detail: string }[] }>('GET', '/v1/quarantine');
      expect(body.items.map(({ reason }) => reason).toSorted()).toEqual([
        'foreign-tenant',
        'malformed-json',
        'too-large',
        'unknown-device',
      ]);
      for (const { detail } of body.items) expect(detail).not.toBe('');
    } finally {
      reader.close();
    }
  }, 60_000);

  test('what a device says its event belongs to reaches a reader of CloudEvents, and nonsense goes no further', async () => {
    await admin.send('POST', '/v1/devices', { deviceId: 'traced', name: 'Traced' });
    const application = await newApplication(admin, { name: 'Traced reader', devices: ['traced'] });
    const token = () => fetchToken(connection.api, application.form);
    const reader = readStream(`${connection.api}/v1/stream/telemetry?format=cloudevents`, token);
    try {
      await until(() => reader.taken.some(({ type }) => type === 'ready'));
      const contexts = [
        { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
        { 'Diagnostic-Id': '00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00' },
        { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
        { traceparent: 'x'.repeat(10_000) },
        { traceparent: 7 },
        {},
      ];
      const batch = await producer.createBatch({ partitionKey: 'traced' });
      for (const [number, properties] of contexts.entries()) {
        batch.tryAdd({ body: { deviceId: 'traced', readings: { number } }, properties });
      }
      await producer.sendBatch(batch);
      const events = () => reader.taken.filter(({ type }) => type === 'message').map(({ data }) => data);
      await until(() => events().length >= contexts.length);
      expect(events().map(({ traceparent }) => traceparent)).toEqual([
        '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        '00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00',
        undefined,
        undefined,
        undefined,
        undefined,
      ]);
    } finally {
      reader.close();
    }
  }, 60_000);
});

/** Kills the host in the middle of its work, once a host is there again. */
async function killHost(system: LocalSystem): Promise<void> {
  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  await until(() => isAlive(system.connection().pids.host), 30_000);
  process.kill(system.connection().pids.host, 'SIGKILL');
}

async function cutWebPubSub({ webPubSub }: Connection): Promise<void> {
  const endpoint = /Endpoint=([^;]+)/.exec(webPubSub.connectionString)?.[1] ?? '';
  const response = await fetch(`${endpoint.replace(/\/$/, '')}/$faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ cut: true }),
  });
  if (!response.ok) throw new Error(`The fault was refused: ${response.status} ${await response.text()}`);
}
