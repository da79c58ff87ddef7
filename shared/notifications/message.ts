/** What a delivery says, and how each channel puts it: JSON for webhooks, a mail, a command to a device. */
import type { AlertEvent } from '../alerts/alert.ts';
import type { ActionContent } from './action.ts';
import { fillHtml, fillJson, fillLine, fillText, type PlaceValues } from './channel-template.ts';
import type { Delivery, Summary } from './delivery.ts';

type ContentOf<K extends ActionContent['kind']> = Extract<ActionContent, { kind: K }>;

/** What is said, before a channel has put it. */
export interface Message {
  id: string;
  type: string;
  timestamp: string;
  data: object;
  values: PlaceValues;
}

/** What a delivery says. */
export function messageOf(delivery: Delivery): Message {
  const { id, type, event, also = [], summary, notice } = delivery;
  if (notice) return { id, type, timestamp: notice.since, data: notice, values: { type, message: notice.message } };
  if (!event) throw new Error(`The delivery ${id} says nothing.`);
  if (summary) {
    const data = { ruleId: event.ruleId, ruleName: event.ruleName, ...summary };
    const values = { ...valuesOf(type, [event]), message: suppressedText(event, summary), count: summary.suppressed };
    return { id, type, timestamp: summary.until, data, values: { ...values, messages: values.message } };
  }
  const events = [event, ...also];
  const values = valuesOf(type, events);
  if (also.length === 0) return { id, type, timestamp: event.ts, data: event, values };
  return { id, type: 'alert.group', timestamp: event.ts, data: { count: events.length, events }, values };
}

/** The body of a webhook. */
export function webhookBody({ type, timestamp, data, values }: Message, { body }: ContentOf<'webhook'>): string {
  return JSON.stringify(body === undefined ? { type, timestamp, data } : fillJson(body, values));
}

/** A mail: a subject of one line, plain text, and HTML where the action has a template of it. */
export interface Mail {
  subject: string;
  text: string;
  html?: string;
}

const SUBJECT = '[{{severity}}] {{rule.name}}: {{change}}';
const TEXT = '{{message}}\n\nDevice: {{device.id}}\nSince: {{openedAt}}\nAlert: {{alert.id}}\n';

/** The mail of a message. */
export function mailOf({ values, type }: Message, templates: Partial<ContentOf<'email'>>): Mail {
  const { subject = type === 'action.disabled' ? '{{message}}' : SUBJECT, text, html } = templates;
  const plain = text ?? (type === 'action.disabled' ? '{{message}}\n' : defaultText(values));
  return {
    subject: fillLine(subject, values),
    text: fillText(plain, values),
    ...(html === undefined ? {} : { html: fillHtml(html, values) }),
  };
}

function defaultText({ count }: PlaceValues): string {
  return Number(count) > 1 ? '{{count}} alerts:\n\n{{messages}}\n' : TEXT;
}

/** A command as a device reads it; docs/actions.md has the contract. */
export function commandOf({ id, values }: Message, event: AlertEvent, content: ContentOf<'command'>, nowMs: number) {
  return {
    id,
    type: 'command',
    deviceId: event.deviceId,
    command: content.command,
    payload: fillJson(content.payload, values),
    cause: { alertId: event.alertId, ruleId: event.ruleId, change: event.change },
    issuedAt: new Date(nowMs).toISOString(),
  };
}

function valuesOf(type: string, events: readonly AlertEvent[]): PlaceValues {
  const [event] = events;
  if (!event) return { type };
  const { threshold } = event;
  return {
    type,
    'alert.id': event.alertId,
    change: type.slice('alert.'.length),
    condition: event.condition,
    severity: event.severity,
    'rule.id': event.ruleId,
    'rule.name': event.ruleName,
    'device.id': event.deviceId,
    message: event.message,
    messages: events.map(({ message }) => message).join('\n'),
    count: events.length,
    openedAt: event.openedAt,
    at: event.ts,
    ...(event.parameter === undefined ? {} : { param: event.parameter }),
    ...(event.value === undefined ? {} : { value: event.value }),
    ...(threshold === undefined ? {} : { threshold: Array.isArray(threshold) ? threshold.join(', ') : threshold }),
  };
}

function suppressedText({ ruleName }: AlertEvent, { suppressed, since }: Summary): string {
  return `${suppressed} suppressed: ${ruleName} has had more notifications than it may since ${since}`;
}
