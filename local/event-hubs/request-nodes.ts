/**
 * The two nodes that answer requests, `$cbs` (a token for an audience) and `$management` (properties of a hub or a
 * partition).
 * @see "AMQP Claims-based Security 1.0" and the Event Hubs AMQP protocol guide
 */
import rhea, { type Message } from 'rhea';
import { type Address, pathOf } from './addresses.ts';
import { type Claim, Unauthorized, isAllowed } from './sas.ts';
import { type Namespace, claimFor, hubOf, unknownHub, unknownPartition } from './namespace.ts';

const { types } = rhea;

/** Typecode of a short string, for the array of partition ids. */
const STR8 = 0xa1;

/** The claims a connection has collected through `$cbs`, by audience path, so that a renewal replaces. */
export type Claims = Map<string, Claim>;

interface Answer {
  readonly status: number;
  readonly description: string;
  /** AMQP error condition, for clients that read it beside the status. */
  readonly condition?: string;
  readonly body?: unknown;
}

const text = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
};

/** Answers `put-token`: verifies the token and keeps what it allows. */
export function answerCbs(namespace: Namespace, claims: Claims, request: Message): Answer {
  const properties = request.application_properties ?? {};
  const operation = text(properties['operation']);
  if (operation !== 'put-token') {
    return { status: 501, description: `The operation '${operation}' of $cbs is not implemented.` };
  }
  const audience = text(properties['name']);
  const kind = text(properties['type']);
  const token = text(request.body) ?? text((request.body as { content?: unknown } | undefined)?.content);
  if (audience === undefined || token === undefined) {
    return { status: 400, description: 'put-token needs the application property name and a token as its body.' };
  }
  if (kind !== 'servicebus.windows.net:sastoken' && kind !== 'jwt') {
    return { status: 400, description: `put-token: the token type '${kind}' is not known.` };
  }
  try {
    const claim = claimFor(namespace, token, audience);
    claims.set(claim.path, claim);
    return { status: 202, description: 'Accepted' };
  } catch (error) {
    if (!(error instanceof Unauthorized)) throw error;
    return { status: 401, description: `InvalidSignature: ${error.message}`, condition: 'amqp:unauthorized-access' };
  }
}

const missing = (description: string): Answer => ({ status: 404, description, condition: 'amqp:not-found' });

/** Answers `READ` of a hub or a partition. */
export function answerManagement(namespace: Namespace, claims: Claims, request: Message): Answer {
  const properties = request.application_properties ?? {};
  const operation = text(properties['operation']);
  const type = text(properties['type']);
  const name = text(properties['name']) ?? '';
  if (operation !== 'READ' || (type !== 'com.microsoft:eventhub' && type !== 'com.microsoft:partition')) {
    return {
      status: 501,
      description: `The operation '${operation}' on '${type}' of $management is not implemented.`,
      condition: 'amqp:not-implemented',
    };
  }
  // .NET never puts a token for this node: it sends one along with every request.
  const token = text(properties['security_token']);
  let allowed = isAllowed(claims.values(), `${name}/$management`, namespace.now());
  if (!allowed && token !== undefined) {
    try {
      const audience = /[?&]?sr=([^&]+)/.exec(token)?.[1];
      const claim = claimFor(namespace, token, audience === undefined ? name : decodeURIComponent(audience));
      allowed = audience === undefined || isAllowed([claim], `${name}/$management`, namespace.now());
    } catch (error) {
      if (!(error instanceof Unauthorized)) throw error;
      return { status: 401, description: error.message, condition: 'amqp:unauthorized-access' };
    }
  }
  if (!allowed) {
    return {
      status: 401,
      description: `Unauthorized access. 'Listen' or 'Send' is required to read '${name}'.`,
      condition: 'amqp:unauthorized-access',
    };
  }
  const hub = hubOf(namespace, name);
  if (hub === undefined) return missing(unknownHub(namespace, name));
  if (type === 'com.microsoft:eventhub') {
    const ids = hub.partitions.map((_, id) => String(id));
    return {
      status: 200,
      description: 'OK',
      body: {
        name: hub.name,
        type: 'com.microsoft:eventhub',
        created_at: types.wrap_timestamp(hub.createdAtMs),
        partition_count: types.wrap_int(ids.length),
        partition_ids: types.wrap_array(ids, STR8, undefined),
        georeplication_factor: types.wrap_int(1),
      },
    };
  }
  const id = text(properties['partition']) ?? '';
  const partition = hub.partition(id);
  if (partition === undefined) {
    return { status: 400, description: unknownPartition(hub, id), condition: 'com.microsoft:argument-out-of-range' };
  }
  const state = partition.state();
  return {
    status: 200,
    description: 'OK',
    body: {
      name: hub.name,
      type: 'com.microsoft:partition',
      partition: id,
      begin_sequence_number: types.wrap_long(state.beginSequence),
      last_enqueued_sequence_number: types.wrap_long(state.lastSequence),
      last_enqueued_offset: state.lastOffset,
      last_enqueued_time_utc: types.wrap_timestamp(state.lastEnqueuedMs),
      is_partition_empty: state.isEmpty,
    },
  };
}

/** The reply to a request, ready to send. */
export function replyTo(request: Message, answer: Answer): Message {
  return {
    ...(request.message_id === undefined ? {} : { correlation_id: request.message_id }),
    application_properties: {
      'status-code': types.wrap_int(answer.status),
      'status-description': answer.description,
      // Older stacks read these spellings.
      statusCode: types.wrap_int(answer.status),
      statusDescription: answer.description,
      ...(answer.condition === undefined ? {} : { 'error-condition': types.wrap_symbol(answer.condition) }),
    },
    body: answer.body ?? {},
  };
}

/** Whether the claims allow a link to this address now. */
export const mayAttach = (claims: Claims, address: Extract<Address, { hub: string }>, nowMs: number): boolean =>
  isAllowed(claims.values(), pathOf(address), nowMs);
