/**
 * An endpoint that is dead: one that wants no more (410), or whose deliveries have failed for days without one that
 * arrived. It is told nothing more until its action is saved again, and people are told of that by other actions.
 */
import { count } from '../observability.ts';
import type { ActionDocument } from '../notifications/action.ts';
import { deliveryId, KEPT_SECONDS, type Attempted, type Delivery } from '../notifications/delivery.ts';
import { withoutSystemFields, type Stored } from '../store/store.ts';
import type { OutboxServices } from './outbox.ts';
import { isGone } from './send-webhook.ts';

/** Records what an attempt says of the action's endpoint. */
export async function recordEndpoint(
  services: OutboxServices,
  action: Stored<ActionDocument>,
  attempted: Attempted,
  delivery: Delivery,
): Promise<void> {
  if (action.disabledBecause !== undefined) return;
  const { failingSince, ...document } = withoutSystemFields<ActionDocument>(action);
  const at = new Date(services.now()).toISOString();
  if (attempted.kind === 'delivered') {
    if (failingSince !== undefined) await services.actions.replace(document, action._etag);
    return;
  }
  if (isGone(attempted)) return disable(services, action, 'gone');
  if (attempted.kind !== 'failed') return;
  // All attempts of a delivery over three days failed, and none of another one succeeded meanwhile.
  const sinceBefore = failingSince !== undefined && failingSince <= (delivery.firstFailedAt ?? at);
  if (delivery.status === 'dead' && sinceBefore) return disable(services, action, 'failing');
  if (failingSince === undefined) {
    // The moment that the delivery itself has, where it is the first to fail.
    const since = delivery.attempts === 1 ? (delivery.firstFailedAt ?? at) : at;
    await services.actions.replace({ ...document, failingSince: since }, action._etag);
  }
}

async function disable(
  services: OutboxServices,
  action: Stored<ActionDocument>,
  reason: 'gone' | 'failing',
): Promise<void> {
  const { tenantId, id, content } = action;
  const since = new Date(services.now()).toISOString();
  const document = { ...withoutSystemFields<ActionDocument>(action), disabledBecause: reason, disabledAt: since };
  // Whoever replaces it tells of it.
  if (!(await services.actions.replace(document, action._etag))) return;
  count('sluice.actions.disabled', 1, { reason });
  const target = `action:${id}`;
  await services.audit({ tenantId, actor: 'system:outbox', action: 'action-disabled', target, requestId: '', reason });
  const why = reason === 'gone' ? 'its receiver wants no more (410)' : 'its receiver has failed for days';
  const message = `The action ${content.name} is told nothing any more: ${why}`;
  for (const other of await othersThatPeopleRead(services, action)) {
    await services.store.create<Delivery>('actions', {
      id: deliveryId(`disabled~${id}~${since}`, other),
      tenantId,
      kind: 'delivery',
      type: 'action.disabled',
      actionId: other,
      notice: { actionId: id, name: content.name, reason, since, message },
      status: 'pending',
      dueAt: services.now(),
      attempts: 0,
      createdAt: since,
      ttl: KEPT_SECONDS,
    });
  }
}

/** E-mail where there is any: people read it. */
async function othersThatPeopleRead({ actions }: OutboxServices, { tenantId, id }: ActionDocument): Promise<string[]> {
  const others = (await actions.list(tenantId)).filter(
    (each) => each.id !== id && each.content.enabled && each.disabledBecause === undefined,
  );
  const mails = others.filter(({ content }) => content.kind === 'email');
  const chosen = mails.length > 0 ? mails : others.filter(({ content }) => content.kind === 'webhook');
  return chosen.map((each) => each.id);
}
