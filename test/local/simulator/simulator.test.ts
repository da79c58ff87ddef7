import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import type { EventHubsServer } from '../../../local/event-hubs/event-hubs.ts';
import type { Message } from '../../../local/simulator/chaos.ts';
import { loadFleet } from '../../../local/simulator/fleet.ts';
import type { HubProducer } from '../../../local/simulator/hub-producer.ts';
import { startSimulator } from '../../../local/simulator/simulator.ts';
import type { Simulator, SimulatorOptions } from '../../../local/simulator/simulator.ts';

const fleet = loadFleet();
const NOWHERE = { connectionString: 'unused', eventHub: 'unused', fleet };

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** A hub that keeps what it gets, and can be told to fail. */
class FakeHub implements HubProducer {
  readonly messages: Message[] = [];
  failures = 0;
  closed = 0;

  async send(key: string, messages: readonly Message[]): Promise<void> {
    await Promise.resolve();
    if (this.failures > 0) {
      this.failures--;
      throw new Error('the hub is away');
    }
    if (messages.some((message) => message.key !== key)) throw new TypeError('a batch of several keys');
    this.messages.push(...messages);
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.closed++;
  }
}

function start(options: SimulatorOptions): Simulator {
  const simulator = startSimulator(options);
  open.push(() => simulator.stop());
  return simulator;
}

/** Starts a simulator and resolves once it has sent so many messages. */
async function startUntil(count: number, options: SimulatorOptions): Promise<Simulator> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let sent = 0;
  const onSent = (more: number): void => {
    sent += more;
    if (sent >= count) resolve();
  };
  const simulator = start({ ...options, onSent });
  await promise;
  return simulator;
}

describe('with any hub', () => {
  test('every device sends its recording in order, with the time of now', async () => {
    const hub = new FakeHub();
    const before = Date.now();
    const simulator = await startUntil(200, { ...NOWHERE, speed: 100, producer: hub });
    await simulator.stop();
    expect(simulator.sent).toBe(hub.messages.length);
    expect(new Set(hub.messages.map(({ key }) => key))).toEqual(new Set(fleet.devices.map(({ id }) => id)));
    const first = fleet.series.get('seattle-2');
    const bodies = hub.messages.filter(({ key }) => key === 'seattle-2').map(({ body }) => body);
    expect(bodies.slice(0, 5)).toMatchObject(
      (first?.rows.slice(first.first, first.first + 5) ?? []).map((readings) => ({ deviceId: 'seattle-2', readings })),
    );
    const times = bodies.map((body) => Date.parse(String(Object.getOwnPropertyDescriptor(body, 'ts')?.value)));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(before);
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
  });

  test('what failed is sent again; nothing is lost and nothing sent twice', async () => {
    const hub = new FakeHub();
    hub.failures = 3;
    const trouble: unknown[] = [];
    const onTrouble = (error: unknown): void => void trouble.push(error);
    const simulator = await startUntil(60, { ...NOWHERE, speed: 20, producer: hub, onTrouble });
    await simulator.stop();
    expect(trouble.length).toBeGreaterThan(0);
    const numbers = hub.messages.map(({ messageId }) => Number(messageId.split('-').at(-1))).toSorted((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  test('it stops at once while the hub is away, by stop or by signal, and closes the hub once', async () => {
    const hub = new FakeHub();
    hub.failures = Infinity;
    const controller = new AbortController();
    const { promise: troubled, resolve } = Promise.withResolvers<void>();
    const simulator = start({ ...NOWHERE, producer: hub, signal: controller.signal, onTrouble: () => resolve() });
    await troubled;
    controller.abort();
    await Promise.all([simulator.stop(), simulator.stop()]);
    expect(hub.closed).toBe(1);
    expect(simulator.sent).toBe(0);
  });

  test('it stops although the connection never answers', async () => {
    const hub = new FakeHub();
    hub.close = () => Promise.withResolvers<void>().promise;
    const simulator = await startUntil(1, { ...NOWHERE, producer: hub });
    await simulator.stop();
    expect(simulator.sent).toBeGreaterThan(0);
  });

  test('a signal that was given before stops it before it sends', async () => {
    const hub = new FakeHub();
    const simulator = start({ ...NOWHERE, speed: 1000, producer: hub, signal: AbortSignal.abort() });
    await simulator.stop();
    expect(hub.messages).toEqual([]);
  });

  test('an impossible speed is refused before anything is opened', () => {
    expect(() => startSimulator({ ...NOWHERE, speed: 0 })).toThrow(/speed must be above 0/);
  });
});

describe('with the stand-in of Event Hubs', () => {
  async function hubs(port = 0): Promise<EventHubsServer> {
    const server = await startEventHubs({
      hubs: [{ name: 'telemetry', partitionCount: 4, retentionHours: 1, consumerGroups: ['$Default'] }],
      port,
    });
    open.push(() => server.close());
    return server;
  }

  /** Reads everything from the beginning until so many events came. */
  async function read(connectionString: string, count: number): Promise<{ body: unknown; partitionKey: unknown }[]> {
    const client = new EventHubConsumerClient('$Default', connectionString, 'telemetry');
    open.push(() => client.close());
    const events: { body: unknown; partitionKey: unknown }[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const subscription = client.subscribe(
      {
        processEvents: async (received) => {
          for (const { body, partitionKey } of received) events.push({ body, partitionKey });
          if (events.length >= count) resolve();
          await Promise.resolve();
        },
        processError: async (error) => {
          reject(error);
          await Promise.resolve();
        },
      },
      { startPosition: earliestEventPosition },
    );
    open.push(() => subscription.close());
    await promise;
    return events;
  }

  test('everything that counts as sent can be read, chaos included, and the key is the device', async () => {
    const { connectionString } = await hubs();
    const simulator = await startUntil(1500, {
      connectionString,
      eventHub: 'telemetry',
      fleet,
      speed: 200,
      chaos: true,
      seed: 4,
    });
    await simulator.stop();
    const events = await read(connectionString, simulator.sent);
    expect(events).toHaveLength(simulator.sent);
    const ids = new Set(fleet.devices.map(({ id }) => id));
    expect(events.every(({ partitionKey }) => ids.has(String(partitionKey)))).toBe(true);
    const broken = events.filter(({ body }) => typeof body === 'string' || Buffer.isBuffer(body));
    expect(broken.length).toBeGreaterThan(0);
    const good = events.find(({ body }) => typeof body === 'object' && !Buffer.isBuffer(body))?.body;
    expect(good).toMatchObject({
      deviceId: expect.any(String),
      ts: expect.stringMatching(/^\d{4}-.*Z$/),
      readings: expect.any(Object),
      messageId: expect.any(String),
    });
  }, 30_000);

  test('it waits for a hub that is not there yet', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    probe.close();
    await once(probe, 'close');

    const { promise: troubled, resolve: onTrouble } = Promise.withResolvers<unknown>();
    const { promise: sent, resolve: onSent } = Promise.withResolvers<number>();
    const simulator = start({
      connectionString: `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true`,
      eventHub: 'telemetry',
      fleet,
      onTrouble,
      onSent,
    });
    expect(await troubled).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    await hubs(port);
    expect(await sent).toBeGreaterThan(0);
    await simulator.stop();
  }, 60_000);
});
