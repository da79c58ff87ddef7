/** The hub under test by its two SDKs, and clients that all end with the test. Names are new in every test. */
import { randomUUID } from 'node:crypto';
import { WebPubSubServiceClient } from '@azure/web-pubsub';
import { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } from '@azure/web-pubsub-client';
import { SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { until } from '../../support/until.ts';
import { webPubSubTarget } from '../target.ts';

const HUB = 'conformance';
/** Milliseconds the cloud may take to do what is waited for. */
const PATIENCE_MS = 12_000;
const RELIABLE = 'json.reliable.webpubsub.azure.v1';

export interface ClientOptions {
  readonly userId?: string;
  readonly roles?: string[];
  readonly groups?: string[];
  readonly reliable?: boolean;
}

/** A started client of the SDK, and what it has seen. */
export interface Client {
  readonly sdk: WebPubSubClient;
  readonly connectionId: string;
  /** Data of messages, in their order. */
  readonly got: unknown[];
  /** Data types, groups and senders of the same messages. */
  readonly about: { dataType: string; group?: string; fromUserId?: string }[];
  /** Reasons it was disconnected for. */
  readonly disconnected: (string | undefined)[];
  /** Waits for so many messages. */
  gets(count: number): Promise<unknown[]>;
}

interface RawFrame {
  readonly type: string;
  readonly event?: string;
  readonly sequenceId?: number;
  readonly data?: unknown;
  readonly connectionId?: string;
  readonly reconnectionToken?: string;
}

/** A client of the reliable subprotocol without the SDK, which acknowledges only when it is told to. */
export interface RawClient {
  readonly frames: RawFrame[];
  readonly messages: () => RawFrame[];
  /** The code it was closed with. */
  readonly closed: () => number | undefined;
  send(frame: object): void;
  /** Ends the TCP connection without a word. */
  cut(): void;
}

export const newName = (): string => `c-${randomUUID()}`;
export const settled = <T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> => until(condition, PATIENCE_MS);

/** Everything a test makes through it is closed with it. */
export class Connected implements AsyncDisposable {
  readonly service = this.serviceOf(webPubSubTarget().connectionString);
  readonly #clients: { client: WebPubSubClient; stopped: Promise<void> }[] = [];
  readonly #sockets: WebSocket[] = [];

  /** The service SDK with a connection string of its own; no second tries, so that errors are seen as they come. */
  serviceOf(connectionString: string, hub = HUB): WebPubSubServiceClient {
    return new WebPubSubServiceClient(connectionString, hub, {
      allowInsecureConnection: true,
      retryOptions: { maxRetries: 0 },
    });
  }

  async client({ reliable = true, ...claims }: ClientOptions = {}): Promise<Client> {
    const { url } = await this.service.getClientAccessToken(claims);
    const sdk = new WebPubSubClient(url, {
      protocol: reliable ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol(),
      autoReconnect: false,
      messageRetryOptions: { maxRetries: 0 },
      // The timers of the SDK outlive a stopped client.
      keepAliveIntervalInMs: 0,
      keepAliveTimeoutInMs: 0,
    });
    const got: unknown[] = [];
    const about: Client['about'] = [];
    const disconnected: Client['disconnected'] = [];
    const connected = Promise.withResolvers<string>();
    const stopped = Promise.withResolvers<void>();
    sdk.on('connected', ({ connectionId }) => connected.resolve(connectionId));
    sdk.on('disconnected', ({ message }) => disconnected.push(message?.message));
    sdk.on('stopped', () => stopped.resolve());
    sdk.on('server-message', ({ message }) => {
      got.push(message.data);
      about.push({ dataType: message.dataType });
    });
    sdk.on('group-message', ({ message: { data, dataType, group, fromUserId } }) => {
      got.push(data);
      about.push({ dataType, group, ...(fromUserId ? { fromUserId } : {}) });
    });
    await sdk.start();
    this.#clients.push({ client: sdk, stopped: stopped.promise });
    const gets = async (count: number) => {
      await settled(() => got.length >= count);
      return got;
    };
    return { sdk, connectionId: await connected.promise, got, about, disconnected, gets };
  }

  /** @param from brings the session of this client back */
  async raw(claims: Omit<ClientOptions, 'reliable'> = {}, from?: RawClient): Promise<RawClient> {
    const url = new URL((await this.service.getClientAccessToken(claims)).url);
    const greeting = from?.frames[0];
    if (greeting) {
      url.search = '';
      url.searchParams.set('awps_connection_id', greeting.connectionId ?? '');
      url.searchParams.set('awps_reconnection_token', greeting.reconnectionToken ?? '');
    }
    const socket = new WebSocket(url, RELIABLE);
    this.#sockets.push(socket);
    const frames: RawFrame[] = [];
    let closed: number | undefined;
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as RawFrame));
    socket.on('error', () => {});
    socket.on('close', (code) => (closed = code));
    await settled(() => frames.length > 0 || closed !== undefined);
    return {
      frames,
      messages: () => frames.filter(({ type }) => type === 'message'),
      closed: () => closed,
      send: (frame) => socket.send(JSON.stringify(frame)),
      cut: () => socket.terminate(),
    };
  }

  /** The close code or HTTP status with which a URL of a client is refused; 0 when it is not. */
  async refusal(url: string | URL): Promise<number> {
    const socket = new WebSocket(url, RELIABLE);
    this.#sockets.push(socket);
    return new Promise((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? -1));
      socket.on('open', () => resolve(0));
      socket.on('error', () => {});
    });
  }

  /** A client URL whose token says what the SDK would never say. */
  async signedUrl(claims: Record<string, unknown>, { hub = HUB, key }: { hub?: string; key?: string } = {}) {
    const { connectionString } = webPubSubTarget();
    const endpoint = /Endpoint=([^;]+?)\/?(;|$)/.exec(connectionString)?.[1] ?? '';
    const own = /AccessKey=([^;]+)/.exec(connectionString)?.[1] ?? '';
    const token = await new SignJWT({ aud: `${endpoint}/client/hubs/${hub}`, ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(key ?? own));
    return `${endpoint.replace(/^http/, 'ws')}/client/hubs/${HUB}?access_token=${token}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    for (const { client, stopped } of this.#clients) {
      client.stop();
      await stopped;
    }
  }
}

/** The status of a refused request, or what else was thrown; 0 when nothing was. */
export const statusOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 0,
    (error: { statusCode?: number }) => error.statusCode ?? error,
  );

/** The name of the error of a refused request of a client. */
export const nameOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'accepted',
    (error: { errorDetail?: { name?: string } }) => error.errorDetail?.name ?? error,
  );
