/**
 * Silence at scale: a fleet sends at its pace, devices fall silent for a while, the consumers stall for ten minutes and
 * then catch up slowly, and the product's own sweep judges every ten seconds. What it tells is held against what was
 * sent.
 */
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { seeded } from '../support/signals.ts';
import { Account, textOf } from './account.ts';
import { Host } from './host.ts';
import { Hub } from './hub.ts';
import { pick, type Random } from './scheduler.ts';

/** The size of the world, in minutes where it is time. */
export interface SilenceWorld {
  devices: number;
  minutes: number;
  stall: { from: number; for: number };
  /** Judges by the wall clock, as if the hub were always read to its end. */
  isNaive?: boolean;
  seed?: number;
}

/** What came of it. */
export interface Silences {
  events: number;
  /** Times that a device sent nothing for as long as the rule waits. */
  silences: number;
  falseAlarms: number;
  missed: number;
}

/** Milliseconds of silence after which the rule opens. */
const AFTER_MS = 150_000;
const TICK_MS = 10_000;
const MINUTE_MS = 60_000;
const START_MS = Date.parse('2026-11-24T10:00:00Z');
const PARTITIONS = 4;
const BATCH_MAX = 200;
/** Events of a partition that consumers get through in a tick: what a stall has left takes minutes. */
const PACE = 80;
/** Chance that a device falls silent after an event, and for how long at most. */
const FALLS_SILENT = 0.1;
const SILENT_MS_MAX = 480_000;
/** Milliseconds at the end in which a silence may not have been told yet. */
const STILL_UNTOLD_MS = 30_000;
const TENANT = 'fleet';

const rules: readonly RuleDefinition[] = [
  {
    ...ruleDefinition.parse({ name: 'Silent', when: { kind: 'nodata', after: AFTER_MS } }),
    id: 'rul_silent',
    version: 1,
  },
];

interface Sender {
  deviceId: string;
  nextMs: number;
  sentMs: number[];
}

/** Runs the world. */
export async function runSilences({
  devices,
  minutes,
  stall,
  isNaive = false,
  seed = 1,
}: SilenceWorld): Promise<Silences> {
  const random = seeded(seed);
  let nowMs = START_MS;
  const account = new Account(() => nowMs, undefined, false);
  const hub = new Hub(PARTITIONS);
  const senders = Array.from({ length: devices }, (_, index): Sender => ({
    deviceId: `d${index}`,
    nextMs: START_MS + pick(random, MINUTE_MS),
    sentMs: [],
  }));
  const host = new Host({
    account,
    network: (_, run) => Promise.resolve().then(run),
    devices: senders.map(({ deviceId }) => ({ tenantId: TENANT, deviceId, clockOffMs: 0 })),
    rules,
    journalSeconds: 86_400,
    now: () => nowMs,
    sleep: () => Promise.resolve(),
    published: () => undefined,
    partitionEnds: () => Promise.resolve(hub.ends().map((end) => ({ ...end, isEmpty: end.isEmpty || isNaive }))),
  });
  const endMs = START_MS + minutes * MINUTE_MS;
  const [stallFromMs, stallToMs] = [stall.from, stall.from + stall.for].map((each) => START_MS + each * MINUTE_MS);
  let events = 0;
  while (nowMs < endMs) {
    nowMs += TICK_MS;
    events += sendUpTo(nowMs, senders, hub, random);
    const isStalled = nowMs >= (stallFromMs ?? 0) && nowMs < (stallToMs ?? 0);
    if (!isStalled) await consume(hub, host);
    await host.sweep();
  }
  const told = account
    .all('device-data')
    .filter(({ kind }) => kind === 'alert')
    .map(({ deviceId, openedAt }) => `${textOf(deviceId)} ${Date.parse(textOf(openedAt))}`);
  return { events, ...compare(senders, new Set(told), endMs) };
}

/** Lets the fleet send what it sends until now, in the order of time. @returns how many events */
function sendUpTo(nowMs: number, senders: Sender[], hub: Hub, random: Random): number {
  const sendings: { atMs: number; sender: Sender }[] = [];
  for (const sender of senders) {
    while (sender.nextMs <= nowMs) {
      const atMs = sender.nextMs;
      sendings.push({ atMs, sender });
      sender.sentMs.push(atMs);
      const isSilent = random() < FALLS_SILENT;
      sender.nextMs += isSilent ? pick(random, SILENT_MS_MAX) + MINUTE_MS : MINUTE_MS / 2 + pick(random, MINUTE_MS);
    }
  }
  sendings.sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, sender } of sendings)
    hub.send(sender.deviceId, { deviceId: sender.deviceId, ts: atMs, readings: { level: 1 } }, atMs);
  return sendings.length;
}

async function consume(hub: Hub, host: Host): Promise<void> {
  for (const partition of hub.partitions) {
    const end = Math.min(partition.log.length, partition.processed + PACE);
    while (partition.processed < end) {
      const batch = partition.log.slice(partition.processed, Math.min(end, partition.processed + BATCH_MAX));
      await host.ingest(partition.lane, batch);
      partition.processed += batch.length;
    }
  }
}

/** Holds what was told, `device openedAt`, against what was sent. */
function compare(senders: readonly Sender[], told: ReadonlySet<string>, endMs: number): Omit<Silences, 'events'> {
  const silences = new Set<string>();
  const lastOnes = new Set<string>();
  for (const { deviceId, sentMs } of senders) {
    for (const [index, ms] of sentMs.entries()) {
      const nextMs = sentMs[index + 1] ?? endMs;
      if (nextMs - ms < AFTER_MS) continue;
      const silence = `${deviceId} ${ms + AFTER_MS}`;
      silences.add(silence);
      if (index === sentMs.length - 1 && endMs - ms < AFTER_MS + STILL_UNTOLD_MS) lastOnes.add(silence);
    }
  }
  return {
    silences: silences.size,
    falseAlarms: told.difference(silences).size,
    missed: silences.difference(told).difference(lastOnes).size,
  };
}
