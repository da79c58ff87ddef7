/**
 * What clients in other languages do that the JavaScript SDK does not, spoken by a bare AMQP client: each of these once
 * broke .NET, Python or Proton against a stand-in.
 */
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from '@jest/globals';
import rhea, { type Connection, type EventContext, type Message, type Receiver, type Sender } from 'rhea';
import { DEFAULT_KEY, HUB, type LivingHubs, livingHubs, sasToken, until } from '../../support/event-hubs.ts';

const { types, message } = rhea;
const BATCH_FORMAT = 0x8001_3700;

type Attach = Readonly<Record<string, unknown>>;

/** Waits for one of several events; a plain EventEmitter would throw at `error` ones. */
function next(emitter: NodeJS.EventEmitter, ...names: string[]): Promise<EventContext & { name: string }> {
  return new Promise((resolve) => {
    for (const name of names) emitter.once(name, (context: EventContext) => resolve({ ...context, name }));
  });
}

/** A terminus as the other side showed it; rhea wraps a null. */
const terminus = (shown: unknown): unknown => ((shown as { value?: unknown } | null)?.value === null ? null : shown);

class RawClient {
  readonly connection: Connection;
  constructor(hubs: LivingHubs, options: Attach = {}) {
    const container = rhea.create_container();
    container.on('error', () => undefined);
    container.on('disconnected', () => undefined);
    const { port } = hubs.server;
    this.connection = container.connect({
      host: '127.0.0.1',
      port,
      reconnect: false,
      username: 'x',
      ...options,
    } as never);
  }

  /** A sender link, and how the attach went: what the other side showed as target, and its error if it detached. */
  async sender(target: unknown, options: Attach = {}): Promise<{ link: Sender; target: unknown; error?: unknown }> {
    const link = this.connection.open_sender({ target, ...options } as never);
    // Both may come in one piece, so both are listened to from the start.
    const refused = next(link, 'sender_error');
    await next(link, 'sender_open');
    const shown = terminus(link.target);
    if (shown !== null) return { link, target: shown };
    await refused;
    return { link, target: shown, error: link.error };
  }

  /** A receiver link; see `sender`. */
  async receiver(
    source: unknown,
    options: Attach = {},
    onMessage?: (context: EventContext) => void,
  ): Promise<{ link: Receiver; source: unknown; error?: unknown }> {
    const link = this.connection.open_receiver({ source, autoaccept: false, ...options } as never);
    if (onMessage !== undefined) link.on('message', onMessage);
    // Both may come in one piece, so both are listened to from the start.
    const refused = next(link, 'receiver_error');
    await next(link, 'receiver_open');
    const shown = terminus(link.source);
    if (shown !== null) return { link, source: shown };
    await refused;
    return { link, source: shown, error: link.error };
  }

  /** One request to a node and its reply. */
  async request(node: string, properties: Attach, body: unknown = null): Promise<Message> {
    const { link: replies } = await this.receiver(node, { target: { address: 'reply-1' }, snd_settle_mode: 1 });
    const { link: requests } = await this.sender(node, { snd_settle_mode: 1 });
    const reply = next(replies, 'message');
    requests.send({ message_id: 7, reply_to: 'reply-1', application_properties: properties, body } as Message);
    const { message: got, delivery } = await reply;
    // Otherwise it would stay at the head of this client's session, and close its window in the end.
    delivery?.accept();
    replies.close();
    requests.close();
    if (got === undefined) throw new Error('a reply without a message');
    return got;
  }

  putToken(audience: string, token: string): Promise<Message> {
    return this.request(
      '$cbs',
      { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: audience },
      token,
    );
  }

  async signIn(): Promise<void> {
    await this.putToken('amqp://127.0.0.1/', sasToken('amqps://127.0.0.1/', DEFAULT_KEY.name, DEFAULT_KEY.value));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = next(this.connection, 'connection_close', 'disconnected');
    this.connection.close();
    await closed;
  }
}

const status = (reply: Message): unknown => reply.application_properties?.['status-code'];
const source = (partition = '0', selector?: unknown): Attach => ({
  address: `${HUB}/ConsumerGroups/$Default/Partitions/${partition}`,
  ...(selector === undefined ? {} : { filter: { 'apache.org:selector-filter:string': selector } }),
});
const selector = (text: string): unknown => types.wrap_described(text, 0x468c_0000_0004);

/** How a send was answered. */
async function outcome(link: Sender, content: unknown, format?: number): Promise<{ name: string; error?: unknown }> {
  const answered = next(link, 'accepted', 'rejected');
  if (!link.sendable()) await next(link, 'sendable');
  link.send(content as Message, undefined, format);
  const { name, delivery } = await answered;
  return { name, error: (delivery?.remote_state as { error?: unknown } | undefined)?.error };
}

describe('.NET', () => {
  test('a refused link first attaches with a null terminus, then detaches with the error', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    expect(await client.sender('nothing')).toMatchObject({ target: null, error: { condition: 'amqp:not-found' } });
    expect(await client.receiver({ address: `${HUB}/ConsumerGroups/nobody/Partitions/0` })).toMatchObject({
      source: null,
      error: { condition: 'amqp:not-found' },
    });
    expect(await client.receiver(source('9'))).toMatchObject({
      source: null,
      error: { condition: 'com.microsoft:argument-out-of-range' },
    });
    const past = selector("amqp.annotation.x-opt-offset > '999'");
    expect(await client.receiver(source('0', past))).toMatchObject({
      source: null,
      error: { condition: 'com.microsoft:argument-error' },
    });
  });

  test('the settle modes it asks for are echoed, and then deliveries come settled', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'x' }], { partitionId: '0' });
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link } = await client.receiver(source(), { snd_settle_mode: 1 });
    const { delivery } = await next(link, 'message');
    expect([link.snd_settle_mode, delivery?.remote_settled]).toEqual([1, true]);
    const { link: sender } = await client.sender(HUB, { snd_settle_mode: 0, rcv_settle_mode: 0 });
    expect([sender.snd_settle_mode, sender.rcv_settle_mode]).toEqual([0, 0]);
  });

  test('its audience has another scheme than its token, no port, and a slash at the end', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    const token = sasToken(`amqps://127.0.0.1/${HUB}`, DEFAULT_KEY.name, DEFAULT_KEY.value);
    expect(status(await client.putToken(`amqp://127.0.0.1/${HUB}/`, token))).toBe(202);
    expect((await client.sender(HUB)).error).toBeUndefined();
    expect(status(await client.putToken('amqp://127.0.0.1/telemetry2/', token))).toBe(401);
    expect(status(await client.putToken(`amqp://elsewhere.example/${HUB}/`, token))).toBe(401);
  });

  test('$management takes the token that comes with the request, and only a right one', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    const read = (more: Attach): Promise<Message> =>
      client.request('$management', { operation: 'READ', type: 'com.microsoft:eventhub', name: HUB, ...more });
    const right = sasToken(`amqps://127.0.0.1/${HUB}`, DEFAULT_KEY.name, DEFAULT_KEY.value);
    const reply = await read({ security_token: right });
    expect(status(reply)).toBe(200);
    expect(reply).toMatchObject({
      correlation_id: 7,
      body: { name: HUB, partition_count: 4, partition_ids: ['0', '1', '2', '3'] },
    });
    const wrong = sasToken(`amqps://127.0.0.1/${HUB}`, DEFAULT_KEY.name, 'wrong');
    const other = sasToken('amqps://127.0.0.1/other', DEFAULT_KEY.name, DEFAULT_KEY.value);
    for (const security of [{}, { security_token: wrong }, { security_token: other }]) {
      expect(status(await read(security))).toBe(401);
    }
    expect(status(await read({ security_token: 'e30.e30.e30' }))).toBe(200);
  });

  test('several requests at once on one link are each answered', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link: replies } = await client.receiver('$management', { target: { address: 'r' }, snd_settle_mode: 1 });
    const { link: requests } = await client.sender('$management', { snd_settle_mode: 1 });
    const got = new Set<unknown>();
    replies.on('message', (context: EventContext) => got.add(context.message?.correlation_id));
    for (let id = 1; id <= 20; id += 1) {
      const properties = { operation: 'READ', type: 'com.microsoft:partition', name: HUB, partition: String(id % 4) };
      requests.send({ message_id: id, reply_to: 'r', application_properties: properties, body: null } as Message);
    }
    await until('twenty replies', () => got.size === 20);
    expect(got).toEqual(new Set(Array.from({ length: 20 }, (_, i) => i + 1)));
  });

  test('names a partition and a key together when it buffers; the key comes along', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link } = await client.sender(`${HUB}/Partitions/2`);
    const content = { message_annotations: { 'x-opt-partition-key': 'k' }, body: 'x' };
    expect(await outcome(link, content)).toMatchObject({ name: 'accepted' });
    expect((await hubs.read(1, { partition: '2' }))[0]?.partitionKey).toBe('k');
  });

  test('has a descriptor of its own for the selector filter', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'a' }, { body: 'b' }], { partitionId: '0' });
    await using client = new RawClient(hubs);
    await client.signIn();
    const filter = types.wrap_described("amqp.annotation.x-opt-sequence-number > '0'", 0x137_0000_000a);
    const { link } = await client.receiver(source('0', filter));
    expect((await next(link, 'message')).message?.message_annotations?.['x-opt-sequence-number']).toBe(1);
  });

  test('signs in by MSSBCBS', async () => {
    await using hubs = await livingHubs();
    const mechanism = { start: (done: (error: undefined, response: string) => void) => done(undefined, '') };
    await using client = new RawClient(hubs, { sasl_mechanisms: { MSSBCBS: () => mechanism } });
    await client.signIn();
    expect((await client.sender(HUB)).error).toBeUndefined();
  });
});

describe('Proton', () => {
  test('signs in by PLAIN with the key and needs no token; with a wrong key it does not get in', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs, { username: DEFAULT_KEY.name, password: DEFAULT_KEY.value });
    expect((await client.sender(HUB)).error).toBeUndefined();
    const stranger = new RawClient(hubs, { username: DEFAULT_KEY.name, password: 'wrong' });
    const { error } = await next(stranger.connection, 'connection_error');
    expect(error).toMatchObject({ condition: 'amqp:unauthorized-access' });
  });

  test('sends plain messages, one per transfer, to addresses with a slash or a scheme before them', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    for (const address of [`/${HUB}/Partitions/1`, `amqps://127.0.0.1/${HUB}/partitions/1`]) {
      const { link } = await client.sender(address);
      expect(await outcome(link, { body: address, application_properties: { n: types.wrap_ubyte(7) } })).toMatchObject({
        name: 'accepted',
      });
    }
    const got = await hubs.read(2, { partition: '1' });
    expect(got.map((event) => event.properties)).toEqual([{ n: 7 }, { n: 7 }]);
  });

  test('a message in many frames arrives whole', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link } = await client.sender(`${HUB}/Partitions/0`);
    const body = Buffer.alloc(900_000, 'abc');
    expect(await outcome(link, { body: message.data_section(body) })).toMatchObject({ name: 'accepted' });
    expect(body.equals((await hubs.read(1, { partition: '0' }))[0]?.body as Buffer)).toBe(true);
  });

  test('a message sent settled is stored, though no one is told', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link } = await client.sender(`${HUB}/Partitions/0`, { snd_settle_mode: 1 });
    link.send({ body: 'settled' } as Message);
    expect((await hubs.read(1, { partition: '0' }))[0]?.body).toBe('settled');
  });
});

test('Python settles second as a sender and waits to be told that its message is settled', async () => {
  await using hubs = await livingHubs();
  await using client = new RawClient(hubs);
  await client.signIn();
  const { link } = await client.sender(HUB, { snd_settle_mode: 0, rcv_settle_mode: 1 });
  if (!link.sendable()) await next(link, 'sendable');
  link.send({ body: 'x' } as Message);
  const { delivery } = await next(link, 'settled');
  expect(delivery?.remote_settled).toBe(true);
});

test('Python reads every field of every frame by its place: none is left out', async () => {
  await using hubs = await livingHubs();
  const socket = net.connect(hubs.server.port, '127.0.0.1');
  const open = Buffer.from([0, 0, 0, 16, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, 0x63]);
  open.writeUInt32BE(open.length);
  const begin = Buffer.from([0, 0, 0, 0, 2, 0, 0, 0, 0x00, 0x53, 0x11, 0xc0, 6, 4, 0x40, 0x43, 0x52, 9, 0x52, 9]);
  begin.writeUInt8(7, 12);
  begin.writeUInt32BE(begin.length);
  socket.write(Buffer.concat([Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'), open, begin]));
  let seen: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (seen = Buffer.concat([seen, chunk])));
  const counts = (): Map<number, number> => {
    const found = new Map<number, number>();
    for (let at = 8; at + 8 < seen.length; at += seen.readUInt32BE(at)) {
      if (seen[at + 8] === 0x00) found.set(seen.readUInt8(at + 10), seen.readUInt32BE(at + 16));
    }
    return found;
  };
  await until('open and begin', () => counts().size >= 2);
  expect(counts().get(0x10)).toBe(10);
  expect(counts().get(0x11)).toBe(8);
  socket.destroy();
  await once(socket, 'close');
});

describe('every way of settling', () => {
  const name = { properties: { 'com.microsoft:receiver-name': 'r' } };
  test.each([
    ['settled as asked for', { snd_settle_mode: 1 }, true, true],
    ['either, for a Microsoft SDK', { snd_settle_mode: 2, ...name }, true, true],
    ['nothing said, by a Microsoft SDK', name, true, true],
    ['either, for another reader, who accepts', { snd_settle_mode: 2 }, false, true],
    ['either, for another reader, who never says a word', { snd_settle_mode: 2 }, false, false],
    ['unsettled, the reader accepts', { snd_settle_mode: 0, rcv_settle_mode: 0 }, false, true],
    ['unsettled, the reader settles second', { snd_settle_mode: 0, rcv_settle_mode: 1 }, false, true],
  ])('%s: 6,000 events arrive in order through a session of 2,048 places', async (_what, options, settled, accepts) => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    for (let i = 0; i < 6; i += 1) {
      await producer.sendBatch(
        Array.from({ length: 1000 }, () => ({ body: 'x' })),
        { partitionId: '0' },
      );
    }
    await using client = new RawClient(hubs);
    await client.signIn();
    const got: unknown[] = [];
    const cameSettled = new Set<unknown>();
    await client.receiver(source(), { credit_window: 500, ...options }, ({ delivery, message: event }) => {
      got.push(event?.message_annotations?.['x-opt-sequence-number']);
      cameSettled.add(delivery?.remote_settled);
      if (accepts) delivery?.accept();
      // Out of this client's own books, which would fill up too.
      else Object.assign(delivery ?? {}, { settled: true });
    });
    await until('all events', () => got.length === 6000);
    expect(got).toEqual(Array.from({ length: 6000 }, (_, i) => i));
    expect(cameSettled).toEqual(new Set([settled]));
  });
});

describe('readers', () => {
  test('without a filter start at the beginning; selector values may be unquoted', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'a' }, { body: 'b' }], { partitionId: '0' });
    await using client = new RawClient(hubs);
    await client.signIn();
    const first = async (filter?: string): Promise<unknown> => {
      const { link } = await client.receiver(source('0', filter === undefined ? undefined : selector(filter)));
      const { message: got } = await next(link, 'message');
      link.close();
      return got?.message_annotations?.['x-opt-sequence-number'];
    };
    expect(await first()).toBe(0);
    expect(await first('amqp.annotation.x-opt-offset > -1')).toBe(0);
    expect(await first('amqp.annotation.x-opt-sequence-number > 0')).toBe(1);
  });

  test('who desire runtime metrics are offered them, as one symbol or in an array, and get them with each event', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'a' }, { body: 'b' }], { partitionId: '0' });
    await using client = new RawClient(hubs);
    await client.signIn();
    const capability = 'com.microsoft:enable-receiver-runtime-metric';
    for (const desired of [capability, ['com.microsoft:georeplication', capability]]) {
      const { link } = await client.receiver(source(), { desired_capabilities: desired });
      const { message: got } = await next(link, 'message');
      expect([link.offered_capabilities].flat()).toContain(capability);
      expect(got?.delivery_annotations).toMatchObject({ last_enqueued_sequence_number: 1 });
      link.close();
    }
    const { link } = await client.receiver(source());
    expect((await next(link, 'message')).message?.delivery_annotations).toBeUndefined();
  });

  test('are refused filters, dynamic nodes and addresses that are not implemented, by name', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const refused = async (wanted: unknown): Promise<unknown> => (await client.receiver(wanted)).error;
    expect(await refused({ ...source(), filter: { 'x:other': types.wrap_described('y', 'x:other') } })).toMatchObject({
      condition: 'amqp:not-implemented',
      description: expect.stringMatching(/filter 'x:other'/),
    });
    expect(await refused({ dynamic: true })).toMatchObject({ condition: 'amqp:not-implemented' });
    expect(await refused({ address: HUB })).toMatchObject({
      condition: 'amqp:not-found',
      description: expect.stringMatching(/is not of the form/),
    });
  });

  test('and senders without a token are refused, whatever they ask for', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    expect((await client.receiver(source())).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
    expect((await client.sender(HUB)).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
    expect((await client.sender('nothing')).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
  });

  test('a token for one hub, group or partition opens no other', async () => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    const resource = `sb://127.0.0.1/${HUB}/ConsumerGroups/ingest/Partitions/1`;
    await client.putToken(resource, sasToken(resource, DEFAULT_KEY.name, DEFAULT_KEY.value));
    const at = (group: string, id: string): Attach => ({ address: `${HUB}/ConsumerGroups/${group}/Partitions/${id}` });
    expect((await client.receiver(at('ingest', '1'))).error).toBeUndefined();
    for (const wanted of [at('ingest', '2'), at('$Default', '1'), at('ingest', '11')]) {
      expect((await client.receiver(wanted)).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
    }
    expect((await client.sender(HUB)).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
  });

  test('a token that has expired opens no more links', async () => {
    let now = Date.now();
    await using hubs = await livingHubs({ now: () => now });
    await using client = new RawClient(hubs);
    await client.signIn();
    expect((await client.sender(HUB)).error).toBeUndefined();
    now += 301_000;
    expect((await client.sender(HUB)).error).toMatchObject({ condition: 'amqp:unauthorized-access' });
  });
});

describe('sends that cannot be taken are rejected with the reason, and the link lives on', () => {
  const event = message.encode({ body: 'x' } as Message);
  test.each([
    ['a batch that is not AMQP', HUB, Buffer.from('hello'), BATCH_FORMAT, 'amqp:decode-error'],
    ['a batch of nothing', HUB, message.encode({ body: 'x' } as Message), BATCH_FORMAT, 'amqp:decode-error'],
    ['a message format of another service', HUB, event, 0x8001_3800, 'amqp:not-implemented'],
    [
      'a key that is too long',
      HUB,
      { message_annotations: { 'x-opt-partition-key': 'k'.repeat(129) }, body: 'x' },
      undefined,
      'com.microsoft:argument-error',
    ],
    [
      'another key on a publisher link',
      `${HUB}/Publishers/p`,
      { message_annotations: { 'x-opt-partition-key': 'k' }, body: 'x' },
      undefined,
      'amqp:not-allowed',
    ],
    [
      '3 MB',
      HUB,
      { body: message.data_section(Buffer.alloc(3_000_000)) },
      undefined,
      'amqp:link:message-size-exceeded',
    ],
  ])('%s', async (_what, address, content, format, condition) => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const { link } = await client.sender(address);
    expect(await outcome(link, content, format)).toMatchObject({ name: 'rejected', error: { condition } });
    expect(await outcome(link, { body: 'fine' })).toMatchObject({ name: 'accepted' });
  });
});

describe('requests that are not implemented are refused by name', () => {
  test.each([
    ['$cbs', { operation: 'delete-token' }, 501, /operation 'delete-token' of \$cbs/],
    ['$cbs', { operation: 'put-token', type: 'x', name: 'y' }, 400, /token type 'x'/],
    ['$management', { operation: 'CREATE', type: 'com.microsoft:eventhub' }, 501, /operation 'CREATE'/],
    ['$management', { operation: 'READ', type: 'com.microsoft:consumergroup' }, 501, /com.microsoft:consumergroup/],
    ['$management', { operation: 'READ', type: 'com.microsoft:eventhub', name: 'nothing' }, 404, /'nothing' could not/],
    ['$management', { operation: 'READ', type: 'com.microsoft:partition', name: HUB, partition: '9' }, 400, /0 to 3/],
  ])('%s %j', async (node, properties, code, reason) => {
    await using hubs = await livingHubs();
    await using client = new RawClient(hubs);
    await client.signIn();
    const reply = await client.request(node, properties, 'token');
    expect([status(reply), reply.application_properties?.['status-description']]).toEqual([
      code,
      expect.stringMatching(reason),
    ]);
  });
});
