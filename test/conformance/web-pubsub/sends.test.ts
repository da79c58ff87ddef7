import { WebPubSubServiceClient } from '@azure/web-pubsub';
import { WebPubSubClient } from '@azure/web-pubsub-client';
import { expect, test } from '@jest/globals';
import { until } from '../../support/until.ts';
import { webPubSubTarget } from '../target.ts';

test('what is sent to all arrives at a client', async () => {
  const service = new WebPubSubServiceClient(webPubSubTarget().connectionString, 'conformance', {
    allowInsecureConnection: true,
  });
  const client = new WebPubSubClient({ getClientAccessUrl: async () => (await service.getClientAccessToken()).url });
  const got: unknown[] = [];
  client.on('server-message', ({ message }) => got.push(message.data));
  await client.start();
  try {
    await service.sendToAll({ a: 1 });
    await until(() => got.length > 0);
    expect(got).toEqual([{ a: 1 }]);
  } finally {
    client.stop();
  }
});
