/** Everything that the product has written down: what it logged, and every document of every container. */
import { CosmosClient } from '@azure/cosmos';
import type { CosmosServer } from '../../local/cosmos/cosmos.ts';
import resources from '../../infra/resources.json' with { type: 'json' };

/** Records what goes to the standard streams of this process from now on. */
export function captureOutput(): { text(): string; stop(): void } {
  const written: string[] = [];
  const streams = [process.stdout, process.stderr];
  const originals = streams.map((stream) => stream.write.bind(stream));
  for (const [index, stream] of streams.entries()) {
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      written.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
      return originals[index]?.(chunk, ...rest) ?? true;
    }) as typeof stream.write;
  }
  return {
    text: () => written.join(''),
    stop: () => {
      for (const [index, stream] of streams.entries()) {
        const original = originals[index];
        if (original) stream.write = original;
      }
    },
  };
}

/** Every document, as text, by the container it lies in. */
export async function everyDocument(cosmos: CosmosServer): Promise<{ container: string; text: string }[]> {
  const client = new CosmosClient({
    endpoint: cosmos.endpoint,
    key: cosmos.key,
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const database = client.database(resources.cosmos.database);
  const { resources: containers } = await database.containers.readAll().fetchAll();
  const found = await Promise.all(
    containers.map(async ({ id }) => {
      const { resources: items } = await database.container(id).items.readAll().fetchAll();
      return items.map((item) => ({ container: id, text: JSON.stringify(item) }));
    }),
  );
  client.dispose();
  return found.flat();
}
