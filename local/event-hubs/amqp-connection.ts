/** One AMQP connection: which of its links leads where, and who is told when they end. */
import type { Socket } from 'node:net';
import rhea, { type Container, type EventContext, type Receiver, type Sender, type Session } from 'rhea';
import { parseAddress, pathOf } from './addresses.ts';
import { DETACH_FORCED, NOT_FOUND, NOT_IMPLEMENTED, Refused, UNAUTHORIZED } from './amqp-error.ts';
import { type SinkTarget, receiveEvents } from './event-sink.ts';
import type { Feed } from './event-source.ts';
import type { LinkKind } from './fault-plan.ts';
import { endLink, prepareAttach } from './link-attach.ts';
import { MESSAGE_BYTES_MAX, type Namespace, hubOf, partitionOf } from './namespace.ts';
import { openReader } from './reader-link.ts';
import { type Claims, type RequestNode, answerRequest, cbsNode, managementNode, replyTo } from './request-nodes.ts';
import {
  type Transfer,
  acceptDelivery,
  acceptSocket,
  clearTimers,
  createConnection,
  decodeMessage,
  pendingFrameBytes,
  prepareSession,
  sendHeartbeat,
  settleSecond,
  transferOf,
} from './rhea-hooks.ts';
import { isAllowed } from './sas.ts';

/** Bytes of a frame, as the service announces; larger messages come in several. */
const FRAME_BYTES_MAX = 65_536;
/** Milliseconds of silence, heartbeats included, after which a connection is taken for dead; as the service announces. */
const IDLE_MS_MAX = 240_000;
/** Transfers a sender may have under way. */
const LINK_CREDIT = 300;
/** Highest link handle of a session, as the service announces. */
const HANDLE_MAX = 255;

const FORCED = {
  condition: DETACH_FORCED,
  description: 'The link was detached because a fault was asked for.',
};

/** A connection as the server sees it. */
export interface AmqpConnection {
  /** Detaches links, as the service does when it moves an entity; returns how many. */
  detach(kind: LinkKind): number;
}

/**
 * Signs clients in: PLAIN with the key gives every right; all other mechanisms admit anyone, without rights, who then
 * has to bring a token to `$cbs`.
 */
function containerFor(namespace: Namespace, claims: Claims): Container {
  const container = rhea.create_container({ id: 'sluice-event-hubs' });
  const mechanisms = container.sasl_server_mechanisms;
  const admit = () => ({
    outcome: undefined as boolean | undefined,
    start() {
      this.outcome = true;
    },
  });
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

/** Serves a socket whose client speaks AMQP. */
export function serveAmqp(socket: Socket, namespace: Namespace): AmqpConnection {
  const claims: Claims = new Map();
  const container = containerFor(namespace, claims);
  const connection = createConnection(container, {
    max_frame_size: FRAME_BYTES_MAX,
    idle_time_out: IDLE_MS_MAX,
    receiver_options: { autoaccept: false, credit_window: LINK_CREDIT },
    tcp_no_delay: true,
  });
  const requests = new Map<Receiver, (transfer: Transfer) => void>();
  const sinks = new Map<Receiver, (transfer: Transfer) => void>();
  const feeds = new Map<Sender, Feed>();
  const replies = new Map<Sender, RequestNode>();

  /** The link a reply goes out on: the one the request names, else the one of its session, else any to that node. */
  const replyLink = (session: Session, node: RequestNode, replyAddress: unknown): Sender | undefined => {
    const open = [...replies].filter(([link, its]) => its === node && link.is_open()).map(([link]) => link);
    const named = open.filter((link) => replyAddress !== undefined && link.target.address === replyAddress);
    const candidates = named.length > 0 ? named : open;
    return candidates.findLast((link) => link.session === session) ?? candidates.at(-1);
  };

  const answer = (receiver: Receiver, node: RequestNode, transfer: Transfer): void => {
    const request = decodeMessage(transfer.bytes);
    acceptDelivery(transfer.delivery);
    const said = answerRequest(node, namespace, claims, request);
    if (said.status >= 400) namespace.log(`event-hubs: ${said.status} ${said.description}`);
    const send = (): void => {
      const link = replyLink(receiver.session, node, request.reply_to);
      if (link === undefined) namespace.log(`event-hubs: no link leads to '${request.reply_to}', the reply is lost.`);
      else link.send(replyTo(request, said));
    };
    if (namespace.faults.delayMs > 0) setTimeout(send, namespace.faults.delayMs).unref();
    else send();
  };

  /** The client sends on this link. */
  const openReceiver = (receiver: Receiver): void => {
    const written = String(receiver.target?.address ?? '');
    const address = parseAddress(written);
    if (address === undefined || address.kind === 'consumer') {
      throw new Refused(NOT_FOUND, `The target address '${written}' names nothing that takes messages.`);
    }
    if (address.kind !== 'hub') {
      const node = address.kind === 'cbs' ? cbsNode : managementNode;
      receiver.set_target(receiver.target);
      requests.set(receiver, (transfer) => answer(receiver, node, transfer));
      return;
    }
    if (!isAllowed(claims.values(), pathOf(address), namespace.now())) {
      throw new Refused(UNAUTHORIZED, `Unauthorized access. 'Send' claim(s) are required to send to '${written}'.`);
    }
    const hub = hubOf(namespace, address.hub);
    const partition = address.partition === undefined ? undefined : partitionOf(hub, address.partition);
    const target: SinkTarget = { hub, partition, publisher: address.publisher };
    receiver.set_target(receiver.target);
    sinks.set(receiver, (transfer) => receiveEvents(target, transfer, namespace));
  };

  /** The client receives on this link. */
  const openSender = (sender: Sender): void => {
    const written = String(sender.source?.address ?? '');
    const address = parseAddress(written);
    if (sender.source?.dynamic === true) throw new Refused(NOT_IMPLEMENTED, 'Dynamic nodes are not implemented.');
    if (address === undefined || address.kind === 'hub') {
      throw new Refused(NOT_FOUND, `'${written}' is not of the form hub/ConsumerGroups/group/Partitions/id.`);
    }
    if (address.kind === 'consumer') {
      feeds.set(sender, openReader(sender, address, claims, socket, namespace));
      return;
    }
    sender.set_source(sender.source);
    replies.set(sender, address.kind === 'cbs' ? cbsNode : managementNode);
  };

  const open = <Link extends Sender | Receiver>(link: Link | undefined, take: (link: Link) => void): void => {
    if (link === undefined) return;
    prepareAttach(link);
    try {
      take(link);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      namespace.log(`event-hubs: link refused: ${error.message}`);
      endLink(link, error.failure);
    }
  };
  const closeSender = (sender: Sender | undefined): void => {
    if (sender === undefined) return;
    feeds.get(sender)?.stop();
    feeds.delete(sender);
    replies.delete(sender);
  };
  const closeReceiver = (receiver: Receiver | undefined): void => {
    if (receiver === undefined) return;
    sinks.delete(receiver);
    requests.delete(receiver);
  };
  const closeSession = (session: Session | undefined): void => {
    for (const sender of [...feeds.keys(), ...replies.keys()]) if (sender.session === session) closeSender(sender);
    for (const receiver of [...sinks.keys(), ...requests.keys()]) {
      if (receiver.session === session) closeReceiver(receiver);
    }
  };
  const closeAll = (): void => {
    for (const sender of feeds.keys()) closeSender(sender);
    replies.clear();
    sinks.clear();
    requests.clear();
    clearTimers(connection);
  };
  /**
   * Answers bytes that get no other answer with a heartbeat. The SDK writes frame by frame without TCP_NODELAY, so a
   * frame that nothing answers (a flow) holds up the next one for as long as our acknowledgement is delayed: 40 ms for
   * every link it opens.
   */
  const answerAtOnce = (): void => {
    const { bytesWritten } = socket;
    setImmediate(() => {
      if (!socket.destroyed && socket.bytesWritten === bytesWritten) sendHeartbeat(connection);
    });
  };
  const fail = (error: unknown): void => {
    namespace.log(`event-hubs: a connection was ended: ${Error.isError(error) ? error.message : String(error)}`);
    socket.destroy();
  };

  const handlers: Readonly<Record<string, (context: EventContext) => void>> = {
    session_open: ({ session }) => {
      if (session !== undefined) prepareSession(session, MESSAGE_BYTES_MAX, HANDLE_MAX);
    },
    session_close: ({ session }) => closeSession(session),
    receiver_open: ({ receiver }) => open(receiver, openReceiver),
    receiver_close: ({ receiver }) => closeReceiver(receiver),
    receiver_error: ({ receiver }) => closeReceiver(receiver),
    sender_open: ({ sender }) => open(sender, openSender),
    sender_close: ({ sender }) => closeSender(sender),
    sender_error: ({ sender }) => closeSender(sender),
    sender_flow: ({ sender }) => sender && feeds.get(sender)?.wake(),
    sendable: ({ sender }) => sender && feeds.get(sender)?.wake(),
    message: (context) => {
      const { receiver } = context;
      const transfer = transferOf(context, MESSAGE_BYTES_MAX);
      if (receiver === undefined || transfer === undefined) return;
      (sinks.get(receiver) ?? requests.get(receiver))?.(transfer);
    },
    accepted: ({ delivery }) => delivery && settleSecond(delivery),
    rejected: ({ delivery }) => delivery && settleSecond(delivery),
    released: ({ delivery }) => delivery && settleSecond(delivery),
    connection_close: closeAll,
    connection_error: ({ error }) => namespace.log(`event-hubs: a client reported: ${String(error)}`),
    session_error: () => undefined,
    disconnected: closeAll,
  };
  for (const [name, handler] of Object.entries(handlers)) container.on(name, handler);
  // What rhea throws at bytes that are not AMQP, or not in order, ends up at these two.
  container.on('error', fail);
  container.on('protocol_error', fail);
  socket.on('close', closeAll);
  const handshake = setTimeout(() => {
    if (!connection.is_open()) fail(`a client did not open its connection within ${namespace.patienceMs} ms.`);
  }, namespace.patienceMs);
  handshake.unref();
  socket.on('close', () => clearTimeout(handshake));
  acceptSocket(connection, socket);
  socket.on('data', () => {
    if (pendingFrameBytes(connection) > FRAME_BYTES_MAX) fail('a frame is larger than was announced.');
    answerAtOnce();
  });
  return {
    detach: (kind) => {
      const links: (Sender | Receiver)[] = [];
      if (kind !== 'senders') links.push(...feeds.keys());
      if (kind !== 'readers') links.push(...sinks.keys());
      for (const link of links) {
        // What is still on its way on the link is not taken: the client has to send it again.
        if (link.is_receiver()) sinks.delete(link as Receiver);
        endLink(link, FORCED);
      }
      return links.length;
    },
  };
}
