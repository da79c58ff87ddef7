/** One AMQP connection: who is at the other end, what it may do, and which of its links leads where. */
import type { Socket } from 'node:net';
import rhea, { type Connection, type EventContext, type Receiver, type Sender, type Session } from 'rhea';
import { parseAddress } from './addresses.ts';
import { type AmqpFailure, notFound, notImplemented, outOfRange, unauthorized } from './amqp-error.ts';
import { type SinkTarget, receiveEvents } from './event-sink.ts';
import { feed } from './event-source.ts';
import type { LinkKind } from './faults.ts';
import { MESSAGE_BYTES_MAX, type Namespace, hubOf, unknownHub, unknownPartition } from './namespace.ts';
import type { Reader } from './partition-readers.ts';
import { type Claims, answerCbs, answerManagement, mayAttach, replyTo } from './request-nodes.ts';
import {
  type Transfer,
  acceptSocket,
  answerAttach,
  clearTimers,
  decodeMessage,
  pendingFrameBytes,
  prepareSession,
  transferOf,
} from './rhea-hooks.ts';
import { BadPosition, FROM_START, parseSelector, resolveStart } from './start-position.ts';

/** Bytes of a frame, as the service announces; larger messages come in several. */
const FRAME_BYTES_MAX = 65_536;
/** Transfers a sender may have under way. */
const LINK_CREDIT = 300;
/** Highest link handle of a session, as the service announces. */
const HANDLE_MAX = 255;

const SELECTOR_FILTER = 'apache.org:selector-filter:string';
const SELECTOR_CODE = 0x468c_0000_0004;
const EPOCH = 'com.microsoft:epoch';
const RECEIVER_NAME = 'com.microsoft:receiver-name';
const RUNTIME_METRICS = 'com.microsoft:enable-receiver-runtime-metric';

const UNSETTLED = 0;

/** A connection as the server sees it. */
export interface AmqpConnection {
  /** Detaches links, as the service does when it moves an entity; returns how many. */
  detach(kind: LinkKind): number;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Symbols arrive as one or as an array. */
const includesSymbol = (value: unknown, symbol: string): boolean =>
  value === symbol || (Array.isArray(value) && value.includes(symbol));

/**
 * A sasl container that admits whoever signs in by PLAIN with the key, and anyone else without rights: those have to
 * come with a token through `$cbs`.
 */
function containerFor(namespace: Namespace, claims: Claims): rhea.Container {
  const container = rhea.create_container({ id: 'sluice-event-hubs' });
  const mechanisms = container.sasl_server_mechanisms;
  const admit = () => ({
    outcome: undefined as boolean | undefined,
    start(this: { outcome?: boolean }) {
      this.outcome = true;
    },
  });
  // In this order: a client takes the first it knows.
  mechanisms.MSSBCBS = admit;
  mechanisms.enable_plain((name: string, password: string) => {
    const right = name === namespace.key.name && password === namespace.key.value;
    if (right) claims.set('', { path: '', expiresMs: Number.MAX_SAFE_INTEGER });
    return right;
  });
  mechanisms.enable_anonymous();
  mechanisms.EXTERNAL = admit;
  return container;
}

/** Refuses a link: it attaches with a null terminus and detaches at once, the form that every client understands. */
function refuse(link: Sender | Receiver, failure: AmqpFailure): void {
  link.close({ condition: failure.condition, description: failure.description });
}

/** Serves a socket that began with AMQP's protocol header. */
export function serveAmqp(socket: Socket, namespace: Namespace): AmqpConnection {
  const claims: Claims = new Map();
  const container = containerFor(namespace, claims);
  const connection = container.create_connection({
    host: '',
    port: 0,
    max_frame_size: FRAME_BYTES_MAX,
    receiver_options: { autoaccept: false, credit_window: LINK_CREDIT },
    tcp_no_delay: true,
  } as never);
  const sinks = new Map<Receiver, (transfer: Transfer) => void>();
  const feeds = new Map<Sender, { wake(): void; stop(): void }>();
  const replies = new Map<Sender, string>();

  const detachForced = (link: Sender | Receiver): void =>
    link.close({
      condition: 'amqp:link:detach-forced',
      description: 'The link was detached by the stand-in because a fault was asked for.',
    });

  const openRequests = (receiver: Receiver, node: '$cbs' | '$management'): void => {
    sinks.set(receiver, (transfer) => {
      const request = decodeMessage(transfer.bytes);
      transfer.delivery.accept();
      const answer =
        node === '$cbs' ? answerCbs(namespace, claims, request) : answerManagement(namespace, claims, request);
      if (answer.status >= 400) namespace.log(`event-hubs: ${node}: ${answer.status} ${answer.description}`);
      const link = replyLink(receiver.session, node, request.reply_to);
      const reply = replyTo(request, answer);
      if (link === undefined) namespace.log(`event-hubs: ${node}: no link leads to '${request.reply_to}'.`);
      else if (namespace.faults.delayMs > 0) setTimeout(() => link.send(reply), namespace.faults.delayMs).unref();
      else link.send(reply);
    });
  };

  const replyLink = (session: Session, node: string, replyAddress: string | undefined): Sender | undefined => {
    const open = [...replies].filter(([link, its]) => its === node && link.is_open()).map(([link]) => link);
    const addressed = open.filter((link) => replyAddress !== undefined && link.target.address === replyAddress);
    return (
      addressed.findLast((link) => link.session === session) ??
      addressed.at(-1) ??
      open.findLast((link) => link.session === session) ??
      open.at(-1)
    );
  };

  const onReceiverOpen = (receiver: Receiver): void => {
    const { target, source } = receiver;
    const echo = {
      source: source ?? {},
      snd_settle_mode: receiver.snd_settle_mode,
      rcv_settle_mode: receiver.rcv_settle_mode,
    };
    receiver.set_source(echo.source);
    answerAttach(receiver, {
      snd_settle_mode: echo.snd_settle_mode,
      rcv_settle_mode: echo.rcv_settle_mode,
      max_message_size: MESSAGE_BYTES_MAX,
      properties: {},
    });
    const written = text(target?.address) ?? '';
    const address = parseAddress(written);
    if (address === undefined || address.kind === 'consumer') {
      return refuse(receiver, notFound(`The target address '${written}' names nothing that takes messages.`));
    }
    if (address.kind === 'cbs' || address.kind === 'management') {
      receiver.set_target(target);
      return openRequests(receiver, address.kind === 'cbs' ? '$cbs' : '$management');
    }
    if (!mayAttach(claims, address, namespace.now())) {
      return refuse(
        receiver,
        unauthorized(`Unauthorized access. 'Send' claim(s) are required to send to '${written}'.`),
      );
    }
    const hub = hubOf(namespace, address.hub);
    if (hub === undefined) return refuse(receiver, notFound(unknownHub(namespace, address.hub)));
    const partition = address.partition === undefined ? undefined : hub.partition(address.partition);
    if (address.partition !== undefined && partition === undefined) {
      return refuse(receiver, outOfRange(unknownPartition(hub, address.partition)));
    }
    receiver.set_target(target);
    const sink: SinkTarget = { hub, partition, publisher: address.publisher };
    sinks.set(receiver, (transfer) => receiveEvents(sink, transfer, namespace));
  };

  const onSenderOpen = (sender: Sender): void => {
    const { source, target } = sender;
    sender.set_target(target ?? {});
    answerAttach(sender, {
      snd_settle_mode: sender.snd_settle_mode,
      rcv_settle_mode: sender.rcv_settle_mode,
      max_message_size: MESSAGE_BYTES_MAX,
      properties: {},
    });
    const written = text(source?.address) ?? '';
    const address = parseAddress(written);
    if (source?.dynamic === true) return refuse(sender, notImplemented('Dynamic nodes are not implemented.'));
    if (address === undefined || address.kind === 'hub') {
      return refuse(
        sender,
        notFound(`The source address '${written}' is not of the form hub/ConsumerGroups/group/Partitions/id.`),
      );
    }
    if (address.kind === 'cbs' || address.kind === 'management') {
      sender.set_source(source);
      replies.set(sender, address.kind === 'cbs' ? '$cbs' : '$management');
      return;
    }
    if (!mayAttach(claims, address, namespace.now())) {
      return refuse(sender, unauthorized(`Unauthorized access. 'Listen' claim(s) are required to read '${written}'.`));
    }
    const hub = hubOf(namespace, address.hub);
    if (hub === undefined) return refuse(sender, notFound(unknownHub(namespace, address.hub)));
    if (!hub.hasGroup(address.group)) {
      return refuse(
        sender,
        notFound(`The consumer group '${address.group}' of the event hub '${hub.name}' could not be found.`),
      );
    }
    const log = hub.partition(address.partition);
    const readers = hub.readersOf(address.group, address.partition);
    if (log === undefined || readers === undefined) {
      return refuse(sender, outOfRange(unknownPartition(hub, address.partition)));
    }
    let startSequence: number;
    try {
      startSequence = startOf(sender, log, `${hub.name}/${address.group}/${address.partition}`);
    } catch (error) {
      if (!(error instanceof BadPosition)) throw error;
      return refuse(sender, { condition: error.condition, description: error.message });
    }
    const epoch: unknown = sender.properties?.[EPOCH];
    const reader: Reader = {
      epoch: typeof epoch === 'number' ? epoch : undefined,
      name: text(sender.properties?.[RECEIVER_NAME]) ?? sender.name,
      steal: (condition, description) => {
        feeds.get(sender)?.stop();
        sender.close({ condition, description });
      },
    };
    const refusal = readers.admit(reader);
    if (refusal !== undefined) return refuse(sender, refusal);
    const runtimeMetrics = includesSymbol(sender.desired_capabilities, RUNTIME_METRICS);
    sender.set_source(source);
    if (runtimeMetrics) answerAttach(sender, { offered_capabilities: [RUNTIME_METRICS] });
    const feeding = feed({
      link: sender,
      socket,
      log,
      startSequence,
      settled: sender.snd_settle_mode !== UNSETTLED,
      runtimeMetrics,
      faults: namespace.faults,
      now: namespace.now,
      onError: (error) => {
        namespace.log(`event-hubs: '${written}' cannot be read: ${String(error)}`);
        sender.close({
          condition: 'amqp:internal-error',
          description: `The partition cannot be read: ${String(error)}`,
        });
      },
    });
    feeds.set(sender, {
      wake: () => feeding.wake(),
      stop: () => {
        feeding.stop();
        readers.leave(reader);
      },
    });
  };

  const startOf = (sender: Sender, log: Parameters<typeof resolveStart>[0], where: string): number => {
    const filters: Record<string, unknown> = sender.source.filter ?? {};
    let position = FROM_START;
    for (const [name, filter] of Object.entries(filters)) {
      const { value, descriptor } = filter as { value?: unknown; descriptor?: { value?: unknown } };
      const code = descriptor?.value ?? name;
      if (code !== SELECTOR_FILTER && code !== SELECTOR_CODE) {
        throw new BadPosition(`The filter '${name}' is not implemented; only ${SELECTOR_FILTER} is.`);
      }
      position = parseSelector(text(value ?? filter) ?? '');
    }
    try {
      return resolveStart(log, position);
    } catch (error) {
      if (!(error instanceof BadPosition) || !namespace.lenientPositions) throw error;
      namespace.log(`event-hubs: ${where}: ${error.message} Reading from the start instead (lenient positions).`);
      return log.state().beginSequence;
    }
  };

  const closeFeed = (sender: Sender): void => {
    feeds.get(sender)?.stop();
    feeds.delete(sender);
    replies.delete(sender);
  };
  const closeAll = (): void => {
    for (const sender of feeds.keys()) closeFeed(sender);
    sinks.clear();
    replies.clear();
    clearTimers(connection);
  };
  const fail = (what: string, error: unknown): void => {
    namespace.log(`event-hubs: ${what}: ${Error.isError(error) ? error.message : String(error)}`);
    socket.destroy();
  };

  listen(connection, container, {
    session_open: ({ session }) => {
      if (session !== undefined) prepareSession(session, MESSAGE_BYTES_MAX, HANDLE_MAX);
    },
    receiver_open: ({ receiver }) => receiver !== undefined && onReceiverOpen(receiver),
    sender_open: ({ sender }) => sender !== undefined && onSenderOpen(sender),
    message: (context) => {
      const transfer = transferOf(context, MESSAGE_BYTES_MAX);
      if (transfer !== undefined && context.receiver !== undefined) sinks.get(context.receiver)?.(transfer);
    },
    sender_flow: ({ sender }) => sender !== undefined && feeds.get(sender)?.wake(),
    sendable: ({ sender }) => sender !== undefined && feeds.get(sender)?.wake(),
    sender_close: ({ sender }) => sender !== undefined && closeFeed(sender),
    sender_error: ({ sender }) => sender !== undefined && closeFeed(sender),
    receiver_close: ({ receiver }) => receiver !== undefined && sinks.delete(receiver),
    receiver_error: ({ receiver }) => receiver !== undefined && sinks.delete(receiver),
    session_close: ({ session }) => {
      for (const sender of feeds.keys()) if (sender.session === session) closeFeed(sender);
    },
    disconnected: closeAll,
    connection_error: ({ error }) => namespace.log(`event-hubs: a client closed its connection: ${String(error)}`),
    connection_close: closeAll,
  });
  // Bytes that are not AMQP end the connection; rhea throws them at these two.
  container.on('error', (error: unknown) => fail('a connection failed', error));
  container.on('protocol_error', (error: unknown) => fail('a client broke the protocol', error));
  socket.on('close', closeAll);
  acceptSocket(connection, socket);
  socket.on('data', () => {
    if (pendingFrameBytes(connection) > FRAME_BYTES_MAX) fail('a client sent a frame', 'larger than was announced');
  });
  return {
    detach: (kind) => {
      const links = [
        ...(kind === 'senders' ? [] : feeds.keys()),
        ...(kind === 'readers'
          ? []
          : [...sinks.keys()].filter((link) => parseAddress(link.target.address)?.kind === 'hub')),
      ];
      for (const link of links) detachForced(link);
      return links.length;
    },
  };
}

type Handlers = Readonly<Record<string, (context: EventContext) => unknown>>;

/** Registers handlers on the container, where the events of the connection, its sessions and its links end up. */
function listen(connection: Connection, container: rhea.Container, handlers: Handlers): void {
  for (const [name, handler] of Object.entries(handlers)) {
    container.on(name, (context: EventContext) => {
      if (context.connection === connection) handler(context);
    });
  }
}
