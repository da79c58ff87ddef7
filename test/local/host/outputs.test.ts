import { CosmosClient } from '@azure/cosmos';
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import { app, output } from '@azure/functions';
import { WebPubSubServiceClient } from '@azure/web-pubsub';
import { WebPubSubClient } from '@azure/web-pubsub-client';
import { beforeEach, expect, test } from '@jest/globals';
import { startCosmos } from '../../../local/cosmos/cosmos.ts';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import { startWebPubSub } from '../../../local/web-pubsub/web-pubsub.ts';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';

beforeEach(emptyApp);

const connectionOf = ({ endpoint, key }: { endpoint: string; key: string }) =>
  `AccountEndpoint=${endpoint};AccountKey=${key};`;

test('eventHub: every entry of an array is one event, a text stays as it is', async () => {
  const hubs = await startEventHubs({
    hubs: [{ name: 'out', partitionCount: 1, retentionHours: 1, consumerGroups: [] }],
  });
  const events = output.eventHub({ connection: 'HUB', eventHubName: 'out' });
  app.http('sends', {
    extraOutputs: [events],
    handler: (_, context) => {
      context.extraOutputs.set(events, [{ n: 1 }, 'plain']);
      return { body: 'ok' };
    },
  });
  const consumer = new EventHubConsumerClient('$Default', hubs.connectionString, 'out');
  const bodies: unknown[] = [];
  const subscription = consumer.subscribe(
    {
      processEvents: async (batch) => void bodies.push(...batch.map((event) => event.body as unknown)),
      processError: async () => {},
    },
    { startPosition: earliestEventPosition, skipParsingBodyAsJson: true },
  );
  const running = await runApp({ environment: { HUB: hubs.connectionString } });
  expect((await fetch(`${running.host.url}/api/sends`)).status).toBe(200);
  await until(() => bodies.length === 2);
  expect(bodies.map(String)).toEqual(['{"n":1}', 'plain']);
  await running[Symbol.asyncDispose]();
  await subscription.close();
  await consumer.close();
  await hubs.close();
});

test('cosmosDB: documents are created or replaced; a refused write fails the invocation', async () => {
  const cosmos = await startCosmos();
  const docs = output.cosmosDB({
    connection: 'COSMOS',
    databaseName: 'db',
    containerName: 'docs',
    createIfNotExists: true,
    partitionKey: '/pk',
  });
  app.http('writes', {
    methods: ['POST'],
    extraOutputs: [docs],
    handler: async (request, context) => {
      context.extraOutputs.set(docs, await request.json());
      return { body: 'ok' };
    },
  });
  const running = await runApp({ environment: { COSMOS: connectionOf(cosmos) } });
  const post = async (body: unknown) =>
    (await fetch(`${running.host.url}/api/writes`, { method: 'POST', body: JSON.stringify(body) })).status;
  expect(
    await post([
      { id: 'a', pk: 'x', n: 1 },
      { id: 'b', pk: 'x', n: 2 },
    ]),
  ).toBe(200);
  expect(await post({ id: 'a', pk: 'x', n: 3 })).toBe(200);
  expect(await post('no document')).toBe(500);
  const client = new CosmosClient({ endpoint: cosmos.endpoint, key: cosmos.key });
  const { resource } = await client.database('db').container('docs').item('a', 'x').read<{ n: number }>();
  expect(resource?.n).toBe(3);
  client.dispose();
  await running[Symbol.asyncDispose]();
  await cosmos.close();
});

test('webPubSub: actions by name; an unknown one fails the invocation and is named', async () => {
  const pubsub = await startWebPubSub({ port: 0 });
  const actions = output.webPubSub({ name: 'actions', hub: 'live', connection: 'PUBSUB' });
  app.http('publishes', {
    methods: ['POST'],
    extraOutputs: [actions],
    handler: async (request, context) => {
      context.extraOutputs.set(actions, await request.json());
      return { body: 'ok' };
    },
  });
  const running = await runApp({ environment: { PUBSUB: pubsub.connectionString } });
  const service = new WebPubSubServiceClient(pubsub.connectionString, 'live', { allowInsecureConnection: true });
  const { url } = await service.getClientAccessToken({ roles: ['webpubsub.joinLeaveGroup.g'] });
  const client = new WebPubSubClient(url);
  const received: unknown[] = [];
  client.on('group-message', ({ message }) => received.push(message.data));
  await client.start();
  await client.joinGroup('g');
  const post = async (body: unknown) =>
    (await fetch(`${running.host.url}/api/publishes`, { method: 'POST', body: JSON.stringify(body) })).status;
  expect(
    await post([
      { actionName: 'sendToGroup', group: 'g', data: 'a text' },
      { actionName: 'sendToGroup', group: 'g', data: { n: 1 }, dataType: 'json' },
    ]),
  ).toBe(200);
  await until(() => received.length === 2);
  expect(received).toEqual(['a text', { n: 1 }]);
  expect(await post({ actionName: 'shout' })).toBe(500);
  expect(running.log.join('\n')).toContain('The webPubSub output of "publishes" is not usable');
  client.stop();
  await running[Symbol.asyncDispose]();
  await pubsub.close();
});

test('a missing connection is named at the start', async () => {
  app.http('sends', {
    extraOutputs: [output.eventHub({ connection: 'HUB', eventHubName: 'out' })],
    handler: () => ({ body: 'ok' }),
  });
  await expect(runApp()).rejects.toThrow('Function "sends": the setting HUB (a connection string) is missing');
});
