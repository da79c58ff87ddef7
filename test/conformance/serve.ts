/**
 * Starts what one suite needs on this machine and prints the suite's environment variables as one line of JSON:
 * `node test/conformance/serve.ts SUITE`. Ends when its stdin does. A process of its own, so that a mutation can be
 * loaded into it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startCosmos } from '../../local/cosmos/cosmos.ts';
import { startEventHubs } from '../../local/event-hubs/event-hubs.ts';
import { startWebPubSub } from '../../local/web-pubsub/web-pubsub.ts';
import { type Suite, isSuite } from './suites.ts';

interface Served {
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Strict, as the service is: a position past the end fails. */
async function serveEventHubs(): Promise<Served> {
  const hub = { name: 'telemetry', partitionCount: 4, retentionHours: 24, consumerGroups: ['ingest'] };
  const server = await startEventHubs({ hubs: [hub] });
  return {
    environment: {
      CONFORMANCE_EVENT_HUBS_CONNECTION_STRING: server.connectionString,
      CONFORMANCE_EVENT_HUBS_HUB: hub.name,
      CONFORMANCE_EVENT_HUBS_GROUP: 'ingest',
    },
    close: () => server.close(),
  };
}

/** Several simulated physical partitions, so that the SDK fans out. */
async function serveCosmos(): Promise<Served> {
  const server = await startCosmos({ partitions: 3 });
  return {
    environment: { CONFORMANCE_COSMOS_ENDPOINT: server.endpoint, CONFORMANCE_COSMOS_KEY: server.key },
    close: () => server.close(),
  };
}

async function serveWebPubSub(): Promise<Served> {
  const server = await startWebPubSub({ port: 0 });
  return {
    environment: { CONFORMANCE_WEB_PUBSUB_CONNECTION_STRING: server.connectionString },
    close: () => server.close(),
  };
}

/** A host as a process, with keys on, running the app of the suite. */
async function startHost(folder: string, settings: Record<string, string>) {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const main = path.join(here, '../../local/host/main.ts');
  const app = path.join(here, 'functions-host/app.ts');
  const data = path.join(folder, 'data');
  const child = spawn(
    process.execPath,
    [main, '--main', app, '--app', folder, '--data', data, '--port', '0', '--enable-auth'],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...settings } },
  );
  const exited = once(child, 'exit');
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited]);
  if (child.exitCode !== null) throw new Error('The Functions host did not start.');
  const keys = JSON.parse(readFileSync(path.join(data, 'keys.json'), 'utf8')) as { hostKeys: { default: string } };
  return {
    url: (JSON.parse(String(line)) as { url: string }).url,
    key: keys.hostKeys.default,
    close: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

/** The app twice, with and without streamed HTTP, and the services that trigger it. */
async function serveFunctionsHost(): Promise<Served> {
  const [hubs, cosmos] = [await serveEventHubs(), await serveCosmos()];
  const root = mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-'));
  const hosts = await Promise.all(
    [true, false].map((isStreamed) => {
      const folder = path.join(root, isStreamed ? 'streamed' : 'buffered');
      mkdirSync(folder);
      writeFileSync(path.join(folder, 'host.json'), JSON.stringify({ version: '2.0' }));
      const { CONFORMANCE_COSMOS_ENDPOINT: endpoint, CONFORMANCE_COSMOS_KEY: key } = cosmos.environment;
      return startHost(folder, {
        HTTP_STREAM: String(isStreamed),
        EVENT_HUB: hubs.environment['CONFORMANCE_EVENT_HUBS_CONNECTION_STRING'] ?? '',
        // One of the two is called for what triggers saw; the other reads in a group of its own.
        EVENT_HUB_GROUP: isStreamed ? '$Default' : 'ingest',
        COSMOS: `AccountEndpoint=${endpoint};AccountKey=${key};`,
      });
    }),
  );
  const [streamed, buffered] = hosts;
  return {
    environment: {
      ...hubs.environment,
      ...cosmos.environment,
      CONFORMANCE_FUNCTIONS_URL: streamed?.url ?? '',
      CONFORMANCE_FUNCTIONS_KEY: streamed?.key ?? '',
      CONFORMANCE_FUNCTIONS_BUFFERED_URL: buffered?.url ?? '',
    },
    close: async () => {
      await Promise.all(hosts.map((host) => host.close()));
      await hubs.close();
      await cosmos.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

const SERVE: Readonly<Record<Suite, () => Promise<Served>>> = {
  'event-hubs': serveEventHubs,
  cosmos: serveCosmos,
  'web-pubsub': serveWebPubSub,
  'functions-host': serveFunctionsHost,
};

const name = process.argv[2] ?? '';
if (!isSuite(name)) throw new Error(`Nothing is served for '${name}'.`);
const served = await SERVE[name]();
process.stdout.write(`${JSON.stringify(served.environment)}\n`);
process.stdin.resume();
process.stdin.once('end', () => {
  void served.close().then(() => process.exit(0));
});
