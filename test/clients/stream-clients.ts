/** The clients that applications use, behind one small interface: each reads a stream and comes back by itself. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createEventSource } from 'eventsource-client';
import { EventSource } from 'eventsource';
import { streamedEvents } from '../support/streamed-events.ts';

/** What a client has had. */
export interface Heard {
  type: string;
  data: Record<string, unknown>;
}

/** How to open a stream: `url` alone is enough with a ticket, otherwise the header is needed. */
export interface Door {
  url: string;
  headers: Record<string, string>;
}

/** Starts a client; returns what ends it. */
export type StartClient = (door: Door, hear: (heard: Heard) => void) => () => void;

const NAMED = ['message', 'ready', 'snapshot', 'anomaly', 'alert', 'heartbeat', 'gap', 'token_expiring', 'close'];
const parse = (data: unknown) => JSON.parse(String(data)) as Record<string, unknown>;

/** npm eventsource: the standard's interface, headers through fetch. */
const eventsource: StartClient = ({ url, headers }, hear) => {
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
  });
  for (const type of NAMED)
    source.addEventListener(type, (event: MessageEvent) => hear({ type, data: parse(event.data) }));
  return () => source.close();
};

/** npm eventsource-client: one callback for all events. */
const eventsourceClient: StartClient = ({ url, headers }, hear) => {
  const source = createEventSource({
    url,
    headers,
    onMessage: ({ event, data }) => hear({ type: event ?? 'message', data: parse(data) }),
  });
  return () => source.close();
};

/** What we use of npm launchdarkly-eventsource, which has no types. */
interface LaunchDarklyEventSource {
  addEventListener(type: string, listen: (event: { data: string }) => void): void;
  close(): void;
}

/** npm launchdarkly-eventsource: Node's own http underneath. */
const launchdarkly: StartClient = ({ url, headers }, hear) => {
  const require = createRequire(import.meta.url);
  const { EventSource: Client } = require('launchdarkly-eventsource') as {
    EventSource: new (url: string, options: object) => LaunchDarklyEventSource;
  };
  const source = new Client(url, { headers, errorFilter: () => true, initialRetryDelayMillis: 100 });
  for (const type of NAMED) source.addEventListener(type, (event) => hear({ type, data: parse(event.data) }));
  // Without a listener it throws what it retries.
  source.addEventListener('error', () => undefined);
  return () => source.close();
};

const BUILT_IN = `
const source = new EventSource(process.argv[1]);
// While it waits to reconnect nothing of it keeps the process alive.
setInterval(() => undefined, 1000);
for (const type of ${JSON.stringify(NAMED)})
  source.addEventListener(type, ({ data }) => console.log(JSON.stringify({ type, data: JSON.parse(data) })));
`;

/** Node's own EventSource, which has no headers: a ticket. In a process of its own, because it hides behind a flag. */
const builtIn: StartClient = ({ url }, hear) => {
  const child = spawn(process.execPath, ['--experimental-eventsource', '-e', BUILT_IN, url], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) hear(JSON.parse(line) as Heard);
  });
  return () => void child.kill();
};

/** curl, started again with the last id by whoever uses it. */
const curl: StartClient = ({ url, headers }, hear) => {
  let lastId: string | undefined;
  let child: ReturnType<typeof spawn> | undefined;
  let closed = false;
  const run = () => {
    const given = { ...headers, ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }) };
    const args = Object.entries(given).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    child = spawn('curl', ['-sN', ...args, url], { stdio: ['ignore', 'pipe', 'ignore'] });
    let rest = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      rest += chunk.toString();
      const end = rest.lastIndexOf('\n\n') + 2;
      const whole = streamedEvents(rest.slice(0, end));
      if (whole.at(-1)?.id === undefined) return;
      lastId = whole.at(-1)?.id;
      rest = rest.slice(end);
      for (const { type, data } of whole) hear({ type, data });
    });
    child.once('close', () => {
      if (!closed) run();
    });
  };
  run();
  return () => {
    closed = true;
    child?.kill();
  };
};

/** All of them by name. */
export const CLIENTS: Record<string, StartClient> = {
  'npm eventsource': eventsource,
  'npm eventsource-client': eventsourceClient,
  'npm launchdarkly-eventsource': launchdarkly,
  "Node's built-in EventSource": builtIn,
  curl,
};
