/**
 * The data plane, operation by operation: a verb, a path below `/api/hubs/{hub}`, and what it does.
 * A path part that starts with `{` is a parameter.
 */
import type { IncomingMessage } from 'node:http';
import { signClientToken } from './access-token.ts';
import { readConnectionFilter } from './connection-filter.ts';
import { type Connection, NORMAL_CLOSURE } from './connection.ts';
import type { Permission } from './group-permissions.ts';
import type { Hub, Target } from './hub.ts';
import { listConnections } from './list-connections.ts';
import { MESSAGE_TTL_SECONDS_MAX } from './limits.ts';
import { Message, type Origin } from './message.ts';
import { isGroupName } from './names.ts';
import { readGroupsRequest } from './groups-request.ts';
import { wholeNumber } from './query-number.ts';
import { readContent, readMetadata } from './send-content.ts';
import { badRequest, notImplemented, ServiceError } from './service-error.ts';
import type { Service } from './service.ts';

/** One call of an operation. */
interface OperationCall {
  service: Service;
  hub: Hub;
  request: IncomingMessage;
  query: URLSearchParams;
  /** A parameter of the path, checked to be there. */
  parameter: (name: string) => string;
  /** The URL the caller used, for links and audiences. */
  url: URL;
}

/** An answer: a status, and a JSON body if there is one. */
export interface OperationAnswer {
  status: number;
  body?: object;
}

/** An operation, by the name of the REST reference. */
export interface Operation {
  name: string;
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  run: (call: OperationCall) => OperationAnswer | Promise<OperationAnswer>;
}

const ok = { status: 200 };
const noContent = { status: 204 };
const absent = { status: 404 };

/** All 25 operations of 2024-12-01 but the two that only differ in their content type. */
export const operations: Operation[] = [
  { name: 'SendToAll', method: 'POST', path: ':send', run: (call) => send(call, { kind: 'all' }) },
  {
    name: 'SendToGroup',
    method: 'POST',
    path: 'groups/{group}/:send',
    run: (call) => send(call, { kind: 'group', group: groupOf(call) }),
  },
  {
    name: 'SendToUser',
    method: 'POST',
    path: 'users/{userId}/:send',
    run: (call) => send(call, { kind: 'user', userId: call.parameter('userId') }),
  },
  {
    name: 'SendToConnection',
    method: 'POST',
    path: 'connections/{connectionId}/:send',
    run: (call) => send(call, { kind: 'connection', connectionId: existing(call).id }),
  },
  {
    name: 'ConnectionExists',
    method: 'HEAD',
    path: 'connections/{connectionId}',
    run: ({ hub, parameter }) => (hub.get(parameter('connectionId')) ? ok : absent),
  },
  {
    name: 'GroupExists',
    method: 'HEAD',
    path: 'groups/{group}',
    run: (call) => (call.hub.select({ kind: 'group', group: groupOf(call) }).length > 0 ? ok : absent),
  },
  {
    name: 'UserExists',
    method: 'HEAD',
    path: 'users/{userId}',
    run: ({ hub, parameter }) => (hub.select({ kind: 'user', userId: parameter('userId') }).length > 0 ? ok : absent),
  },
  {
    name: 'CloseConnection',
    method: 'DELETE',
    path: 'connections/{connectionId}',
    run: (call) => close(call, { kind: 'connection', connectionId: call.parameter('connectionId') }),
  },
  {
    name: 'CloseAllConnections',
    method: 'POST',
    path: ':closeConnections',
    run: (call) => close(call, { kind: 'all' }),
  },
  {
    name: 'CloseGroupConnections',
    method: 'POST',
    path: 'groups/{group}/:closeConnections',
    run: (call) => close(call, { kind: 'group', group: groupOf(call) }),
  },
  {
    name: 'CloseUserConnections',
    method: 'POST',
    path: 'users/{userId}/:closeConnections',
    run: (call) => close(call, { kind: 'user', userId: call.parameter('userId') }),
  },
  {
    name: 'ListConnectionsInGroup',
    method: 'GET',
    path: 'groups/{group}/connections',
    run: (call) => {
      const members = call.hub.select({ kind: 'group', group: groupOf(call) });
      return { status: 200, body: listConnections(members, call.query, call.url) };
    },
  },
  {
    name: 'AddConnectionToGroup',
    method: 'PUT',
    path: 'groups/{group}/connections/{connectionId}',
    run: (call) => {
      call.hub.join(existing(call), groupOf(call));
      return ok;
    },
  },
  {
    name: 'RemoveConnectionFromGroup',
    method: 'DELETE',
    path: 'groups/{group}/connections/{connectionId}',
    run: (call) => {
      const group = groupOf(call);
      const connection = call.hub.get(call.parameter('connectionId'));
      if (connection) call.hub.leave(connection, group);
      return noContent;
    },
  },
  {
    name: 'RemoveConnectionFromAllGroups',
    method: 'DELETE',
    path: 'connections/{connectionId}/groups',
    run: ({ hub, parameter }) => {
      leaveAll(hub, [hub.get(parameter('connectionId')) ?? []].flat());
      return noContent;
    },
  },
  {
    name: 'AddUserToGroup',
    method: 'PUT',
    path: 'users/{userId}/groups/{group}',
    run: (call) => {
      const group = groupOf(call);
      for (const connection of usersConnections(call)) call.hub.join(connection, group);
      return ok;
    },
  },
  {
    name: 'RemoveUserFromGroup',
    method: 'DELETE',
    path: 'users/{userId}/groups/{group}',
    run: (call) => {
      const group = groupOf(call);
      for (const connection of usersConnections(call)) call.hub.leave(connection, group);
      return noContent;
    },
  },
  {
    name: 'RemoveUserFromAllGroups',
    method: 'DELETE',
    path: 'users/{userId}/groups',
    run: (call) => {
      leaveAll(call.hub, usersConnections(call));
      return noContent;
    },
  },
  {
    name: 'AddConnectionsToGroups',
    method: 'POST',
    path: ':addToGroups',
    run: async ({ hub, request }) => {
      const { groups, wanted } = await readGroupsRequest(request);
      for (const connection of hub.select({ kind: 'all' }).filter(wanted)) {
        for (const group of groups) hub.join(connection, group);
      }
      return ok;
    },
  },
  {
    name: 'RemoveConnectionsFromGroups',
    method: 'POST',
    path: ':removeFromGroups',
    run: async ({ hub, request }) => {
      const { groups, wanted } = await readGroupsRequest(request);
      for (const connection of hub.select({ kind: 'all' }).filter(wanted)) {
        for (const group of groups) hub.leave(connection, group);
      }
      return ok;
    },
  },
  {
    name: 'GrantPermission',
    method: 'PUT',
    path: 'permissions/{permission}/connections/{connectionId}',
    run: (call) => {
      const [permission, group] = permissionOf(call);
      existing(call).permissions[permission].grant(group);
      return ok;
    },
  },
  {
    name: 'RevokePermission',
    method: 'DELETE',
    path: 'permissions/{permission}/connections/{connectionId}',
    run: (call) => {
      const [permission, group] = permissionOf(call);
      call.hub.get(call.parameter('connectionId'))?.permissions[permission].revoke(group);
      return noContent;
    },
  },
  {
    name: 'CheckPermission',
    method: 'HEAD',
    path: 'permissions/{permission}/connections/{connectionId}',
    run: (call) => {
      const [permission, group] = permissionOf(call);
      return call.hub.get(call.parameter('connectionId'))?.permissions[permission].allows(group) ? ok : absent;
    },
  },
  { name: 'GenerateClientToken', method: 'POST', path: ':generateToken', run: generateToken },
];

async function send(call: OperationCall, target: Target): Promise<OperationAnswer> {
  const { service, hub, request, query } = call;
  const excluded = new Set(query.getAll('excluded'));
  const filter = query.get('filter');
  const matches = filter === null || filter.trim() === '' ? () => true : readConnectionFilter(filter);
  const ttlSeconds = wholeNumber(query, 'messageTtlSeconds', 0, MESSAGE_TTL_SECONDS_MAX) ?? 0;
  const content = await readContent(request);
  const origin: Origin = target.kind === 'group' ? { from: 'group', group: target.group } : { from: 'server' };
  const message = new Message(content, origin, {
    expiresAt: ttlSeconds === 0 ? Infinity : service.now() + ttlSeconds * 1000,
    metadata: readMetadata(request),
  });
  service.publish(hub, target, message, (connection) => !excluded.has(connection.id) && matches(connection));
  return { status: 202 };
}

function close({ hub, query }: OperationCall, target: Target): OperationAnswer {
  const excluded = new Set(query.getAll('excluded'));
  for (const connection of hub.select(target)) {
    if (!excluded.has(connection.id)) connection.close(NORMAL_CLOSURE, query.get('reason') ?? '');
  }
  return noContent;
}

async function generateToken({ service, hub, query, url }: OperationCall): Promise<OperationAnswer> {
  const clientType = query.get('clientType') ?? 'Default';
  if (clientType.toLowerCase() !== 'default') throw notImplemented(`clientType ${clientType}`);
  const groups = query.getAll('group');
  if (!groups.every(isGroupName)) throw badRequest('group', 'A group is not 1 to 1,024 characters, or only blanks.');
  const claims = { userId: query.get('userId') ?? undefined, roles: query.getAll('role'), groups };
  const minutes = wholeNumber(query, 'minutesToExpire', 1, Number.MAX_SAFE_INTEGER) ?? 60;
  const audience = `${url.origin}/client/hubs/${hub.name}`;
  return { status: 200, body: { token: await signClientToken(service.key, audience, claims, minutes, service.now()) } };
}

function groupOf({ parameter }: OperationCall): string {
  const group = parameter('group');
  if (!isGroupName(group)) throw badRequest('group', 'A group has 1 to 1,024 characters, not only blanks.');
  return group;
}

function existing({ hub, parameter }: OperationCall): Connection {
  const id = parameter('connectionId');
  const connection = hub.get(id);
  if (connection) return connection;
  throw new ServiceError(404, 'ConnectionNotFound', `There is no connection '${id}'.`, { target: 'connectionId' });
}

function usersConnections({ hub, parameter }: OperationCall): Connection[] {
  return hub.select({ kind: 'user', userId: parameter('userId') });
}

function leaveAll(hub: Hub, connections: Connection[]): void {
  for (const connection of connections) for (const group of connection.groups) hub.leave(connection, group);
}

function permissionOf({ parameter, query }: OperationCall): [Permission, string | undefined] {
  const permission = parameter('permission');
  if (permission !== 'joinLeaveGroup' && permission !== 'sendToGroup') {
    throw badRequest('permission', `The permission is joinLeaveGroup or sendToGroup, not '${permission}'.`);
  }
  const group = query.get('targetName') ?? undefined;
  if (group !== undefined && !isGroupName(group)) {
    throw badRequest('targetName', 'A group has 1 to 1,024 characters, not only blanks.');
  }
  return [permission, group];
}
