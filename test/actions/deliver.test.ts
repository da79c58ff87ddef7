/** The outbox against a scripted receiver and a real SMTP server. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { deliverDue, notify } from '../../shared/actions/deliver.ts';
import type { OutboxServices } from '../../shared/actions/outbox.ts';
import { createSmtpSender } from '../../shared/actions/send-mail.ts';
import type { AlertEvent } from '../../shared/alerts/alert.ts';
import type { TenantId } from '../../shared/identity/ids.ts';
import { createActionsRepository, createWebhookSecrets, rotatedSecrets } from '../../shared/notifications/action.ts';
import { ATTEMPTS_MAX, type Delivery } from '../../shared/notifications/delivery.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { ingestWorld, type IngestWorld } from '../support/ingest-world.ts';
import { seeded } from '../support/signals.ts';

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

let world: IngestWorld;
let receiver: Server;
let answer: Answer;
let port: number;
beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  receiver = createServer((request, response) => {
    void request.toArray().then((chunks) => answer(request, chunks.join(''), response));
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  ({ port } = receiver.address() as AddressInfo);
});
afterEach(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await once(receiver, 'close');
});

let tenants = 0;
const START = Date.parse('2026-11-24T10:00:00Z');

/** A tenant with a rule that tells one action, and a clock. */
async function outbox(content?: { kind: 'email'; to: string[]; subject?: string; html?: string }) {
  const tenantId = `told-${++tenants}` as TenantId;
  const actions = createActionsRepository(world.store);
  const secrets = createWebhookSecrets([Buffer.alloc(32, 7)]);
  const clock = { now: START };
  const random = seeded(tenants);
  const rule: RuleDefinition = {
    ...ruleDefinition.parse({
      name: 'Warm',
      when: { kind: 'condition', if: { param: 't', op: 'gt', value: 8 } },
      notify: { actions: ['act_1'] },
    }),
    id: 'r',
  };
  const services: OutboxServices = {
    store: world.store,
    actions,
    secrets,
    allowed: new Set([`127.0.0.1:${port}`]),
    findAlert: () => Promise.resolve(undefined),
    findRule: () => Promise.resolve(rule),
    allowedCommands: new Set(),
    maintenanceUntil: () => Promise.resolve(undefined),
    markAlert: () => Promise.resolve(),
    raiseAlert: () => Promise.resolve(),
    audit: () => Promise.resolve(),
    now: () => clock.now,
    random,
  };
  const made = secrets.make();
  await actions.create({
    id: 'act_1',
    tenantId,
    kind: 'action',
    content: content
      ? { ...content, name: 'Mail', enabled: true }
      : { kind: 'webhook', name: 'Hook', url: `http://127.0.0.1:${port}/hook`, enabled: true },
    secrets: [{ sealed: made.sealed }],
    createdAt: '',
    updatedAt: '',
  });
  const deliveries = async () =>
    (
      await world.store.all<Delivery>('actions', { query: "SELECT * FROM c WHERE c.kind = 'delivery'" }, tenantId)
    ).toSorted((a, b) => ((a.event?.eventId ?? '') < (b.event?.eventId ?? '') ? -1 : 1));
  /** Lets time pass to what is due next, until nothing is. */
  const deliverAll = async () => {
    for (;;) {
      const waiting = (await deliveries()).filter(({ status }) => status === 'pending');
      if (waiting.length === 0) return;
      clock.now = Math.max(clock.now, Math.min(...waiting.map(({ dueAt }) => dueAt)));
      await deliverDue(services);
    }
  };
  return { tenantId, services, secret: made.secret, clock, deliveries, deliverAll };
}

function event(n: number, more: Partial<AlertEvent> = {}): AlertEvent {
  return {
    eventId: `r~d~${n}~opened`,
    alertId: `r~d~${n}`,
    ruleId: 'r',
    ruleName: 'Warm',
    deviceId: 'd',
    severity: 'critical',
    change: 'opened',
    condition: 'active',
    handling: 'unacknowledged',
    ts: '2026-11-24T10:00:00.000Z',
    openedAt: '2026-11-24T10:00:00.000Z',
    message: 'too warm',
    ...more,
  };
}

const verify = (secret: string, { headers }: IncomingMessage, body: string) =>
  // The library looks at the real clock.
  new Webhook(secret).verify(body, {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  });

test('with 30 % faults every alert arrives once by its id', async () => {
  const { tenantId, services, deliverAll, deliveries } = await outbox();
  const random = seeded(4);
  const arrived = new Map<string, string>();
  let faults = 0;
  answer = (request, body, response) => {
    const chance = random();
    // Taken, and the answer is lost: it comes again under the same id.
    if (chance >= 0.24) arrived.set(String(request.headers['webhook-id']), JSON.parse(body).data.eventId as string);
    if (chance < 0.3) faults++;
    if (chance < 0.08) response.writeHead(500).end();
    else if (chance < 0.16) response.writeHead(429, { 'retry-after': '7' }).end();
    else if (chance < 0.24) response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else if (chance < 0.3) response.destroy();
    else response.writeHead(204).end();
  };
  const alerts = Array.from({ length: 60 }, (_, n) => event(n));
  // Planned twice, as by a feed that is read again.
  for (const each of [...alerts, ...alerts]) await notify(services, tenantId, each);
  await deliverAll();
  expect(faults).toBeGreaterThan(10);
  expect([...arrived.values()].toSorted()).toEqual(alerts.map(({ eventId }) => eventId).toSorted());
  expect((await deliveries()).map(({ status }) => status)).toEqual(alerts.map(() => 'delivered'));
});

test('a message is signed as Standard Webhooks say, by both secrets during a rotation', async () => {
  const { tenantId, services, secret, deliverAll, clock } = await outbox();
  clock.now = Date.now();
  const action = await services.actions.find(tenantId, 'act_1');
  const next = services.secrets.make();
  if (!action) throw new Error('no action');
  await services.actions.replace(
    { ...action, secrets: rotatedSecrets(action.secrets, next.sealed, clock.now) },
    action._etag,
  );
  const seen: unknown[] = [];
  answer = (request, body, response) => {
    for (const each of [secret, next.secret]) seen.push(verify(each, request, body));
    expect(() => verify(`whsec_${Buffer.alloc(32).toString('base64')}`, request, body)).toThrow('signature');
    response.end();
  };
  await notify(services, tenantId, event(1));
  await deliverAll();
  expect(seen).toMatchObject([{ type: 'alert.opened' }, { type: 'alert.opened', data: { alertId: 'r~d~1' } }]);
});

test('a receiver that is down for days is tried over three days, then the delivery is dead and kept', async () => {
  const { tenantId, services, deliverAll, deliveries, clock } = await outbox();
  let attempts = 0;
  answer = (_request, _body, response) => {
    attempts++;
    response.writeHead(503).end();
  };
  await notify(services, tenantId, event(1));
  await deliverAll();
  expect(attempts).toBe(ATTEMPTS_MAX);
  expect((clock.now - START) / 86_400_000).toBeGreaterThan(2.5);
  expect(await deliveries()).toMatchObject([{ status: 'dead', detail: 'answered 503', attempts: ATTEMPTS_MAX }]);
});

test('Retry-After is honoured, and 410 ends the action', async () => {
  const { tenantId, services, deliveries, clock } = await outbox();
  answer = (_request, _body, response) => void response.writeHead(503, { 'retry-after': '900' }).end();
  await notify(services, tenantId, event(1));
  await deliverDue(services);
  expect((await deliveries())[0]?.dueAt).toBe(START + 900_000);
  answer = (_request, _body, response) => void response.writeHead(410).end();
  clock.now += 900_000;
  await deliverDue(services);
  expect(await deliveries()).toMatchObject([{ status: 'dead' }]);
  expect(await services.actions.find(tenantId, 'act_1')).toMatchObject({ disabledBecause: 'gone' });
  await notify(services, tenantId, event(2));
  await deliverDue(services);
  expect((await deliveries())[1]).toMatchObject({ status: 'dead', detail: 'the action is disabled' });
});

test('two instances that deliver at the same time make one attempt', async () => {
  const { tenantId, services } = await outbox();
  let attempts = 0;
  answer = (_request, _body, response) => {
    attempts++;
    response.end();
  };
  await notify(services, tenantId, event(1));
  await Promise.all([deliverDue(services), deliverDue(services), deliverDue(services)]);
  expect(attempts).toBe(1);
});

/** A mail server of this machine, for as long as `use` runs. @returns what it has taken */
async function withMailServer(use: (url: string) => Promise<void>): Promise<string[]> {
  const mails: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        mails.push(Buffer.concat(chunks).toString());
        done();
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  try {
    await use(`smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`);
  } finally {
    await new Promise<void>((resolve) => server.close(resolve));
  }
  return mails;
}

test('mail goes out by SMTP, and nothing of an alert becomes a header of it', async () => {
  const mails = await withMailServer(async (url) => {
    const { tenantId, services, deliverAll, deliveries } = await outbox({ kind: 'email', to: ['ann@example.com'] });
    services.mail = createSmtpSender(url, 'sluice@example.com');
    await notify(services, tenantId, event(1, { ruleName: 'Warm\r\nBcc: eve@example.com', message: '<b>warm</b>' }));
    await deliverAll();
    expect(await deliveries()).toMatchObject([{ status: 'delivered' }]);
  });
  const [head = '', text = ''] = (mails[0] ?? '').split('\r\n\r\n');
  expect(head).toContain('Subject: [critical] Warm Bcc: eve@example.com: opened');
  expect(head).not.toMatch(/^Bcc:/m);
  expect(head).toContain('Content-Type: text/plain');
  expect(text).toContain('<b>warm</b>');
});

test('templates of a mail: the subject stays one header, HTML has the tags of the template only', async () => {
  const mails = await withMailServer(async (url) => {
    const templates = { subject: '{{device.id}}: {{message}}', html: '<p title="{{rule.name}}">{{message}}</p>' };
    const { tenantId, services, deliverAll } = await outbox({ kind: 'email', to: ['ann@example.com'], ...templates });
    services.mail = createSmtpSender(url, 'sluice@example.com');
    const message = '<img src=x onerror=alert(1)>\r\nBcc: eve@example.com\r\n\r\n<script>';
    await notify(services, tenantId, event(1, { ruleName: '" onload="x', message }));
    await deliverAll();
  });
  const [mail = ''] = mails;
  const head = mail.slice(0, mail.indexOf('\r\n\r\n'));
  expect(head).toMatch(/^Content-Type: multipart\/alternative/m);
  expect(head).not.toMatch(/^Bcc:/m);
  const html = mail.slice(mail.indexOf('text/html')).replaceAll('=\r\n', '');
  expect(html).toContain('&lt;img src');
  expect(html).not.toMatch(/<img|<script|" onload/);
});
