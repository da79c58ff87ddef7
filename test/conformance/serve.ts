/**
 * Starts what one suite needs on this machine and prints the suite's environment variables as one line of JSON:
 * `node test/conformance/serve.ts SUITE`. Ends when its stdin does. A process of its own, so that a mutation can be
 * loaded into it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

/** The host as a process, running the app of the suite, and the hub whose events trigger it. */
async function serveFunctionsHost(): Promise<Served> {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const hubs = await serveEventHubs();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-'));
  writeFileSync(path.join(folder, 'host.json'), JSON.stringify({ version: '2.0' }));
  const main = path.join(here, '../../local/host/main.ts');
  const app = path.join(here, 'functions-host/app.ts');
  const child = spawn(
    process.execPath,
    [main, '--main', app, '--app', folder, '--data', path.join(folder, 'data'), '--port', '0'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, EVENT_HUB: hubs.environment['CONFORMANCE_EVENT_HUBS_CONNECTION_STRING'] },
    },
  );
  const exited = once(child, 'exit');
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited]);
  if (child.exitCode !== null) throw new Error('The Functions host did not start.');
  return {
    environment: {
      ...hubs.environment,
      CONFORMANCE_FUNCTIONS_URL: (JSON.parse(String(line)) as { url: string }).url,
    },
    close: async () => {
      child.stdin.end();
      await exited;
      await hubs.close();
      rmSync(folder, { recursive: true, force: true });
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
