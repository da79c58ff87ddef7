/** A local Web PubSub with the real SDKs on it, and a way to wait for what arrives. */
import { WebPubSubServiceClient } from '@azure/web-pubsub';
import {
  WebPubSubClient,
  WebPubSubJsonProtocol,
  WebPubSubJsonReliableProtocol,
  type WebPubSubClientOptions,
} from '@azure/web-pubsub-client';
import { SignJWT } from 'jose';
import { startWebPubSub, type WebPubSubOptions, type WebPubSubServer } from '../../local/web-pubsub/web-pubsub.ts';

/** A server, the service SDK on one hub of it, and the clients that were connected: all of them end with `close`. */
export interface WebPubSubKit {
  server: WebPubSubServer;
  service: WebPubSubServiceClient;
  /** A started client that wrote down what it received. */
  connect(options?: ConnectOptions): Promise<TestClient>;
  /** A client that is not started; it ends with the kit. */
  makeClient(options?: ConnectOptions): WebPubSubClient;
  /** Sends a request to the data plane without the SDK; with a valid token unless it brings its own. */
  call(
    method: string,
    path: string,
    options?: { body?: NonNullable<RequestInit['body']>; headers?: Record<string, string> },
  ): Promise<Response>;
  /** A token signed with the key of the server, good for an hour. */
  token(audience: string, claims?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

/** Who connects, and how. */
export interface ConnectOptions {
  userId?: string;
  roles?: string[];
  groups?: string[];
  reliable?: boolean;
  client?: WebPubSubClientOptions;
}

/** What a client has seen. */
export interface TestClient {
  client: WebPubSubClient;
  connectionId: string;
  /** Data of messages, in the order they came. */
  received: unknown[];
  connected: number;
  disconnected: string[];
}

/** Starts a server of its own for a test. */
export async function startWebPubSubKit(options: WebPubSubOptions = {}): Promise<WebPubSubKit> {
  const server = await startWebPubSub({ port: 0, ...options });
  // No retries: a test of an error should see it, and at once.
  const service = new WebPubSubServiceClient(server.connectionString, 'sluice', {
    allowInsecureConnection: true,
    retryOptions: { maxRetries: 0 },
  });
  const clients: WebPubSubClient[] = [];
  const stopped = new Map<WebPubSubClient, Promise<void>>();

  function makeClient({ userId, roles, groups, reliable = true, client }: ConnectOptions = {}): WebPubSubClient {
    const made = new WebPubSubClient(
      {
        getClientAccessUrl: async () => {
          const { url } = await service.getClientAccessToken({
            ...(userId === undefined ? {} : { userId }),
            ...(roles === undefined ? {} : { roles }),
            ...(groups === undefined ? {} : { groups }),
          });
          return url;
        },
      },
      {
        protocol: reliable ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol(),
        messageRetryOptions: { maxRetries: 0 },
        reconnectRetryOptions: { retryDelayInMs: 20 },
        // The SDK's keep-alive timers outlive a stopped client.
        keepAliveIntervalInMs: 0,
        keepAliveTimeoutInMs: 0,
        ...client,
      },
    );
    clients.push(made);
    return made;
  }

  async function connect(connectOptions: ConnectOptions = {}): Promise<TestClient> {
    const client = makeClient(connectOptions);
    const seen: TestClient = { client, connectionId: '', received: [], connected: 0, disconnected: [] };
    const first = Promise.withResolvers<void>();
    client.on('connected', ({ connectionId }) => {
      seen.connected += 1;
      seen.connectionId = connectionId;
      first.resolve();
    });
    client.on('disconnected', ({ message }) => seen.disconnected.push(message?.message ?? ''));
    client.on('group-message', ({ message }) => seen.received.push(message.data));
    client.on('server-message', ({ message }) => seen.received.push(message.data));
    await client.start();
    stopped.set(client, new Promise((resolve) => client.on('stopped', () => resolve())));
    await first.promise;
    return seen;
  }

  function token(audience: string, claims: Record<string, unknown> = {}): Promise<string> {
    const key = /AccessKey=([^;]+)/.exec(server.connectionString)?.[1] ?? '';
    return new SignJWT({ aud: audience, exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(key));
  }

  async function call(
    method: string,
    path: string,
    { body, headers = {} }: { body?: NonNullable<RequestInit['body']>; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const url = `${server.endpoint}${path}`;
    const authorization = `Bearer ${await token(url)}`;
    return fetch(url, { method, headers: { authorization, ...headers }, ...(body === undefined ? {} : { body }) });
  }

  async function close(): Promise<void> {
    // A client that recovers just now ignores a stop, and would go on after the test.
    const all = Promise.all(stopped.values()).then(() => true);
    let done = false;
    void all.then(() => (done = true));
    await until(() => {
      for (const client of clients) client.stop();
      return done;
    }, 'every client has stopped');
    await server.close();
  }

  return { server, service, connect, makeClient, call, token, close };
}

/** Waits until a condition holds; a test that waits in vain says for what. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, withinMs = 20_000) {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
