import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Connected, codeOf, fieldOf, withCredential } from './connect.ts';

/** A signature for a resource, as every Event Hubs client makes it. */
function signature(connectionString: string, resource: string, expiresS: number): string {
  const sr = encodeURIComponent(resource);
  const key = fieldOf(connectionString, 'SharedAccessKey');
  const sig = createHmac('sha256', key).update(`${sr}\n${expiresS}`).digest('base64');
  const name = fieldOf(connectionString, 'SharedAccessKeyName');
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${expiresS}&skn=${encodeURIComponent(name)}`;
}

const inFiveMinutes = (): number => Math.floor(Date.now() / 1000) + 300;

/** The resource of the hub as the connection string names it. */
const resourceOf = (connectionString: string, hub: string): string =>
  `${fieldOf(connectionString, 'Endpoint').replace(/\/$/, '')}/${hub}`;

/** What happens to a client with this signature that asks and one that sends. */
async function outcome(hub: Connected, credential: string): Promise<unknown[]> {
  const connectionString = withCredential(hub.target.connectionString, credential);
  const producer = hub.producer({ connectionString });
  const settle = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'fine',
      (error) => error.code,
    );
  return [
    await settle(producer.getEventHubProperties()),
    await settle(producer.sendBatch([{ body: 'x' }], { partitionId: '0' })),
  ];
}

test('a wrong key opens nothing: not to ask, not to send, not to read', async () => {
  await using hub = new Connected();
  const name = fieldOf(hub.target.connectionString, 'SharedAccessKeyName');
  const connectionString = withCredential(
    hub.target.connectionString,
    `SharedAccessKeyName=${name};SharedAccessKey=${Buffer.alloc(32, 1).toString('base64')}`,
  );
  const producer = hub.producer({ connectionString });
  expect(await codeOf(producer.getEventHubProperties())).toBe('UnauthorizedError');
  expect(await codeOf(producer.sendBatch([{ body: 'x' }]))).toBe('UnauthorizedError');
  const reading = hub.read('0', { offset: '-1' }, { connectionString });
  expect((await reading.fails()).code).toBe('UnauthorizedError');
});

test('a signature for the hub opens the hub', async () => {
  await using hub = new Connected();
  const { connectionString, hub: name } = hub.target;
  const token = signature(connectionString, resourceOf(connectionString, name), inFiveMinutes());
  expect(await outcome(hub, `SharedAccessSignature=${token}`)).toEqual(['fine', 'fine']);
});

test('a signature for another hub does not, nor does one for a name that merely begins alike', async () => {
  await using hub = new Connected();
  const { connectionString, hub: name } = hub.target;
  for (const other of ['another-hub', name.slice(0, -1)]) {
    const token = signature(connectionString, resourceOf(connectionString, other), inFiveMinutes());
    expect([other, await outcome(hub, `SharedAccessSignature=${token}`)]).toEqual([
      other,
      ['UnauthorizedError', 'UnauthorizedError'],
    ]);
  }
});

test('a signature that has expired opens nothing', async () => {
  await using hub = new Connected();
  const { connectionString, hub: name } = hub.target;
  const token = signature(connectionString, resourceOf(connectionString, name), Math.floor(Date.now() / 1000) - 60);
  expect(await outcome(hub, `SharedAccessSignature=${token}`)).toEqual(['UnauthorizedError', 'UnauthorizedError']);
});
