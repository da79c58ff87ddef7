/**
 * A client that is killed all the time: it comes back at once, to whichever host it is told, with the last id it has had,
 * and tracks ids as the protocol page says.
 */
import { request as httpRequest, type ClientRequest } from 'node:http';
import { streamedEvents } from '../../support/streamed-events.ts';

/** Milliseconds before a refused or broken connection is tried again. */
const RETRY_MS = 100;

/** A running reader. */
export interface RelentlessReader {
  /** What it has taken for good, in order: `device/number` of each telemetry event. */
  readonly taken: readonly string[];
  /** Named events that must not come. */
  readonly complaints: readonly string[];
  readonly connections: number;
  /** Whether it has had an id: from then on nothing may be missed. */
  readonly begun: boolean;
  /** Drops its connection in the middle of whatever comes; one that is not open yet is left alone. */
  kill(): void;
  close(): void;
}

/** Starts a reader. @param pickUrl the stream's URL for the next connection */
export function startReader(pickUrl: () => string, token: () => string): RelentlessReader {
  const taken: string[] = [];
  const complaints: string[] = [];
  let lastId: string | undefined;
  let connections = 0;
  let current: ClientRequest | undefined;
  let open = false;
  let closed = false;

  function connect(): void {
    if (closed) return;
    let over = false;
    const again = (ms: number) => {
      if (over) return;
      over = true;
      open = false;
      setTimeout(connect, ms);
    };
    const headers = {
      authorization: `Bearer ${token()}`,
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    };
    const request = httpRequest(pickUrl(), { headers, agent: false });
    current = request;
    request.on('error', () => again(RETRY_MS));
    request.on('response', (response) => {
      if (response.statusCode !== 200) {
        // Refusals pass: a host that is stopping, a store that is throttled, or too many openings at once.
        if (![429, 503].includes(response.statusCode ?? 0)) complaints.push(`answered ${response.statusCode}`);
        response.resume();
        return again(RETRY_MS);
      }
      connections += 1;
      open = true;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        rest += chunk;
        // Up to the block of the last id; what follows it counts once its own id is there.
        const idAt = rest.lastIndexOf('\nid: ');
        const end = idAt < 0 ? -1 : rest.indexOf('\n\n', idAt);
        if (end < 0) return;
        take(rest.slice(0, end + 2));
        rest = rest.slice(end + 2);
      });
      response.on('error', () => again(0));
      response.on('close', () => again(0));
    });
    request.end();
  }

  function take(text: string): void {
    for (const { type, data, id } of streamedEvents(text)) {
      if (type === 'message') {
        const { n } = data['readings'] as { n: number };
        taken.push(`${String(data['deviceId'])}/${n}`);
      } else if (type === 'gap') complaints.push(`gap ${JSON.stringify(data)}`);
      if (id !== undefined) lastId = id;
    }
  }

  connect();
  return {
    taken,
    complaints,
    get connections() {
      return connections;
    },
    get begun() {
      return lastId !== undefined;
    },
    kill: () => {
      if (open) current?.destroy();
    },
    close() {
      closed = true;
      current?.destroy();
    },
  };
}
