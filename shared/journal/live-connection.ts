/**
 * The one Web PubSub connection of this instance: keeps it up for ever, keeps it in the groups that are wanted, and says
 * when something may have been missed. A dropped socket is recovered by the SDK without a loss; when that fails the
 * session is gone, and with it everything up to the moment its successor has joined a group again.
 */
import type { WebPubSubClient } from '@azure/web-pubsub-client';

/** Whether live messages arrive now. Streams work without, a little later. */
export type LiveState = 'idle' | 'connecting' | 'live' | 'down' | 'closed';

/** What a connection tells. */
export interface LiveHandlers {
  message(data: unknown, group: string): void;
  /** These groups are joined from now on; what was sent to them before may be missing. */
  gap(groups: string[]): void;
}

/** Time and chance, for tests. */
export interface LiveConnectionOptions {
  random?: () => number;
  /** Milliseconds a group stays joined when nobody wants it any more: streams reconnect. */
  leaveDelayMs?: number;
  /** Milliseconds before the first new attempt; it doubles up to RETRY_MS_MAX. */
  retryMs?: number;
}

/** Milliseconds a group stays joined when nobody wants it any more. */
const LEAVE_DELAY_MS = 30_000;
/** Milliseconds before the first new attempt to connect or to join. */
const RETRY_MS = 200;
/** Milliseconds between attempts at most. */
const RETRY_MS_MAX = 15_000;
/** Milliseconds a connect may take. */
const CONNECT_MS_MAX = 15_000;
/** Milliseconds a join or a leave may take, the SDK's own three retries included. */
const REQUEST_MS_MAX = 10_000;
/** Milliseconds that closing waits for the last session. */
const CLOSE_MS_MAX = 2_000;

/** One life of the connection, from its start to its end. */
interface Session {
  client: WebPubSubClient;
  joined: Set<string>;
  /** Times the SDK said `connected`. */
  connects: number;
  busy: boolean;
  failures: number;
}

/** See the top of the file. It starts with the first wanted group and never throws at its callers. */
export class LiveConnection {
  readonly #makeClient: () => Promise<WebPubSubClient>;
  readonly #handlers: LiveHandlers;
  readonly #random: () => number;
  readonly #leaveDelayMs: number;
  readonly #retryMs: number;
  /** How many want a group; 0 while it waits to be left. */
  readonly #wanted = new Map<string, number>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  readonly #closing = new AbortController();
  #state: LiveState = 'idle';
  #session: Session | undefined;
  #running: Promise<void> | undefined;

  /** @param makeClient a client of the reliable subprotocol that does not reconnect by itself */
  constructor(
    makeClient: () => Promise<WebPubSubClient>,
    handlers: LiveHandlers,
    { random = Math.random, leaveDelayMs = LEAVE_DELAY_MS, retryMs = RETRY_MS }: LiveConnectionOptions = {},
  ) {
    this.#makeClient = makeClient;
    this.#handlers = handlers;
    this.#random = random;
    this.#leaveDelayMs = leaveDelayMs;
    this.#retryMs = retryMs;
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Wants a group once more; it is joined as soon as that is possible, and then `gap` says so. */
  want(group: string): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#leaving.get(group));
    this.#leaving.delete(group);
    this.#wanted.set(group, (this.#wanted.get(group) ?? 0) + 1);
    this.#running ??= this.#run();
    if (this.#session) void this.#reconcile(this.#session);
  }

  /** Wants a group once less; nobody wanting it, it is left after a while. */
  unwant(group: string): void {
    const count = (this.#wanted.get(group) ?? 0) - 1;
    if (count < 0 || this.#closing.signal.aborted) return;
    this.#wanted.set(group, count);
    if (count > 0) return;
    const timer = setTimeout(() => {
      this.#leaving.delete(group);
      this.#wanted.delete(group);
      if (this.#session) void this.#reconcile(this.#session);
    }, this.#leaveDelayMs);
    timer.unref();
    this.#leaving.set(group, timer);
  }

  /** Ends the connection for good. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#closing.abort();
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    await Promise.race([this.#running, pause(CLOSE_MS_MAX)]);
  }

  /** Session after session, with a pause in between that grows while none comes up. */
  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      this.#setState('connecting');
      const lived = await this.#live();
      this.#setState('down');
      failures = lived ? 0 : failures + 1;
      await pause(this.#backoff(failures), this.#closing.signal);
    }
  }

  /** One session. False when it did not come up. */
  async #live(): Promise<boolean> {
    const ended = Promise.withResolvers<void>();
    let session: Session;
    try {
      const client = await this.#makeClient();
      session = { client, joined: new Set(), connects: 0, busy: false, failures: 0 };
      client.on('group-message', ({ message }) => this.#handlers.message(message.data, message.group));
      client.on('connected', () => this.#onConnected(session));
      client.on('stopped', () => ended.resolve());
      await startWithin(client, CONNECT_MS_MAX);
    } catch {
      // Refused, unreachable, no token: whatever it is, it is tried again, and `state` shows it.
      return false;
    }
    this.#session = session;
    this.#setState('live');
    void this.#reconcile(session);
    const stop = () => void stopUntil(session.client, ended.promise);
    if (this.#closing.signal.aborted) stop();
    else this.#closing.signal.addEventListener('abort', stop, { once: true });
    await ended.promise;
    this.#closing.signal.removeEventListener('abort', stop);
    this.#session = undefined;
    return true;
  }

  /** A client that does reconnect by itself has joined its groups again before it says so, but lost what came before. */
  #onConnected(session: Session): void {
    session.connects += 1;
    if (session.connects > 1 && session.joined.size > 0) this.#handlers.gap([...session.joined]);
  }

  /** Joins and leaves, one after the other, until the session is in the groups that are wanted. */
  async #reconcile(session: Session): Promise<void> {
    if (session.busy) return;
    session.busy = true;
    for (let change = this.#nextChange(session); change; change = this.#nextChange(session)) {
      const { group, join } = change;
      if (!(await request(session.client, group, join))) {
        session.failures += 1;
        await pause(this.#backoff(session.failures), this.#closing.signal);
      } else if (join) {
        session.failures = 0;
        session.joined.add(group);
        if (this.#session === session) this.#handlers.gap([group]);
      } else {
        session.failures = 0;
        session.joined.delete(group);
      }
    }
    session.busy = false;
  }

  #nextChange(session: Session): { group: string; join: boolean } | undefined {
    if (this.#closing.signal.aborted || this.#session !== session) return undefined;
    const { joined } = session;
    for (const group of this.#wanted.keys()) if (!joined.has(group)) return { group, join: true };
    for (const group of joined) if (!this.#wanted.has(group)) return { group, join: false };
    return undefined;
  }

  #setState(state: LiveState): void {
    if (this.#state !== 'closed') this.#state = state;
  }

  /** Half of the wait is chance, so that instances that lost the same service do not return in step. */
  #backoff(failures: number): number {
    const ms = Math.min(this.#retryMs * 2 ** failures, RETRY_MS_MAX);
    return ms / 2 + (ms / 2) * this.#random();
  }
}

/** Joins or leaves a group. False when that did not work, for whatever reason: it is tried again. */
async function request(client: WebPubSubClient, group: string, join: boolean): Promise<boolean> {
  const options = { abortSignal: AbortSignal.timeout(REQUEST_MS_MAX) };
  try {
    await (join ? client.joinGroup(group, options) : client.leaveGroup(group, options));
    return true;
  } catch {
    return false;
  }
}

/** Starts a client, but not for ever: a connect into nowhere has no end of its own. */
async function startWithin(client: WebPubSubClient, ms: number): Promise<void> {
  const started = client.start();
  const settled = new AbortController();
  const inTime = await Promise.race([started.then(() => true), pause(ms, settled.signal).then(() => false)]).finally(
    () => settled.abort(),
  );
  if (inTime) return;
  started.then(
    () => client.stop(),
    () => {},
  );
  throw new Error(`Web PubSub did not answer within ${ms} ms.`);
}

/** Stops a client. The SDK ignores a stop while it recovers, so it is told until it has. */
async function stopUntil(client: WebPubSubClient, stopped: Promise<void>): Promise<void> {
  let done = false;
  void stopped.then(() => (done = true));
  for (let waited = 0; !done && waited < CLOSE_MS_MAX; waited += 100) {
    client.stop();
    await Promise.race([stopped, pause(100)]);
  }
}

/** Waits without keeping the process alive. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(finish, ms);
    timer.unref();
    signal?.addEventListener('abort', finish, { once: true });
    function finish() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    }
  });
}
