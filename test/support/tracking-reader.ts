/**
 * An application that reads a stream with the npm `eventsource` client, and tracks ids as the protocol page says: what
 * came after the last id when a connection broke is forgotten, because it comes again.
 */
import { EventSource } from 'eventsource';

/** Something a stream delivered. */
interface Delivered {
  type: string;
  data: Record<string, unknown>;
}

/** A reader with everything it has taken for good. */
export interface TrackingReader {
  taken: Delivered[];
  connections(): number;
  close(): void;
}

const TYPES = ['message', 'ready', 'snapshot', 'anomaly', 'alert', 'heartbeat', 'gap', 'token_expiring', 'close'];

/** Starts reading; the client reconnects by itself with Last-Event-ID. */
export function readStream(url: string, token: () => Promise<string>): TrackingReader {
  const taken: Delivered[] = [];
  let pending: Delivered[] = [];
  let lastId = '';
  let connections = 0;
  const source = new EventSource(url, {
    fetch: async (input, init) => {
      pending = [];
      connections++;
      return fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${await token()}` } });
    },
  });
  for (const type of TYPES) {
    source.addEventListener(type, (event: MessageEvent) => {
      pending.push({ type, data: JSON.parse(String(event.data)) as Record<string, unknown> });
      // A goodbye comes once, and where nothing has been written since, with the id of the last write.
      if (event.lastEventId === lastId && type !== 'close') return;
      lastId = event.lastEventId;
      taken.push(...pending);
      pending = [];
    });
  }
  return { taken, connections: () => connections, close: () => source.close() };
}
