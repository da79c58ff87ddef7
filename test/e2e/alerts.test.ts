/**
 * From a reading to the people: events by the real SDK through the hub, ingest, a rule, the change feed's projection and the
 * outbox of the running local host, to a webhook receiver that fails and a real SMTP server. The host dies once on the way.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { EventHubProducerClient } from '@azure/event-hubs';
import { expect, test } from '@jest/globals';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { administrator } from '../support/api-client.ts';
import { startLocalSystem } from '../support/local-system.ts';
import { seeded } from '../support/signals.ts';
import { until } from '../support/until.ts';

const DEVICES = 40;
/** How often a first attempt meets trouble. */
const FAULTS = 0.3;
/** Milliseconds for all of it: what fails is tried again after five seconds, what times out after twenty. */
const PATIENCE_MS = 120_000;

/** Fails a part of the first attempts, each in another way; every message that it took is in `taken`, by its id. */
async function faultyReceiver() {
  const taken = new Map<string, { body: string; headers: IncomingMessage['headers'] }[]>();
  const seen = new Set<string>();
  const random = seeded(8);
  let faults = 0;
  const take = ({ headers }: IncomingMessage, body: string) => {
    const id = String(headers['webhook-id']);
    taken.set(id, [...(taken.get(id) ?? []), { body, headers }]);
  };
  const troubles: ((request: IncomingMessage, response: ServerResponse, body: string) => void)[] = [
    (_request, response) => void response.writeHead(500).end(),
    (_request, response) => void response.writeHead(429, { 'retry-after': '7' }).end(),
    (_request, response) => void response.destroy(),
    // Taken, and the answer is lost.
    (request, response, body) => {
      take(request, body);
      response.destroy();
    },
    (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    // Never answered: the sender gives up.
    () => {},
  ];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const body = chunks.join('');
      const id = String(request.headers['webhook-id']);
      const isFirst = !seen.has(id);
      seen.add(id);
      if (isFirst && random() < FAULTS) return troubles[faults++ % troubles.length]?.(request, response, body);
      take(request, body);
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    target: `127.0.0.1:${port}`,
    taken,
    faults: () => faults,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Takes mail; refuses some for now (451) the first time. */
async function mailServer() {
  const mails = new Map<string, string>();
  const random = seeded(9);
  const refused = new Set<string>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        const mail = Buffer.concat(chunks).toString();
        const id = /^Message-ID: (.+)$/im.exec(mail)?.[1] ?? '';
        if (!refused.has(id) && random() < FAULTS) {
          refused.add(id);
          return done(Object.assign(new Error('later'), { responseCode: 451 }));
        }
        mails.set(id, mail);
        done();
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    refused,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}

test('every alert arrives once by its id, by webhook and by mail, whatever fails on the way', async () => {
  await using receiver = await faultyReceiver();
  await using mail = await mailServer();
  await using system = await startLocalSystem({
    env: { WEBHOOK_TARGETS_ALLOWED: receiver.target, SMTP_URL: mail.url },
  });
  const connection = system.connection();
  const admin = await administrator(connection);
  const create = async (path: string, body: object) => {
    const answer = await admin.send<{ id: string; secret: string }>('POST', path, body);
    if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}`);
    return answer.body;
  };
  const hook = await create('/v1/actions', { kind: 'webhook', name: 'Hook', url: `http://${receiver.target}/hook` });
  const people = await create('/v1/actions', { kind: 'email', name: 'People', to: ['ann@example.com'] });
  await create('/v1/device-groups', { id: 'tanks', name: 'Tanks' });
  const ids = Array.from({ length: DEVICES }, (_, index) => `tank-${index}`);
  for (const deviceId of ids) await create('/v1/devices', { deviceId, groups: ['tanks'] });
  const rule = await create('/v1/rules', {
    name: 'Tank too full',
    severity: 'critical',
    scope: { groups: ['tanks'] },
    when: { kind: 'condition', if: { param: 'level', op: 'gt', value: 90 } },
    notify: { actions: [hook.id, people.id] },
  });

  const { connectionString, eventHub } = connection.eventHubs;
  await using producer = disposable(new EventHubProducerClient(connectionString, eventHub));
  const send = (deviceId: string, level: number) =>
    producer.client.sendBatch([{ body: { deviceId, readings: { level } } }], { partitionKey: deviceId });
  for (const [index, deviceId] of ids.entries()) {
    await send(deviceId, 95);
    // Opened and over: two changes of one alert.
    await send(deviceId, 10);
    if (index === DEVICES / 2) process.kill(connection.pids.host, 'SIGKILL');
  }

  const expected = ids.flatMap((device) => [`${rule.id}~${device}~1~opened`, `${rule.id}~${device}~1~resolved`]);
  await until(() => receiver.taken.size >= expected.length && mail.mails.size >= expected.length, PATIENCE_MS);
  expect(receiver.faults()).toBeGreaterThan(DEVICES / 4);
  expect(mail.refused.size).toBeGreaterThan(DEVICES / 4);
  // One message id per change of an alert, and one change per message id.
  const events = [...receiver.taken.values()].map(([first]) => JSON.parse(first?.body ?? '').data.eventId as string);
  expect(events.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(expected.toSorted((a, b) => (a < b ? -1 : 1)));
  for (const messages of receiver.taken.values())
    for (const { body, headers } of messages) {
      const signed = Object.entries(headers).filter(([name]) => name.startsWith('webhook-'));
      expect(() => new Webhook(hook.secret).verify(body, Object.fromEntries(signed) as never)).not.toThrow();
    }
  expect(mail.mails.size).toBe(expected.length);
  const alerts = [...mail.mails.values()].map((text) => /^Alert: (.+?)\r?$/m.exec(text)?.[1]);
  expect(new Set(alerts).size).toBe(DEVICES);
  await until(async () => {
    const { body } = await (
      await administrator(system.connection())
    ).send<{ items: unknown[] }>('GET', '/v1/deliveries?status=pending');
    return body.items.length === 0;
  }, PATIENCE_MS);
}, 240_000);

function disposable(client: EventHubProducerClient) {
  return { client, [Symbol.asyncDispose]: () => client.close() };
}
