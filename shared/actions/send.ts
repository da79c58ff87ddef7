/** Sends a delivery the way of its action. */
import type { ActionDocument } from '../notifications/action.ts';
import type { Attempted, Delivery } from '../notifications/delivery.ts';
import { commandOf, mailOf, messageOf, webhookBody } from '../notifications/message.ts';
import type { OutboxServices } from './outbox.ts';
import { sendWebhook } from './send-webhook.ts';

/** Milliseconds after which mail that was taken, and of which nothing more was heard, counts as sent. */
const OPERATION_MS_MAX = 3_600_000;

/** Sends it; never throws for what a receiver does. */
export async function send(
  services: OutboxServices,
  delivery: Delivery,
  action: ActionDocument | undefined,
): Promise<Attempted> {
  if (!action) return refused('the action was deleted');
  const { content } = action;
  if (!content.enabled || action.disabledBecause) return refused('the action is disabled');
  const message = messageOf(delivery);
  const nowMs = services.now();
  const { id, event, operation } = delivery;
  switch (content.kind) {
    case 'email':
      if (!services.mail) return refused('no way to send mail is set: SMTP_URL or ACS_ENDPOINT');
      if (operation && nowMs - Date.parse(operation.since) > OPERATION_MS_MAX) return { kind: 'delivered' };
      return services.mail({ id, to: content.to, ...mailOf(message, content) }, operation?.id);
    case 'command': {
      if (!event || !services.command) return refused('no hub for commands is set');
      // What was allowed when the action was saved may not be any more.
      if (!services.allowedCommands.has(content.command))
        return refused('the command is not allowed: COMMANDS_ALLOWED');
      const body = commandOf(message, event, content, nowMs);
      return services.command({ id, deviceId: event.deviceId, body });
    }
    case 'webhook': {
      const { secrets, allowed } = services;
      const body = webhookBody(message, content);
      return sendWebhook({ url: content.url, id, body, keys: secrets.keys(action, nowMs) }, { allowed, nowMs });
    }
  }
}

function refused(detail: string): Attempted {
  return { kind: 'refused', detail };
}
