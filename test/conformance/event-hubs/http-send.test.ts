/** The HTTP send API; no SDK speaks it, so these tests do. */
import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Connected, fieldOf } from './connect.ts';

/** Where the HTTP side of the namespace listens: the emulator's flag means no TLS. */
function baseOf(connectionString: string): string {
  const host = fieldOf(connectionString, 'Endpoint')
    .replace(/^sb:\/\//, '')
    .replace(/\/$/, '');
  return `${fieldOf(connectionString, 'UseDevelopmentEmulator') === 'true' ? 'http' : 'https'}://${host}`;
}

function authorization(connectionString: string, hub: string, key?: string): string {
  const sr = encodeURIComponent(`${baseOf(connectionString)}/${hub}`);
  const se = Math.floor(Date.now() / 1000) + 300;
  const secret = key ?? fieldOf(connectionString, 'SharedAccessKey');
  const sig = encodeURIComponent(createHmac('sha256', secret).update(`${sr}\n${se}`).digest('base64'));
  return `SharedAccessSignature sr=${sr}&sig=${sig}&se=${se}&skn=${fieldOf(connectionString, 'SharedAccessKeyName')}`;
}

/** Posts to a path below the hub; the status of the answer. */
async function post(
  { target: { connectionString, hub } }: Connected,
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(`${baseOf(connectionString)}/${hub}/${path}`, {
    method: 'POST',
    body,
    headers: { authorization: authorization(connectionString, hub), ...headers },
  });
  await response.arrayBuffer();
  return response.status;
}

test('one event to a partition, its headers as properties', async () => {
  await using hub = new Connected();
  const from = await hub.end('1');
  const headers = { 'content-type': 'application/json', building: 'north' };
  expect(await post(hub, 'partitions/1/messages', '{"t":21.5}', headers)).toBe(201);
  const [event] = await hub.read('1', from).reads(1);
  expect(event).toMatchObject({ body: { t: 21.5 }, properties: { building: 'north' } });
});

test('a JSON array of events, each with its properties', async () => {
  await using hub = new Connected();
  const from = await hub.end('1');
  const events = [{ Body: '{"n":1}', UserProperties: { kind: 'a' } }, { Body: '{"n":2}' }];
  const headers = { 'content-type': 'application/vnd.microsoft.servicebus.json' };
  expect(await post(hub, 'partitions/1/messages', JSON.stringify(events), headers)).toBe(201);
  const [first, second] = await hub.read('1', from).reads(2);
  expect([first?.body, second?.body]).toEqual([{ n: 1 }, { n: 2 }]);
  expect(first?.properties).toMatchObject({ kind: 'a' });
});

test('events of one publisher, and of one key, go to one partition', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  const sum = async (): Promise<number[]> => {
    const last: number[] = [];
    for (const id of await producer.getPartitionIds()) {
      last.push((await producer.getPartitionProperties(id)).lastEnqueuedSequenceNumber);
    }
    return last;
  };
  for (const [path, headers] of [
    ['publishers/device-7/messages', {}],
    ['messages', { brokerproperties: '{"PartitionKey":"device-7"}' }],
  ] as const) {
    const before = await sum();
    for (let i = 0; i < 3; i += 1) expect(await post(hub, path, String(i), headers)).toBe(201);
    const after = await sum();
    expect(after.map((last, index) => last - (before[index] ?? 0)).filter((count) => count > 0)).toEqual([3]);
  }
});

test('a wrong signature or none: 401, and nothing is stored', async () => {
  await using hub = new Connected();
  const { connectionString, hub: name } = hub.target;
  const { lastEnqueuedSequenceNumber } = await hub.producer().getPartitionProperties('1');
  const wrong = { authorization: authorization(connectionString, name, 'wrong') };
  expect(await post(hub, 'partitions/1/messages', 'x', wrong)).toBe(401);
  expect(await post(hub, 'partitions/1/messages', 'x', { authorization: '' })).toBe(401);
  expect((await hub.producer().getPartitionProperties('1')).lastEnqueuedSequenceNumber).toBe(
    lastEnqueuedSequenceNumber,
  );
});
