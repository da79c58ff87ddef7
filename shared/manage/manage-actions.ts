/** `/v1/actions` and `/v1/deliveries`: where alerts are told, and what became of it. */
import { randomBytes } from 'node:crypto';
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { invalidInput, Problem } from '../http/problem.ts';
import {
  ACTIONS_PER_TENANT_MAX,
  rotatedSecrets,
  type ActionContent,
  type ActionDocument,
  type WebhookSecrets,
} from '../notifications/action.ts';
import { DELIVERY_STATES, type Delivery } from '../notifications/delivery.ts';
import { brokenTarget, type AllowedTargets } from '../notifications/public-address.ts';
import { withoutSystemFields, type Stored } from '../store/store.ts';
import { reserveIds } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';
import { newestFirst } from './newest-first.ts';
import { deleteStored, updateStored } from './update-stored.ts';

/** What the management of actions works with. */
export interface ActionServices extends ManageServices {
  webhookSecrets: WebhookSecrets;
  allowedTargets: AllowedTargets;
  /** Commands that actions may send. */
  allowedCommands: ReadonlySet<string>;
}

export const actionPath = z.object({
  actionId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not the id of an action'),
});
export const deliveryPath = z.object({
  deliveryId: z.string().regex(/^msg_[A-Za-z0-9_-]{32}$/, 'is not the id of a delivery'),
});
export const deliveryListQuery = z.object({
  ...pageQuery,
  status: z.enum(DELIVERY_STATES, `must be one of ${DELIVERY_STATES.join(', ')}`).optional(),
  action: actionPath.shape.actionId.optional(),
  alert: z.string().max(256, 'is not the id of an alert').optional(),
});
type Path = z.output<typeof actionPath>;

/** Lists the tenant's actions. */
export async function listActions({ actions }: ActionServices, { caller }: ManageCall): Promise<HttpResponseInit> {
  return { jsonBody: { items: (await actions.list(caller.tenantId)).map(viewOf), nextCursor: null } };
}

/**
 * Creates an action; a webhook's secret is in the answer, once: a repeat under the same Idempotency-Key answers without it.
 * @throws Problem 400, 409
 */
export async function createAction(
  services: ActionServices,
  call: ManageCall<unknown, undefined, ActionContent>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  checkTarget(services, call.body);
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'action', key, body: call.body };
  const newIds = () => ({ id: `act_${randomBytes(12).toString('base64url')}` });
  const { ids } = await reserveIds(services.store, reservation, newIds);
  const existing = key === null ? undefined : await services.actions.find(tenantId, ids.id);
  if (existing) return replay(existing);
  if ((await services.actions.list(tenantId)).length >= ACTIONS_PER_TENANT_MAX) {
    throw new Problem(
      'too-many-actions',
      409,
      `A tenant has at most ${ACTIONS_PER_TENANT_MAX} actions: delete one first.`,
    );
  }
  const made = call.body.kind === 'webhook' ? services.webhookSecrets.make() : undefined;
  const at = new Date(services.now()).toISOString();
  const { id } = ids;
  const created = await services.actions.create({
    id,
    tenantId,
    kind: 'action',
    content: call.body,
    secrets: made ? [{ sealed: made.sealed }] : [],
    createdAt: at,
    updatedAt: at,
  });
  // The id is new, or reserved under the key: then the same request came twice at once.
  if (!created) return replay(await own(services, { ...call, params: { actionId: id } }));
  await recordChange(services, call, 'action-created', `action:${id}`);
  const view = made ? { ...viewOf(created), secret: made.secret } : viewOf(created);
  return resource(view, created._etag, 201, { location: `/v1/actions/${id}` });
}

/** Shows an action. @throws Problem 404 */
export async function getAction(services: ActionServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  return respond(await own(services, call));
}

/** Replaces an action; its secret stays. @throws Problem 400, 404, 412 */
export async function putAction(
  services: ActionServices,
  call: ManageCall<Path, undefined, ActionContent>,
): Promise<HttpResponseInit> {
  checkTarget(services, call.body);
  const updated = await update(services, call, (before) => {
    const { disabledBecause: _, disabledAt: _at, failingSince: _since, ...action } = before;
    if (action.content.kind !== call.body.kind)
      throw invalidInput('body', [{ field: 'kind', rule: `must stay ${action.content.kind}`, got: call.body.kind }]);
    return { ...action, content: call.body };
  });
  await recordChange(services, call, 'action-changed', `action:${call.params.actionId}`);
  return respond(updated);
}

/** Deletes an action. @throws Problem 404, 412 */
export async function deleteAction(services: ActionServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  await deleteStored(call.request, {
    read: () => own(services, call),
    remove: (action) => services.actions.remove(action),
  });
  await recordChange(services, call, 'action-deleted', `action:${call.params.actionId}`);
  return { status: 204 };
}

/** Replaces a webhook's secret; the one before signs beside it for a day. @throws Problem 404, 409 */
export async function rotateActionSecret(services: ActionServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  const made = services.webhookSecrets.make();
  const updated = await update(services, call, (action) => {
    if (action.content.kind !== 'webhook') throw new Problem('no-secret', 409, 'Only webhooks have a secret.');
    return { ...action, secrets: rotatedSecrets(action.secrets, made.sealed, services.now()) };
  });
  await recordChange(services, call, 'action-secret-rotated', `action:${call.params.actionId}`);
  return resource({ ...viewOf(updated), secret: made.secret }, updated._etag);
}

/** Lists deliveries, the newest first. */
export async function listDeliveries(
  { store }: ActionServices,
  { caller, query }: ManageCall<unknown, z.output<typeof deliveryListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, status, action, alert } = query;
  const filters = Object.entries({ status, actionId: action, alertId: alert }).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  );
  const [time, id] = unpackCursor(cursor, 2) ?? [];
  const found = await newestFirst<'createdAt', Delivery>(store, {
    container: 'actions',
    conditions: ["c.kind = 'delivery'", ...filters.map(({ name }) => `c.${name} = @${name}`)],
    parameters: filters.map(({ name, value }) => ({ name: `@${name}`, value })),
    time: 'createdAt',
    after: time === undefined || id === undefined ? undefined : { time, id },
    limit: limit + 1,
    partitionKey: caller.tenantId,
  });
  return { jsonBody: toPage(found, limit, deliveryView, (each) => [each.createdAt, each.id]) };
}

/** Sends a delivery again that was given up. @throws Problem 404, 409 */
export async function resendDelivery(
  services: ActionServices,
  call: ManageCall<z.output<typeof deliveryPath>>,
): Promise<HttpResponseInit> {
  const { store } = services;
  const { tenantId } = call.caller;
  const updated = await updateStored<Delivery>(
    call.request,
    {
      read: async () => {
        const found = await store.read<Delivery>('actions', call.params.deliveryId, tenantId);
        if (!found) throw new Problem('unknown-delivery', 404, 'There is no such delivery.');
        return found;
      },
      write: (next, etag) => store.replace('actions', next, etag),
    },
    (delivery) => {
      if (delivery.status === 'pending') throw new Problem('under-way', 409, 'This delivery is under way already.');
      if (delivery.status === 'grouped') {
        const detail = `This delivery was told by ${delivery.sentWith}: send that one again.`;
        throw new Problem('told-together', 409, detail);
      }
      const { firstFailedAt: _, operation: _operation, ...rest } = delivery;
      return { ...rest, status: 'pending', attempts: 0, dueAt: services.now(), byHand: true };
    },
  );
  await revive(services, updated);
  await recordChange(services, call, 'delivery-resent', `delivery:${call.params.deliveryId}`);
  return resource(deliveryView(updated), updated._etag);
}

/** Whoever sends again what failed believes that the receiver is back. One that wants no more has to be saved again. */
async function revive({ actions }: ActionServices, { tenantId, actionId }: Delivery): Promise<void> {
  const action = await actions.find(tenantId, actionId);
  if (action?.disabledBecause !== 'failing') return;
  const { disabledBecause: _, disabledAt: _at, failingSince: _since, ...document } = action;
  await actions.replace(withoutSystemFields(document as typeof action), action._etag);
}

function update(
  services: ActionServices,
  call: ManageCall<Path, undefined, unknown>,
  change: (action: ActionDocument) => ActionDocument,
): Promise<Stored<ActionDocument>> {
  const at = new Date(services.now()).toISOString();
  return updateStored<ActionDocument>(
    call.request,
    { read: () => own(services, call), write: (next, etag) => services.actions.replace(next, etag) },
    (action) => ({ ...change(action), updatedAt: at }),
  );
}

async function own(
  { actions }: ActionServices,
  { caller, params }: Pick<ManageCall<Path>, 'caller' | 'params'>,
): Promise<Stored<ActionDocument>> {
  const found = await actions.find(caller.tenantId, params.actionId);
  if (!found) throw new Problem('unknown-action', 404, 'There is no such action: GET /v1/actions lists them.');
  return found;
}

function checkTarget({ allowedTargets, allowedCommands }: ActionServices, content: ActionContent): void {
  if (content.kind === 'command' && !allowedCommands.has(content.command)) {
    const rule = `must be one of ${[...allowedCommands].join(', ') || 'none: the setting COMMANDS_ALLOWED names them'}`;
    throw invalidInput('body', [{ field: 'command', rule, got: content.command }]);
  }
  if (content.kind !== 'webhook') return;
  const rule = brokenTarget(content.url, allowedTargets);
  if (rule !== undefined) throw invalidInput('body', [{ field: 'url', rule, got: content.url.slice(0, 60) }]);
}

/** The answer to a creation that was made before; without the secret, which was shown then. */
function replay(action: Stored<ActionDocument>): HttpResponseInit {
  return resource(viewOf(action), action._etag, 200, { 'idempotency-replayed': 'true' });
}

function respond(action: Stored<ActionDocument>): HttpResponseInit {
  return resource(viewOf(action), action._etag);
}

function viewOf({ id, content, createdAt, updatedAt, ...health }: ActionDocument) {
  const { disabledBecause, disabledAt, failingSince } = health;
  return {
    id,
    ...content,
    ...(disabledBecause === undefined ? {} : { disabledBecause }),
    ...(disabledAt === undefined ? {} : { disabledAt }),
    ...(failingSince === undefined ? {} : { failingSince }),
    createdAt,
    updatedAt,
  };
}

function deliveryView(stored: Stored<Delivery>) {
  const { kind: _kind, ttl: _ttl, tenantId: _tenant, dueAt, ...delivery } = withoutSystemFields<Delivery>(stored);
  return { ...delivery, ...(delivery.status === 'pending' ? { nextAttemptAt: new Date(dueAt).toISOString() } : {}) };
}
