/**
 * The two nodes that answer requests, `$cbs` (a token for an audience) and `$management` (properties of a hub or a
 * partition).
 * @see "AMQP Claims-based Security 1.0" and the Event Hubs AMQP protocol guide
 */
import rhea, { type Message } from 'rhea';
import { NOT_IMPLEMENTED, Refused, ARGUMENT_ERROR, UNAUTHORIZED } from './amqp-error.ts';
import { type Claim, isAllowed } from './sas.ts';
import { type Namespace, claimFor, hubOf, partitionOf } from './namespace.ts';

const { types } = rhea;

/** Typecode of a short string, for the array of partition ids. */
const STR8 = 0xa1;

const HUB_TYPE = 'com.microsoft:eventhub';
const PARTITION_TYPE = 'com.microsoft:partition';

/** HTTP-like status of each refusal these nodes give. */
const STATUS: Readonly<Record<string, number>> = {
  'amqp:not-found': 404,
  'amqp:unauthorized-access': 401,
  'amqp:not-implemented': 501,
  'amqp:internal-error': 500,
  'com.microsoft:server-busy': 503,
};

/** The claims a connection has collected through `$cbs`, by audience path, so that a renewal replaces. */
export type Claims = Map<string, Claim>;

/** What a node says to a request. */
export interface Answer {
  readonly status: number;
  readonly description: string;
  /** AMQP error condition, for clients that read it beside the status. */
  readonly condition?: string;
  readonly body?: unknown;
}

/** A node that answers requests. @throws Refused */
export type RequestNode = (namespace: Namespace, claims: Claims, request: Message) => Answer;

function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}

/** Answers `put-token`: verifies the token and keeps what it allows. @throws Refused */
export const cbsNode: RequestNode = (namespace, claims, request) => {
  namespace.faults.pass('token');
  const properties = request.application_properties ?? {};
  const operation = text(properties['operation']);
  if (operation !== 'put-token') {
    throw new Refused(NOT_IMPLEMENTED, `The operation '${operation}' of $cbs is not implemented.`);
  }
  const audience = text(properties['name']);
  const type = text(properties['type']);
  const body: unknown = request.body;
  const token = text(body) ?? text((body as { content?: unknown } | undefined)?.content);
  if (audience === undefined || token === undefined) {
    throw new Refused(ARGUMENT_ERROR, 'put-token needs the application property name, and a token as its body.');
  }
  if (type !== 'servicebus.windows.net:sastoken' && type !== 'jwt') {
    throw new Refused(ARGUMENT_ERROR, `put-token: the token type '${type}' is not known.`);
  }
  const claim = claimFor(namespace, token, audience);
  claims.set(claim.path, claim);
  return { status: 202, description: 'Accepted' };
};

/**
 * Whether the request may read the properties of a hub: through a claim of the connection, or the token it brings.
 * .NET never puts a token for this node, it sends one along with every request.
 */
function mayRead(namespace: Namespace, claims: Claims, hub: string, token: string | undefined): boolean {
  const node = `${hub}/$management`;
  if (isAllowed(claims.values(), node, namespace.now())) return true;
  if (token === undefined) return false;
  const resource = /[?& ]sr=([^&]+)/.exec(token)?.[1];
  const claim = claimFor(
    namespace,
    token,
    resource === undefined ? `sb://localhost/${hub}` : decodeURIComponent(resource),
  );
  return isAllowed([claim], node, namespace.now());
}

/** Answers `READ` of a hub or a partition. @throws Refused */
export const managementNode: RequestNode = (namespace, claims, request) => {
  namespace.faults.pass('management');
  const properties = request.application_properties ?? {};
  const operation = text(properties['operation']);
  const type = text(properties['type']);
  const name = text(properties['name']) ?? '';
  if (operation !== 'READ' || (type !== HUB_TYPE && type !== PARTITION_TYPE)) {
    throw new Refused(NOT_IMPLEMENTED, `The operation '${operation}' on '${type}' of $management is not implemented.`);
  }
  if (!mayRead(namespace, claims, name, text(properties['security_token']))) {
    throw new Refused(UNAUTHORIZED, `Unauthorized access. A token for '${name}' is required to read its properties.`);
  }
  const hub = hubOf(namespace, name);
  if (type === HUB_TYPE) {
    const ids = hub.partitions.map((_, id) => String(id));
    const body = {
      name: hub.name,
      type,
      created_at: types.wrap_timestamp(hub.createdAtMs),
      partition_count: types.wrap_int(ids.length),
      partition_ids: types.wrap_array(ids, STR8, undefined),
      georeplication_factor: types.wrap_int(1),
    };
    return { status: 200, description: 'OK', body };
  }
  const id = text(properties['partition']) ?? '';
  const state = partitionOf(hub, id).state();
  const body = {
    name: hub.name,
    type,
    partition: id,
    begin_sequence_number: types.wrap_long(state.beginSequence),
    last_enqueued_sequence_number: types.wrap_long(state.lastSequence),
    last_enqueued_offset: state.lastOffset,
    last_enqueued_time_utc: types.wrap_timestamp(state.lastEnqueuedMs),
    is_partition_empty: state.isEmpty,
  };
  return { status: 200, description: 'OK', body };
};

/** What a node says to a request; a refusal becomes a status. */
export function answerRequest(node: RequestNode, namespace: Namespace, claims: Claims, request: Message): Answer {
  try {
    return node(namespace, claims, request);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: STATUS[error.condition] ?? 400, description: error.message, condition: error.condition };
  }
}

/** The reply to a request, ready to send. */
export function replyTo(request: Message, answer: Answer): Message {
  return {
    ...(request.message_id === undefined ? {} : { correlation_id: request.message_id }),
    application_properties: {
      'status-code': types.wrap_int(answer.status),
      'status-description': answer.description,
      ...(answer.condition === undefined ? {} : { 'error-condition': types.wrap_symbol(answer.condition) }),
    },
    body: answer.body ?? {},
  };
}
