/**
 * Claims an attempt. With the first one of a delivery, in one batch: others of its group join it, and it is counted
 * against the limit of its rule. So a message is made once, whoever dies or competes.
 */
import { count } from '../observability.ts';
import type { Delivery } from '../notifications/delivery.ts';
import { hourlyCountId, summaryId, summaryOf, withOneMore, type HourlyCount } from '../notifications/hourly-limit.ts';
import { withoutSystemFields, type BatchOperation, type Stored } from '../store/store.ts';
import type { OutboxServices } from './outbox.ts';

/** Milliseconds for which a claimed attempt belongs to who claimed it. */
const CLAIM_MS = 60_000;
/** Alerts of one message, and their bytes: a webhook ought to stay below 20 KB. */
export const GROUP_MAX = 25;
export const GROUP_BYTES_MAX = 18_000;

/** How a delivery may be claimed. */
interface ClaimOptions {
  mayGroup: boolean;
  /** Whether another of the group may be told now. */
  isTold(delivery: Stored<Delivery>): Promise<boolean>;
}

/** Claims it; undefined where somebody else did, or where it is one too many. */
export async function claim(
  services: OutboxServices,
  stored: Stored<Delivery>,
  options: ClaimOptions,
): Promise<Stored<Delivery> | undefined> {
  const { store } = services;
  const delivery = withoutSystemFields<Delivery>(stored);
  const dueAt = services.now() + CLAIM_MS;
  if (delivery.begun) return store.replace('actions', { ...delivery, dueAt }, stored._etag);
  const others = options.mayGroup ? await othersOf(services, stored, options) : [];
  const limited = await limitedBy(services, delivery);
  if (limited?.full) {
    await suppress(services, [stored, ...others], limited.full);
    return undefined;
  }
  const also = others.flatMap(({ event }) => (event ? [event] : []));
  const begun: Delivery = {
    ...delivery,
    status: 'pending',
    begun: true,
    dueAt,
    ...(also.length === 0 ? {} : { also }),
  };
  const operations: BatchOperation[] = [
    { kind: 'replace', document: begun, etag: stored._etag },
    ...others.map((other): BatchOperation => ({
      kind: 'replace',
      document: { ...withoutSystemFields<Delivery>(other), status: 'grouped', sentWith: delivery.id } as Delivery,
      etag: other._etag,
    })),
    ...(limited?.next ? [written(limited.next, limited.before)] : []),
  ];
  const outcome = await store.batch('actions', delivery.tenantId, operations);
  return outcome.kind === 'committed' ? { ...begun, _etag: outcome.etags[0] ?? '', _ts: stored._ts } : undefined;
}

/** Others of the group that wait for their first attempt, the oldest first, as many as one message takes. */
async function othersOf(
  { store }: OutboxServices,
  stored: Stored<Delivery>,
  options: ClaimOptions,
): Promise<Stored<Delivery>[]> {
  if (stored.groupKey === undefined) return [];
  const waiting = await store.all<Delivery>(
    'actions',
    {
      query: `SELECT * FROM c WHERE c.groupKey = @group AND c.kind = 'delivery' AND c.status = 'pending' AND NOT IS_DEFINED(c.begun) ORDER BY c.createdAt ASC OFFSET 0 LIMIT ${GROUP_MAX}`,
      parameters: [{ name: '@group', value: stored.groupKey }],
    },
    stored.tenantId,
  );
  const others: Stored<Delivery>[] = [];
  let bytes = Buffer.byteLength(JSON.stringify(stored.event));
  for (const other of waiting) {
    if (other.id === stored.id || others.length >= GROUP_MAX - 1) continue;
    bytes += Buffer.byteLength(JSON.stringify(other.event));
    if (bytes > GROUP_BYTES_MAX) break;
    if (await options.isTold(other)) others.push(other);
  }
  return others;
}

interface Limited {
  before: Stored<HourlyCount> | undefined;
  next?: HourlyCount;
  /** The hour that has had all it may. */
  full?: HourlyCount;
}

async function limitedBy(services: OutboxServices, delivery: Delivery): Promise<Limited | undefined> {
  const { tenantId, actionId, event, summary } = delivery;
  if (!event || summary) return undefined;
  const max = (await services.findRule(tenantId, event.ruleId))?.notify?.maxPerHour;
  if (max === undefined) return undefined;
  const { ruleId } = event;
  const before = await services.store.read<HourlyCount>('actions', hourlyCountId(ruleId, actionId), tenantId);
  const known = before && withoutSystemFields<HourlyCount>(before);
  const next = withOneMore(known, { tenantId, actionId, ruleId }, max, services.now());
  return { before, ...(next ? { next } : known ? { full: known } : {}) };
}

/** Counts what is one too many into the message that tells of it when the hour ends. */
async function suppress(
  services: OutboxServices,
  deliveries: readonly Stored<Delivery>[],
  hour: HourlyCount,
): Promise<void> {
  const [first] = deliveries;
  const fresh = first && summaryOf(first, hour, services.now());
  if (!first || !fresh?.event) return;
  const { store } = services;
  const id = summaryId(fresh.event.ruleId, fresh.actionId, hour.sinceMs);
  const before = await store.read<Delivery>('actions', id, first.tenantId);
  const { summary, ...rest } = before ? withoutSystemFields<Delivery>(before) : fresh;
  if (!summary) return;
  const suppressed = summary.suppressed + deliveries.length;
  const next: Delivery = { ...rest, summary: { ...summary, suppressed } };
  const outcome = await store.batch('actions', first.tenantId, [
    ...deliveries.map((each): BatchOperation => ({
      kind: 'replace',
      document: { ...withoutSystemFields<Delivery>(each), status: 'suppressed', detail: 'maxPerHour' } as Delivery,
      etag: each._etag,
    })),
    written(next, before),
  ]);
  if (outcome.kind === 'committed') count('sluice.notifications.suppressed', deliveries.length, { why: 'maxPerHour' });
}

function written(document: Delivery | HourlyCount, before: { _etag: string } | undefined): BatchOperation {
  return before ? { kind: 'replace', document, etag: before._etag } : { kind: 'create', document };
}
