/**
 * The live bus: tells instances with open streams at once what ingest has committed to the journal, over Web PubSub.
 * It only wakes. The journal is the truth, so a message that is lost costs a moment, and nothing here ever fails an ingest
 * or a stream.
 *
 * Tenants share a few groups by hash, so that an instance needs one connection and few joins, and a batch few messages.
 */
import type { WebPubSubServiceClient } from '@azure/web-pubsub';
import type { WebPubSubClient } from '@azure/web-pubsub-client';
import { count } from '../observability.ts';
import type { JournalEntry } from './journal-entry.ts';
import { CONTROL_GROUP, readControlMessage, type ControlMessage } from './live-control.ts';
import { LiveConnection, type LiveConnectionOptions, type LiveState } from './live-connection.ts';
import { type LiveMessage, packLiveMessage, readLiveMessage, splitForMessages } from './live-message.ts';

/** Groups that all tenants share. More cost messages per batch, fewer make instances hear more that is not for them. */
export const LIVE_GROUPS = 8;
/** Attempts to publish one message, each with the SDK's own retries inside. */
const PUBLISH_ATTEMPTS = 3;
/** Milliseconds one attempt may take: ingest waits behind it. */
const ATTEMPT_MS_MAX = 3_000;
/** Milliseconds before the second attempt; it doubles. */
const RETRY_MS = 50;
/** Milliseconds without an attempt after a message was given up, so that ingest does not crawl while the bus is down. */
const PAUSE_MS = 2_000;

/**
 * Milliseconds between the beginnings of two messages of a group. A lone batch goes at once; many small ones share messages,
 * each of which costs a millisecond of processor time here, and a client SDK that receives more than about 1,000 a second
 * loses its session.
 */
const MESSAGE_EVERY_MS = 10;

/** The group that carries a tenant's entries: `t.` and a stable hash of the tenant. */
export function groupOf(tenantId: string, groups = LIVE_GROUPS): string {
  // 32-bit FNV-1a over UTF-8.
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(tenantId)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `t.${hash % groups}`;
}

/** Publishes what was appended to the journal. */
export interface LivePublisher {
  /** Resolves when the entries are published, or given up: then they are counted, and streams find them in the journal. */
  publish(entries: JournalEntry[]): Promise<void>;
  /**
   * Tells every instance with open streams that an application was changed. Resolves when that is told, or could not be:
   * instances look by themselves every few seconds.
   */
  announceChange(clientId: string): Promise<void>;
}

/** Time and chance, for tests. */
export interface LivePublisherOptions {
  /** Epoch milliseconds. */
  now?: () => number;
  random?: () => number;
  retryMs?: number;
}

/** What waits for its group: the message under way, and what the next one will carry. */
interface Line {
  waiting: JournalEntry[];
  sending: Promise<void>;
  /** When the last one was begun, epoch milliseconds. */
  begunAt: number;
  next: Promise<void> | undefined;
}

/** Makes the publisher of this instance. */
export function createLivePublisher(
  service: WebPubSubServiceClient,
  { now = Date.now, random = Math.random, retryMs = RETRY_MS }: LivePublisherOptions = {},
): LivePublisher {
  const lines = new Map<string, Line>();
  let pausedUntil = 0;

  async function send(group: string, message: LiveMessage | ControlMessage): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      if (now() < pausedUntil) return false;
      try {
        await service.group(group).sendToAll(message, { abortSignal: AbortSignal.timeout(ATTEMPT_MS_MAX) });
        return true;
      } catch (error) {
        if (!mayPass(error)) return false;
        if (attempt === PUBLISH_ATTEMPTS) {
          pausedUntil = now() + PAUSE_MS;
          return false;
        }
      }
      const wait = retryMs * 2 ** (attempt - 1);
      await new Promise((resolve) => setTimeout(resolve, wait / 2 + (wait / 2) * random()));
    }
  }

  async function publishGroup(group: string, entries: JournalEntry[]): Promise<void> {
    for (const part of splitForMessages(entries)) {
      const published = await send(group, await packLiveMessage(part));
      count(published ? 'sluice.live.published' : 'sluice.live.publish.failed');
    }
  }

  /** One message of a group at a time, because they must arrive in order. What comes meanwhile shares the next message. */
  function enqueue(group: string, entries: JournalEntry[]): Promise<void> {
    const line = lines.get(group) ?? { waiting: [], sending: Promise.resolve(), begunAt: 0, next: undefined };
    lines.set(group, line);
    line.waiting.push(...entries);
    line.next ??= line.sending.then(async () => {
      const early = line.begunAt + MESSAGE_EVERY_MS - now();
      // Not longer than that, whatever the clock does.
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(early, MESSAGE_EVERY_MS)));
      line.begunAt = now();
      const batch = line.waiting.splice(0);
      line.next = undefined;
      line.sending = publishGroup(group, batch);
      return line.sending;
    });
    return line.next;
  }

  return {
    publish: async (entries) => {
      const byGroup = Map.groupBy(entries, ({ tenantId }) => groupOf(tenantId));
      await Promise.all([...byGroup].map(([group, list]) => enqueue(group, list)));
    },
    announceChange: async (clientId) => {
      const told = await send(CONTROL_GROUP, { changed: clientId });
      count(told ? 'sluice.live.published' : 'sluice.live.publish.failed');
    },
  };
}

/** Hears of entries that other instances, or this one, have appended. Nothing of it throws. */
export interface LiveSubscriber {
  /** Whether live messages arrive now. */
  readonly state: LiveState;
  /**
   * Asks for a tenant's entries. The connection starts with the first call.
   * @returns takes it back; a second call does nothing
   */
  listen(tenantId: string): () => void;
  /** Hands over entries of the tenants that are listened to, in the order of their lanes but for losses and repeats. */
  onEntries(callback: (entries: JournalEntry[]) => void): () => void;
  /**
   * Says that these tenants' entries arrive from now on, and that earlier ones may be missing: after the first join, and
   * after every session that was lost.
   */
  onGap(callback: (tenantIds: string[]) => void): () => void;
  /** Says that an application was changed, by its client id. Only while a tenant is listened to. */
  onChange(callback: (clientId: string) => void): () => void;
  close(): Promise<void>;
}

/**
 * Makes the subscriber of this instance.
 * @param makeClient a client of the reliable subprotocol, allowed to join the live groups, that does not reconnect by
 * itself
 */
export function createLiveSubscriber(
  makeClient: () => Promise<WebPubSubClient>,
  options: LiveConnectionOptions = {},
): LiveSubscriber {
  const tenants = new Map<string, number>();
  const entryCallbacks = new Set<(entries: JournalEntry[]) => void>();
  const gapCallbacks = new Set<(tenantIds: string[]) => void>();
  const changeCallbacks = new Set<(clientId: string) => void>();
  const connection = new LiveConnection(
    makeClient,
    {
      message: (data, group) => {
        if (group === CONTROL_GROUP) {
          const changed = readControlMessage(data);
          if (changed === undefined) count('sluice.live.dropped');
          else for (const callback of changeCallbacks) callback(changed);
          return;
        }
        const { entries, damaged } = readLiveMessage(data);
        if (damaged) count('sluice.live.dropped');
        const wanted = entries.filter(({ tenantId }) => tenants.has(tenantId));
        if (wanted.length > 0) for (const callback of entryCallbacks) callback(wanted);
      },
      gap: (groups) => {
        const affected = [...tenants.keys()].filter((tenantId) => groups.includes(groupOf(tenantId)));
        if (affected.length > 0) for (const callback of gapCallbacks) callback(affected);
      },
    },
    options,
  );
  return {
    get state() {
      return connection.state;
    },
    listen: (tenantId) => {
      tenants.set(tenantId, (tenants.get(tenantId) ?? 0) + 1);
      connection.want(groupOf(tenantId));
      connection.want(CONTROL_GROUP);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        const left = (tenants.get(tenantId) ?? 1) - 1;
        if (left === 0) tenants.delete(tenantId);
        else tenants.set(tenantId, left);
        connection.unwant(groupOf(tenantId));
        connection.unwant(CONTROL_GROUP);
      };
    },
    onEntries: (callback) => subscribe(entryCallbacks, callback),
    onGap: (callback) => subscribe(gapCallbacks, callback),
    onChange: (callback) => subscribe(changeCallbacks, callback),
    close: () => connection.close(),
  };
}

function subscribe<T>(callbacks: Set<T>, callback: T): () => void {
  callbacks.add(callback);
  return () => callbacks.delete(callback);
}

/** True for trouble that may be over at the next attempt: no answer, a timeout, throttled, or the service's own fault. */
function mayPass(error: unknown): boolean {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status !== 'number' || status === 408 || status === 429 || status >= 500;
}
