import { FrameError, type ClientFrame, type PublishFrame } from './client-frame.ts';
import type { Connection } from './connection.ts';
import type { Hub } from './hub.ts';
import { Message } from './message.ts';
import type { Service } from './service.ts';

/**
 * Does what a client asks, and acknowledges it when it gave an `ackId`.
 * @throws FrameError for a request that is not implemented and that nothing can answer: the connection must end, loudly
 */
export function handleClientFrame(service: Service, hub: Hub, connection: Connection, frame: ClientFrame): void {
  switch (frame.type) {
    case 'ping':
      connection.send({ type: 'pong' });
      return;
    case 'sequenceAck':
      connection.acknowledge(frame.sequenceId);
      return;
    case 'invoke':
      connection.send({
        type: 'invokeResponse',
        invocationId: frame.invocationId,
        success: false,
        error: { name: 'NotImplemented', message: unknownRequest('invoke') },
      });
      return;
    case 'other':
      if (frame.ackId === undefined) throw new FrameError(unknownRequest(frame.name));
      acknowledge(connection, frame.ackId, { name: 'NotImplemented', message: unknownRequest(frame.name) });
      return;
    case 'joinGroup':
    case 'leaveGroup':
    case 'sendToGroup':
      break;
  }
  const { ackId, group } = frame;
  if (ackId !== undefined && connection.isRepeat(ackId)) {
    acknowledge(connection, ackId, { name: 'Duplicate', message: `Message with ack-id: ${ackId} has been processed` });
    return;
  }
  const rejection = service.faults.takeRejection(frame.type);
  if (rejection) {
    acknowledge(connection, ackId, { name: rejection.code, message: 'Refused by a fault.' });
    return;
  }
  const permission = frame.type === 'sendToGroup' ? 'sendToGroup' : 'joinLeaveGroup';
  if (!connection.permissions[permission].allows(group)) {
    const message = `The client does not have permission ${permission} for group '${group}'.`;
    acknowledge(connection, ackId, { name: 'Forbidden', message });
    return;
  }
  if (frame.type === 'sendToGroup') publish(service, hub, connection, frame);
  else if (frame.type === 'joinGroup') hub.join(connection, group);
  else hub.leave(connection, group);
  if (ackId !== undefined) connection.remember(ackId);
  acknowledge(connection, ackId);
}

function publish(service: Service, hub: Hub, sender: Connection, frame: PublishFrame): void {
  const message = new Message(
    frame.content,
    { from: 'group', group: frame.group, fromUserId: sender.userId },
    {
      expiresAt: frame.ttlSeconds === 0 ? Infinity : service.now() + frame.ttlSeconds * 1000,
      metadata: frame.metadata,
    },
  );
  const wanted = frame.noEcho ? (connection: Connection) => connection !== sender : undefined;
  service.publish(hub, { kind: 'group', group: frame.group }, message, wanted);
}

function acknowledge(connection: Connection, ackId?: number, error?: { name: string; message: string }): void {
  if (ackId === undefined) return;
  connection.send({ type: 'ack', ackId, success: error === undefined, ...(error ? { error } : {}) });
}

function unknownRequest(name: string): string {
  const known =
    name === 'event' || name === 'invoke' ? `${name}: event handlers are` : `A request of type '${name}' is`;
  return `${known} not implemented by this local Web PubSub.`;
}
