/** Sends commands to the hub that devices, or what speaks for them, read: in the order of each device. */
import type { EventHubProducerClient } from '@azure/event-hubs';
import type { SendCommand } from './outbox.ts';

/** Makes the sender. @param producer over one connection that is kept */
export function createCommandSender(producer: () => Promise<Pick<EventHubProducerClient, 'sendBatch'>>): SendCommand {
  return async ({ id, deviceId, body }) => {
    try {
      const hub = await producer();
      const message = {
        body,
        messageId: id,
        contentType: 'application/json',
        properties: { type: 'command', deviceId },
      };
      await hub.sendBatch([message], { partitionKey: deviceId });
      return { kind: 'delivered' };
    } catch (error) {
      const { code, name } = Object(error) as { code?: string; name?: string };
      return { kind: 'failed', detail: `the hub of commands did not take it: ${code ?? name ?? 'unknown'}` };
    }
  };
}
