/**
 * One server of the benchmark, as a process of its own: `node server.ts KIND`. It is told over IPC what to publish, and
 * answers when that is handed to its streams.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ResponseChannel, responseOf, watchResponses } from '../../shared/stream/response-channel.ts';
import { telemetry } from './events.ts';
import { relayInProcess } from './relay-in-process.ts';

/** What is published at once. */
export interface Publish {
  from: number;
  events: number;
  bytes: number;
}

/** A started server. */
interface Started {
  port: number;
  publish(batch: Publish): void;
}

const batchOf = ({ from, events, bytes }: Publish) =>
  Array.from({ length: events }, (_, index) => telemetry(from + index, bytes));

async function portOf(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The relay behind bare Node, writing to the response itself, as it does wherever the platform lets it. */
const relay = () =>
  relayBehindNode(async (open, response) => {
    await open(new ResponseChannel(response));
  });

/** The relay on the stock path: its body goes to the response as the library does it, without its hop. */
const relayAsBody = () =>
  relayBehindNode(async (open, response) => {
    const channel = new ResponseChannel(undefined);
    await open(channel);
    for await (const chunk of channel.body) response.write(chunk);
    response.end();
  });

type Open = ReturnType<typeof relayInProcess>['open'];

async function relayBehindNode(write: (open: Open, response: ServerResponse) => Promise<void>): Promise<Started> {
  const { open, publish } = relayInProcess();
  const serve = async (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await write(open, response);
  };
  const server = createServer((_request, response) => void serve(response));
  return {
    port: await portOf(server),
    publish: (batch) => publish(batchOf(batch).map((d) => ({ k: 'telemetry', d }))),
  };
}

/** The relay in a function, on the local Functions host, whose forward hop is in the same process. */
async function relayThroughHost(): Promise<Started> {
  const { supplyFunctionsCore } = await import('../../local/host/core/register.ts');
  supplyFunctionsCore();
  const { app } = await import('@azure/functions');
  const { startHost } = await import('../../local/host/host.ts');
  const { open, publish } = relayInProcess();
  watchResponses();
  app.setup({ enableHttpStream: true });
  app.http('stream', {
    methods: ['GET'],
    authLevel: 'anonymous',
    handler: async (_request, context) => {
      const channel = new ResponseChannel(responseOf(context.invocationId));
      await open(channel);
      return { headers: { 'content-type': 'text/event-stream' }, body: channel.body };
    },
  });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-host-'));
  const http = { routePrefix: '', maxConcurrentRequests: -1, maxOutstandingRequests: -1 };
  writeFileSync(path.join(folder, 'host.json'), JSON.stringify({ version: '2.0', extensions: { http } }));
  const host = await startHost({ appFolder: folder, dataFolder: folder, environment: {}, logLevel: 'error' });
  return {
    port: Number(new URL(host.url).port),
    publish: (batch) => publish(batchOf(batch).map((d) => ({ k: 'telemetry', d }))),
  };
}

async function betterSse(): Promise<Started> {
  const { createChannel, createSession } = await import('better-sse');
  const channel = createChannel();
  const server = createServer((request, response) => {
    void createSession(request, response, { keepAlive: null }).then((session) => channel.register(session));
  });
  return {
    port: await portOf(server),
    publish: (batch) => {
      for (const event of batchOf(batch)) channel.broadcast(event, 'message', { eventId: event.eventId });
    },
  };
}

async function fastifySse(): Promise<Started> {
  const [{ default: fastify }, { default: plugin }] = await Promise.all([import('fastify'), import('@fastify/sse')]);
  const server = fastify();
  await server.register(plugin.default, { heartbeatInterval: 0 });
  const replies = new Set<{ sse: { send(message: object): Promise<unknown> } }>();
  server.get('/stream', { sse: true }, async (_request, reply) => {
    reply.sse.keepAlive();
    replies.add(reply as never);
    reply.raw.once('close', () => replies.delete(reply as never));
    await reply.sse.send({ data: 'open' });
  });
  await server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  return {
    port: (server.server.address() as AddressInfo).port,
    publish: (batch) => {
      for (const event of batchOf(batch)) {
        for (const { sse } of replies) void sse.send({ id: event.eventId, data: event }).catch(() => undefined);
      }
    },
  };
}

const KINDS: Record<string, () => Promise<Started>> = {
  relay,
  'relay-stock': relayAsBody,
  'relay-host': relayThroughHost,
  'better-sse': betterSse,
  '@fastify/sse': fastifySse,
};

const started = await (KINDS[process.argv[2] ?? ''] ?? relay)();
process.on('message', (batch: Publish) => {
  started.publish(batch);
  process.send?.({ published: batch.from });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: started.port });
