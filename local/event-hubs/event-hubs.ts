/**
 * Event Hubs on one machine, for the unchanged SDKs: AMQP 1.0 and the HTTP send API on one port, a log per partition in
 * a folder (or in memory), real partition hashing, real signatures. What it does not implement it refuses by name.
 */
import { once } from 'node:events';
import fs from 'node:fs';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';
import { type AmqpConnection, serveAmqp } from './amqp-connection.ts';
import { type Protocol, openDoor } from './door.ts';
import { Faults } from './faults.ts';
import { lockFolder } from '../folder-lock.ts';
import { createHttpDoor } from './http-door.ts';
import { Hub, type HubOptions, type HubStorage } from './hub.ts';
import { IngressMeter } from './ingress.ts';
import type { Namespace } from './namespace.ts';
import type { Clock } from './partition-log.ts';
import { type WriteAt, writeAt } from './segment.ts';

/** The key of Microsoft's own emulator; it opens nothing but stand-ins. */
const DEFAULT_KEY = { name: 'RootManageSharedAccessKey', value: 'SAS_KEY_VALUE' };

/** Milliseconds a client may take to say what it wants, unless told otherwise. */
const PATIENCE_MS = 30_000;

export interface EventHubsOptions {
  readonly hubs: readonly HubOptions[];
  /** Folder of the logs; absent keeps everything in memory. */
  readonly dataDir?: string | undefined;
  readonly host?: string | undefined;
  /** 0 picks a free one. */
  readonly port?: number | undefined;
  readonly keyName?: string | undefined;
  readonly key?: string | undefined;
  /** Certificate and key, PEM: the port then takes TLS as well, for clients that speak nothing else. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** A position past the end of a partition reads from the start instead of failing. */
  readonly lenientPositions?: boolean | undefined;
  /** Milliseconds a client may take to say what it wants: its first bytes, an open AMQP connection, whole HTTP headers. */
  readonly patienceMs?: number | undefined;
  readonly now?: Clock | undefined;
  readonly log?: ((line: string) => void) | undefined;
  /** Sizes of the logs and the function that writes them, for tests. */
  readonly storage?: Omit<HubStorage, 'dataDir'> | undefined;
}

/** A running stand-in. */
export interface EventHubsServer {
  readonly port: number;
  readonly connectionString: string;
  readonly faults: Faults;
  /** Ends every connection and closes the files. */
  close(): Promise<void>;
}

/** Opens the hubs, their folder locked; `release` unlocks it. */
function openHubs(
  options: EventHubsOptions,
  now: Clock,
  faults: Faults,
): { hubs: ReadonlyMap<string, Hub>; release: () => void } {
  const { dataDir } = options;
  const write: WriteAt = (file, bytes, position) => {
    // Blocks, as a slow disk does under a log that is written before it is acknowledged.
    if (faults.slowDiskMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, faults.slowDiskMs);
    if (faults.strikes('failWrites')) throw new Error('ENOSPC: no space left on device, write (a fault was asked for)');
    return (options.storage?.write ?? writeAt)(file, bytes, position);
  };
  const storage: HubStorage = { ...options.storage, write, dataDir };
  if (dataDir !== undefined) fs.mkdirSync(dataDir, { recursive: true });
  const release =
    dataDir === undefined
      ? () => undefined
      : lockFolder(dataDir, `The Event Hubs folder ${dataDir} is in use by another process.`);
  const hubs = new Map<string, Hub>();
  try {
    for (const hub of options.hubs) {
      const name = hub.name.toLowerCase();
      if (hubs.has(name)) throw new Error(`hubs: the name '${hub.name}' occurs twice.`);
      hubs.set(name, new Hub(hub, storage, now));
    }
  } catch (error) {
    for (const hub of hubs.values()) hub.close();
    release();
    throw error;
  }
  return { hubs, release };
}

/**
 * Starts the stand-in.
 * @throws when the port is taken (`code` EADDRINUSE), the certificate is none, an option is out of bounds, or the folder is in use or damaged
 */
export async function startEventHubs(options: EventHubsOptions): Promise<EventHubsServer> {
  const clock = options.now ?? Date.now;
  const now: Clock = () => clock() + faults.clockMs;
  const log = options.log ?? (() => undefined);
  const key = { name: options.keyName ?? DEFAULT_KEY.name, value: options.key ?? DEFAULT_KEY.value };
  const host = options.host ?? '127.0.0.1';
  const secureContext = options.tls === undefined ? undefined : createSecureContext(options.tls);
  const sockets = new Map<Socket, AmqpConnection | undefined>();
  const faults = new Faults({
    cutConnections: () => {
      const count = sockets.size;
      for (const socket of sockets.keys()) socket.destroy();
      return count;
    },
    detachLinks: (kind) => {
      let count = 0;
      for (const connection of sockets.values()) count += connection?.detach(kind) ?? 0;
      return count;
    },
    kill: () => process.kill(process.pid, 'SIGKILL'),
  });
  const { hubs, release } = openHubs(options, now, faults);
  const lenientPositions = options.lenientPositions ?? false;
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const namespace: Namespace = {
    hubs,
    key,
    now,
    log,
    lenientPositions,
    patienceMs,
    faults,
    ingress: new IngressMeter(),
  };

  const http = createHttpDoor(namespace);
  const admit = (socket: Socket): void => {
    sockets.set(socket, undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    openDoor(socket, patienceMs, (protocol) => enter(socket, protocol));
  };
  const enter = (socket: Socket, protocol: Protocol): void => {
    if (protocol === 'http') http.emit('connection', socket);
    else if (protocol === 'amqp') sockets.set(socket, serveAmqp(socket, namespace));
    else if (secureContext !== undefined && !(socket instanceof TLSSocket)) {
      // What was read to tell the protocol is still in the socket; TLSSocket takes it from there.
      sockets.delete(socket);
      admit(new TLSSocket(socket, { isServer: true, secureContext }));
    } else {
      log(
        'event-hubs: a client began TLS, which is not spoken here without a certificate. Put ' +
          'UseDevelopmentEmulator=true in its connection string.',
      );
      socket.destroy();
    }
  };
  const server = createServer({ noDelay: true }, admit);
  const shut = (): void => {
    http.close();
    for (const hub of hubs.values()) hub.close();
    release();
  };
  try {
    server.listen(options.port ?? 0, host);
    await once(server, 'listening');
  } catch (error) {
    shut();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    port,
    connectionString:
      `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=${key.name};SharedAccessKey=${key.value};` +
      'UseDevelopmentEmulator=true',
    faults,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets.keys()) socket.destroy();
      await closed;
      shut();
    },
  };
}
