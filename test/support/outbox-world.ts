/** The outbox over a local Cosmos DB with a scripted receiver, alerts that a test moves, and a clock that it moves. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deliverDue, notify } from '../../shared/actions/deliver.ts';
import { followUp } from '../../shared/actions/follow-up.ts';
import type { OutboxServices } from '../../shared/actions/outbox.ts';
import {
  alertEvent,
  applyTransition,
  handlingEvent,
  raiseAlert,
  resolveAlert,
  withSuppression,
  type Alert,
} from '../../shared/alerts/alert.ts';
import { handleAlert, type AlertOperation } from '../../shared/alerts/handle-alert.ts';
import { looksBack, recurrenceOf } from '../../shared/alerts/recurrence.ts';
import type { AuditEntry } from '../../shared/identity/audit.ts';
import type { TenantId } from '../../shared/identity/ids.ts';
import {
  createActionsRepository,
  createWebhookSecrets,
  type ActionContent,
} from '../../shared/notifications/action.ts';
import type { Delivery } from '../../shared/notifications/delivery.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { AlertOpened } from '../../shared/rules/rule-transition.ts';
import { ingestWorld } from './ingest-world.ts';
import { seeded } from './signals.ts';

export const START = Date.parse('2026-11-24T10:00:00Z');
export const MINUTE = 60_000;

/** A message as a receiver got it. */
interface Received {
  id: string;
  action: string;
  atMs: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- the reader of a body is the test that asserts it
  body: any;
}

/** Answers a request; by default 204. */
type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A tenant with the webhooks `act_1` and `act_boss`, a rule `r`, and what time and people do. */
export type Outbox = Awaited<ReturnType<OutboxWorld['tenant']>>;
export type OutboxWorld = Awaited<ReturnType<typeof outboxWorld>>;

let tenants = 0;

/** Starts the store and the receiver. */
export async function outboxWorld() {
  const world = await ingestWorld();
  let answer: Answer = (_request, response) => void response.writeHead(204).end();
  let received: (request: IncomingMessage, body: string) => void = () => {};
  const receiver = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const body = chunks.join('');
      received(request, body);
      answer(request, response, body);
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;

  const tenant = async (notification: object, more: Partial<OutboxServices> = {}) => {
    const tenantId = `told-${++tenants}` as TenantId;
    const clock = { now: START };
    const audited: AuditEntry[] = [];
    const got: Received[] = [];
    const alerts = new Map<string, Alert>();
    const rule: RuleDefinition = {
      ...ruleDefinition.parse({
        name: 'Warm',
        when: { kind: 'condition', if: { param: 't', op: 'gt', value: 8 } },
        notify: { actions: ['act_1'], ...notification },
      }),
      id: 'r',
    };
    const rules = new Map([['r', rule]]);
    const actions = createActionsRepository(world.store);
    const secrets = createWebhookSecrets([Buffer.alloc(32, 7)]);
    const change = (id: string, next: (alert: Alert) => Alert) => {
      const alert = alerts.get(id);
      if (alert) alerts.set(id, next(alert));
      return Promise.resolve();
    };
    const services: OutboxServices = {
      store: world.store,
      actions,
      secrets,
      allowed: new Set([`127.0.0.1:${port}`]),
      allowedCommands: new Set(['open-valve']),
      findAlert: (_, id) => Promise.resolve(alerts.get(id)),
      findRule: (_, id) => Promise.resolve(rules.get(id)),
      maintenanceUntil: () => Promise.resolve(undefined),
      markAlert: (_, id, suppression) => change(id, (alert) => withSuppression(alert, suppression, clock.now)),
      raiseAlert: async (_, id, severity) => {
        const before = alerts.get(id);
        await change(id, (alert) => raiseAlert(alert, severity, clock.now));
        const after = alerts.get(id);
        // As the projection does with the transition.
        if (after && after !== before) await notify(services, tenantId, handlingEvent(after, 'raised', clock.now));
      },
      audit: (entry) => {
        audited.push(entry);
        return Promise.resolve();
      },
      now: () => clock.now,
      random: seeded(tenants),
      ...more,
    };
    const act = (id: string, content: ActionContent) =>
      actions.create({
        id,
        tenantId,
        kind: 'action',
        content,
        secrets: [{ sealed: secrets.make().sealed }],
        createdAt: '',
        updatedAt: '',
      });
    for (const id of ['act_1', 'act_boss'])
      await act(id, {
        kind: 'webhook',
        name: id,
        url: `http://127.0.0.1:${port}/${tenantId}/${id}`,
        enabled: true,
      });
    received = (request, body) => {
      const [, of, action = ''] = (request.url ?? '').split('/');
      if (of === tenantId)
        got.push({ id: String(request.headers['webhook-id']), action, atMs: clock.now, body: JSON.parse(body) });
    };
    answer = (_request, response) => void response.writeHead(204).end();

    const deliveries = async () =>
      (
        await world.store.all<Delivery>('actions', { query: "SELECT * FROM c WHERE c.kind = 'delivery'" }, tenantId)
      ).toSorted((a, b) => (a.createdAt + a.id < b.createdAt + b.id ? -1 : 1));
    const run = async () => {
      await followUp(services);
      await deliverDue(services);
    };
    let opened = 0;
    return {
      tenantId,
      services,
      clock,
      audited,
      got,
      alerts,
      rules,
      deliveries,
      act,
      run,
      /** Lets time pass as the timer does, in steps. */
      async pass(ms: number, stepMs = MINUTE) {
        for (const until = clock.now + ms; clock.now < until;) {
          clock.now = Math.min(until, clock.now + stepMs);
          await run();
        }
      },
      /** An alert opens, now. */
      async open(more: { device?: string; rule?: string; silenced?: 'shadow' | 'outsideSchedule' } = {}) {
        const { device: deviceId = 'd', rule: ruleId = 'r', silenced } = more;
        const alertId = `${ruleId}~${deviceId}~${++opened}`;
        const transition: AlertOpened = {
          id: `${alertId}~opened`,
          kind: 'opened',
          alertId,
          ruleId,
          ruleName: rules.get(ruleId)?.name ?? ruleId,
          ruleKind: 'condition',
          severity: 'warning',
          deviceId,
          ts: clock.now,
          openedAt: clock.now,
          evidence: { op: 'gt', parameter: 't', value: 9, threshold: 8 },
          readings: { t: 9 },
          message: `${deviceId} is too warm`,
          ...(silenced ? { silenced } : {}),
        };
        const notification = rules.get(ruleId)?.notify;
        const before = [...alerts.values()].findLast((each) => each.ruleId === ruleId && each.deviceId === deviceId);
        const recurrence = looksBack(notification) ? recurrenceOf(before, clock.now, notification) : {};
        const alert = applyTransition(undefined, transition, { tenantId, nowMs: clock.now, recurrence });
        alerts.set(alertId, alert);
        // Twice, as by a feed that is read again.
        for (let time = 0; time < 2; time++) await notify(services, tenantId, alertEvent(transition, alert));
        return alertId;
      },
      async resolve(id: string) {
        await change(id, (alert) => resolveAlert(alert, clock.now, 'condition'));
        const alert = alerts.get(id);
        if (!alert) throw new Error(`no alert ${id}`);
        for (let time = 0; time < 2; time++)
          await notify(services, tenantId, {
            ...handlingEvent(alert, 'resolved', clock.now),
            eventId: `${id}~resolved`,
          });
      },
      handle: (id: string, operation: AlertOperation) =>
        change(id, (alert) => handleAlert(alert, operation, 'user:ann', clock.now).alert),
    };
  };
  return {
    store: world.store,
    port,
    tenant,
    answers(next: Answer) {
      answer = next;
    },
    async close() {
      receiver.closeAllConnections();
      receiver.close();
      await once(receiver, 'close');
      await world.close();
    },
  };
}
