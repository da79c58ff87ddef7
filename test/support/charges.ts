/** Sums what a local Cosmos DB charges, from the header of every answer that arrives over the socket. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

const CHANNEL = 'http.client.response.finish';

/** Runs `work`. @returns the request units of all answers meanwhile */
export async function chargesOf(work: () => Promise<void>): Promise<number> {
  let units = 0;
  const listen = (message: unknown) => {
    const { response } = message as { response: IncomingMessage };
    units += Number(response.headers['x-ms-request-charge'] ?? 0);
  };
  subscribe(CHANNEL, listen);
  try {
    await work();
  } finally {
    unsubscribe(CHANNEL, listen);
  }
  return units;
}
