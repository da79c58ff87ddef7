/** Commands to devices: over the real SDK to a hub, read by the real consumer. */
import { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition } from '@azure/event-hubs';
import type { ReceivedEventData } from '@azure/event-hubs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import resources from '../../infra/resources.json' with { type: 'json' };
import { createCommandSender } from '../../shared/actions/send-command.ts';
import { livingHubs, retryOptions, type LivingHubs } from '../support/event-hubs.ts';
import { MINUTE, outboxWorld, type OutboxWorld } from '../support/outbox-world.ts';
import { until } from '../support/until.ts';

const HUB = 'commands';
let hubs: LivingHubs;
let world: OutboxWorld;
beforeAll(async () => {
  hubs = await livingHubs({ hubs: resources.eventHubs.hubs });
  world = await outboxWorld();
});
afterAll(async () => {
  await world.close();
  await hubs[Symbol.asyncDispose]();
});

test('a command goes to the hub of commands, by device, under the id of its delivery; templates stay JSON', async () => {
  const { connectionString } = hubs.server;
  const producer = new EventHubProducerClient(connectionString, HUB, { retryOptions });
  const consumer = new EventHubConsumerClient('commands', connectionString, HUB, { retryOptions });
  const read: ReceivedEventData[] = [];
  const reading = consumer.subscribe(
    { processEvents: async (events) => void read.push(...events), processError: async () => {} },
    { startPosition: earliestEventPosition },
  );
  try {
    const command = createCommandSender(() => Promise.resolve(producer));
    const outbox = await world.tenant({ on: ['open'], actions: ['valve'], groupBy: ['ruleId'] }, { command });
    await outbox.act('valve', {
      kind: 'command',
      name: 'Valve',
      command: 'open-valve',
      payload: { to: '{{value}}', because: 'of "{{message}}"', steps: [1, '{{severity}}'] },
      enabled: true,
    });
    const hostile = 'pump-1","command":"explode';
    await outbox.open({ device: hostile });
    await outbox.open({ device: 'pump-2' });
    await outbox.pass(MINUTE);
    await until(() => read.length === 2);
    const [first] = read.filter(({ partitionKey }) => partitionKey === hostile);
    const deliveries = await outbox.deliveries();
    const delivery = deliveries.find(({ event }) => event?.deviceId === hostile);
    expect(first?.messageId).toBe(delivery?.id);
    expect(first?.properties).toMatchObject({ type: 'command', deviceId: hostile });
    expect(first?.body).toEqual({
      id: delivery?.id,
      type: 'command',
      deviceId: hostile,
      command: 'open-valve',
      // A place by itself keeps its type.
      payload: { to: 9, because: `of "${hostile} is too warm"`, steps: [1, 'warning'] },
      cause: { alertId: delivery?.alertId, ruleId: 'r', change: 'opened' },
      issuedAt: expect.any(String),
    });
    // Never one message for two devices.
    expect(new Set(read.map(({ partitionKey }) => partitionKey))).toEqual(new Set([hostile, 'pump-2']));
  } finally {
    await reading.close();
    await consumer.close();
    await producer.close();
  }
});

test('a command that is no longer allowed is dead with that reason, a hub that does not answer is tried again', async () => {
  const command = createCommandSender(() => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' })));
  const outbox = await world.tenant({ on: ['open'], actions: ['valve', 'explode'] }, { command });
  for (const [id, name] of [
    ['valve', 'open-valve'],
    ['explode', 'explode'],
  ] as const)
    await outbox.act(id, { kind: 'command', name: id, command: name, payload: {}, enabled: true });
  await outbox.open();
  await outbox.run();
  const byAction = Object.fromEntries((await outbox.deliveries()).map((each) => [each.actionId, each]));
  expect(byAction['valve']).toMatchObject({
    status: 'pending',
    attempts: 1,
    detail: expect.stringContaining('ECONNREFUSED'),
  });
  expect(byAction['explode']).toMatchObject({ status: 'dead', detail: expect.stringContaining('COMMANDS_ALLOWED') });
});
