/** The Web PubSub output: every entry is one action on the hub, by the names of the platform's binding. */
import { WebPubSubServiceClient } from '@azure/web-pubsub';
import { z } from 'zod';
import { ConfigurationError } from '../config/configuration-error.ts';
import { explainIssues } from '../config/explain-issues.ts';
import { type Output, outputEntries } from './output.ts';

/** The setting that is read when a binding names none. */
const DEFAULT_CONNECTION = 'WebPubSubConnectionString';

const payload = {
  data: z.unknown(),
  dataType: z.enum(['text', 'json', 'binary']).default('text'),
};
const reason = z.string().optional();
const id = z.string().min(1);
const permission = z.enum(['joinLeaveGroup', 'sendToGroup']);
const excluded = z.array(z.string()).optional();

const action = z.discriminatedUnion('actionName', [
  z.object({ actionName: z.literal('sendToAll'), ...payload, excluded }),
  z.object({ actionName: z.literal('sendToGroup'), ...payload, group: id, excluded }),
  z.object({ actionName: z.literal('sendToUser'), ...payload, userId: id }),
  z.object({ actionName: z.literal('sendToConnection'), ...payload, connectionId: id }),
  z.object({ actionName: z.literal('addUserToGroup'), userId: id, group: id }),
  z.object({ actionName: z.literal('removeUserFromGroup'), userId: id, group: id }),
  z.object({ actionName: z.literal('removeUserFromAllGroups'), userId: id }),
  z.object({ actionName: z.literal('addConnectionToGroup'), connectionId: id, group: id }),
  z.object({ actionName: z.literal('removeConnectionFromGroup'), connectionId: id, group: id }),
  z.object({ actionName: z.literal('closeAllConnections'), reason }),
  z.object({ actionName: z.literal('closeClientConnection'), connectionId: id, reason }),
  z.object({ actionName: z.literal('closeGroupConnections'), group: id, reason }),
  z.object({
    actionName: z.literal('grantPermission'),
    connectionId: id,
    permission,
    targetName: z.string().optional(),
  }),
  z.object({
    actionName: z.literal('revokePermission'),
    connectionId: id,
    permission,
    targetName: z.string().optional(),
  }),
]);

type Action = z.output<typeof action>;

export const webPubSubOutput: Output = {
  type: 'webPubSub',
  prepare: ({ functionName, binding, readSetting }) => {
    const { hub, connection = DEFAULT_CONNECTION } = binding;
    if (typeof hub !== 'string' || hub === '' || typeof connection !== 'string') {
      throw new ConfigurationError(`Function "${functionName}": its webPubSub output needs a hub`);
    }
    const connectionString = readSetting(connection);
    if (connectionString === undefined) {
      throw new ConfigurationError(
        `Function "${functionName}": the setting ${connection} (a connection string) is missing`,
      );
    }
    const allowInsecureConnection = /Endpoint=http:/i.test(connectionString);
    const service = new WebPubSubServiceClient(connectionString, hub, { allowInsecureConnection });
    return {
      write: async (data) => {
        for (const entry of outputEntries(data)) {
          const parsed = action.safeParse(entry);
          if (!parsed.success)
            throw new Error(explainIssues(`The webPubSub output of "${functionName}"`, parsed.error));
          // oxlint-disable-next-line no-await-in-loop -- actions take effect in their order
          await perform(service, parsed.data);
        }
      },
      close: async () => {},
    };
  },
};

async function perform(service: WebPubSubServiceClient, asked: Action): Promise<void> {
  switch (asked.actionName) {
    case 'sendToAll': {
      const options = asked.excluded ? { excludedConnections: asked.excluded } : {};
      return send(
        asked,
        (text) => service.sendToAll(text, { ...options, contentType: 'text/plain' }),
        (json) => service.sendToAll(json, options),
        (bytes) => service.sendToAll(bytes, options),
      );
    }
    case 'sendToGroup': {
      const group = service.group(asked.group);
      const options = asked.excluded ? { excludedConnections: asked.excluded } : {};
      return send(
        asked,
        (text) => group.sendToAll(text, { ...options, contentType: 'text/plain' }),
        (json) => group.sendToAll(json, options),
        (bytes) => group.sendToAll(bytes, options),
      );
    }
    case 'sendToUser': {
      const { userId } = asked;
      return send(
        asked,
        (text) => service.sendToUser(userId, text, { contentType: 'text/plain' }),
        (json) => service.sendToUser(userId, json),
        (bytes) => service.sendToUser(userId, bytes),
      );
    }
    case 'sendToConnection': {
      const { connectionId } = asked;
      return send(
        asked,
        (text) => service.sendToConnection(connectionId, text, { contentType: 'text/plain' }),
        (json) => service.sendToConnection(connectionId, json),
        (bytes) => service.sendToConnection(connectionId, bytes),
      );
    }
    case 'addUserToGroup':
      return service.group(asked.group).addUser(asked.userId);
    case 'removeUserFromGroup':
      return service.group(asked.group).removeUser(asked.userId);
    case 'removeUserFromAllGroups':
      return service.removeUserFromAllGroups(asked.userId);
    case 'addConnectionToGroup':
      return service.group(asked.group).addConnection(asked.connectionId);
    case 'removeConnectionFromGroup':
      return service.group(asked.group).removeConnection(asked.connectionId);
    case 'closeAllConnections':
      return service.closeAllConnections(withReason(asked.reason));
    case 'closeClientConnection':
      return service.closeConnection(asked.connectionId, withReason(asked.reason));
    case 'closeGroupConnections':
      return service.group(asked.group).closeAllConnections(withReason(asked.reason));
    case 'grantPermission':
      return service.grantPermission(asked.connectionId, asked.permission, withTarget(asked.targetName));
    case 'revokePermission':
      return service.revokePermission(asked.connectionId, asked.permission, withTarget(asked.targetName));
  }
}

function withReason(text: string | undefined): { reason?: string } {
  return text === undefined ? {} : { reason: text };
}

function withTarget(targetName: string | undefined): { targetName?: string } {
  return targetName === undefined ? {} : { targetName };
}

async function send(
  { data, dataType }: { data?: unknown; dataType: 'text' | 'json' | 'binary' },
  asText: (text: string) => Promise<void>,
  asJson: (json: object) => Promise<void>,
  asBytes: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  if (dataType === 'json') return asJson((typeof data === 'string' ? JSON.parse(data) : data) as object);
  if (dataType === 'binary') return asBytes(Buffer.from(String(data), 'base64'));
  return asText(typeof data === 'string' ? data : JSON.stringify(data));
}
