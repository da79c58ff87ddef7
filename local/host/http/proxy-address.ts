/**
 * The library's HTTP proxy listens on every interface, on a random port: on a laptop that would offer each function,
 * keys and body limits bypassed, to the network. Node publishes every `listen` before it acts, so the address can be
 * narrowed to loopback there, without touching the library.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { AddressInfo, ListenOptions, Server } from 'node:net';

const LISTEN = 'tracing:net.server.listen:asyncStart';

/** How the library's server was caught. */
export interface LoopbackProxy<T> {
  result: T;
  /** Where the server listens; `undefined` when the call opened none. */
  address: () => string | undefined;
  close: () => Promise<void>;
}

/** Calls `open` and binds a server that it opens before its first await to 127.0.0.1. */
export function listenOnLoopbackOnly<T>(open: () => T): LoopbackProxy<T> {
  let server: Server | undefined;
  const narrow = (message: unknown) => {
    const listening = message as { server: Server; options: ListenOptions };
    server = listening.server;
    listening.options.host = '127.0.0.1';
  };
  subscribe(LISTEN, narrow);
  let result: T;
  try {
    result = open();
  } finally {
    unsubscribe(LISTEN, narrow);
  }
  return {
    result,
    address: () => {
      const at = server?.address() as AddressInfo | null | undefined;
      if (!at) return undefined;
      if (at.address !== '127.0.0.1') {
        throw new Error(
          `The library's HTTP proxy listens on ${at.address} instead of loopback only: refusing to start.`,
        );
      }
      return `http://127.0.0.1:${at.port}/`;
    },
    close: () =>
      new Promise((resolve) => {
        if (server?.listening !== true) return resolve();
        server.close(() => resolve());
        if ('closeAllConnections' in server) (server as { closeAllConnections(): void }).closeAllConnections();
      }),
  };
}
