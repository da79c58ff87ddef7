/** Publishes to clients that connect to Web PubSub themselves, cut to what each may see at this moment. */
import type { WebPubSubServiceClient } from '@azure/web-pubsub';
import type { Policies } from '../applications/application-policy.ts';
import type { JournalEntry } from '../journal/journal-entry.ts';
import { splitForMessages } from '../journal/live-message.ts';
import { count } from '../observability.ts';
import type { Authority } from './authority-watch.ts';
import type { DirectListener, DirectListeners } from './direct-listeners.ts';
import { ndjson } from './framing.ts';
import { viewOf, type View } from './view.ts';

/** Milliseconds one message may take: ingest waits behind it, and a client that misses one pulls. */
const SEND_MS_MAX = 2_000;

/** One journal entry as a direct client gets it. A hole in `n` of a lane says that a message was lost. */
interface DirectEntry {
  lane: string;
  n: number;
  items: { type: string; data: object }[];
}

/** What direct clients are sent. */
type DirectMessage = { type: 'entries'; entries: DirectEntry[] } | { type: 'close'; reason: string };

/** What it works with. */
export interface DirectPublisherServices {
  listeners: DirectListeners;
  policies: Pick<Policies, 'authorityOf'>;
  /** The service client, asked for when there is a listener. */
  service: () => Promise<WebPubSubServiceClient>;
  /** Epoch milliseconds. */
  now: () => number;
}

/** See the top of the file. Nothing of it throws: ingest must not fail for a listener. */
export interface DirectPublisher {
  /** Publishes entries of one tenant; in order, when each call is awaited. */
  publish(entries: JournalEntry[]): Promise<void>;
  /** Ends the connections of an application that may not have them any more. */
  recheck(clientId: string): Promise<void>;
}

/** Makes the publisher of this instance. */
export function createDirectPublisher({ listeners, policies, service, now }: DirectPublisherServices): DirectPublisher {
  async function send(group: string, message: DirectMessage): Promise<void> {
    const options = { abortSignal: AbortSignal.timeout(SEND_MS_MAX) };
    const sent = await service()
      .then((client) => client.group(group).sendToAll(message, options))
      .then(
        () => true,
        () => false,
      );
    count(sent ? 'sluice.live.published' : 'sluice.live.publish.failed');
  }

  async function end(listener: DirectListener, reason: string): Promise<void> {
    await listeners.remove(listener).catch(() => undefined);
    await send(listener.group, { type: 'close', reason });
    await service()
      .then((client) => client.group(listener.group).closeAllConnections({ reason }))
      .catch(() => undefined);
  }

  /** What a listener may see; undefined when that cannot be told. One that may see nothing any more is ended. */
  async function authorityOf(listener: DirectListener): Promise<Authority | undefined> {
    if (listener.principal.expiresAtMs <= now()) {
      await end(listener, 'token_expired');
      return undefined;
    }
    const decision = await policies.authorityOf(listener.principal).catch(() => undefined);
    if (decision === undefined || decision.allowed) return decision;
    await end(listener, decision.reason);
    return undefined;
  }

  async function publishTo(listener: DirectListener, entries: JournalEntry[]): Promise<void> {
    const authority = await authorityOf(listener);
    if (authority === undefined) return;
    const view = viewOf(authority, EVERYTHING);
    for (const part of splitForMessages(entries)) {
      await send(listener.group, { type: 'entries', entries: part.map((entry) => directEntry(entry, view)) });
    }
  }

  return {
    async publish(entries) {
      const [first] = entries;
      if (first === undefined) return;
      const open = await listeners.ofTenant(first.tenantId);
      await Promise.all(open.map((listener) => publishTo(listener, entries)));
    },
    async recheck(clientId) {
      const open = await listeners.ofApplication(clientId).catch(() => []);
      await Promise.all(open.map(authorityOf));
    },
  };
}

/** A direct client has no filters. The framing is not used: messages are JSON. */
const EVERYTHING = {
  framing: ndjson,
  format: 'plain',
  types: new Set(['telemetry', 'alert', 'anomaly'] as const),
} as const;

function directEntry({ tenantId, lane, n, e }: JournalEntry, view: View): DirectEntry {
  const items = e.flatMap((event) => {
    if (!view.wants(event.k) || !view.sees(event.d.deviceId)) return [];
    const data = view.lens.payload(event, tenantId);
    return data === undefined ? [] : [{ type: event.k, data }];
  });
  return { lane, n, items };
}
