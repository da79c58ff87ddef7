import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EventHubProducerClient } from '@azure/event-hubs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import { type AppFolder, appFolder } from '../../support/app-folder.ts';
import { until } from '../../support/functions-app.ts';
import { type HostChildOptions, hostChild, readNotes } from '../../support/host-child.ts';

const RECORDER = fileURLToPath(new URL('apps/recorder.ts', import.meta.url));

interface Note {
  pid: number;
  kind: 'start' | 'terminate' | 'batch' | 'done';
  partitionId?: string;
  ns?: number[];
}

let folder: AppFolder;
let notesFile: string;
const notes = (): Note[] => readNotes<Note>(notesFile);

beforeEach(() => {
  folder = appFolder({ extensions: { http: { routePrefix: '' } } });
  notesFile = join(folder.path, 'notes.jsonl');
});
afterEach(() => folder[Symbol.dispose]());

const start = (options: Partial<HostChildOptions> = {}) =>
  hostChild({ folder, main: RECORDER, ...options, env: { NOTES: notesFile, ...options.env } });

test('settings come from local.settings.json, the environment wins', async () => {
  writeFileSync(join(folder.path, 'local.settings.json'), '{ /* mine */ "Values": { "NAME": "the file", }, }');
  await using host = await start();
  expect(await (await fetch(`${host.url}/hello`)).text()).toBe('hello from the file');
  await using other = await start({ env: { NAME: 'the environment' } });
  expect(await (await fetch(`${other.url}/hello`)).text()).toBe('hello from the environment');
});

test('SIGTERM: what runs is finished, the appTerminate hooks run, exit code 0', async () => {
  await using host = await start();
  const late = fetch(`${host.url}/slow`).then((response) => response.text());
  await new Promise((resolve) => setTimeout(resolve, 100));
  host.child.kill('SIGTERM');
  expect(await late).toBe('late');
  expect(await host.exited).toBe(0);
  expect(notes().map((note) => note.kind)).toEqual(['start', 'terminate']);
});

test('ends when the process that started it goes away: stdin closes, or the channel', async () => {
  await using byPipe = await start();
  byPipe.child.stdin?.end();
  expect(await byPipe.exited).toBe(0);
  await using byChannel = await start({ ipc: true });
  byChannel.child.disconnect();
  expect(await byChannel.exited).toBe(0);
});

test('a rejection that nobody handles ends the process, as the real worker does', async () => {
  await using host = await start();
  await fetch(`${host.url}/forgotten`).catch(() => undefined);
  expect(await host.exited).toBe(1);
  expect(host.stderr()).toContain('nobody waited for this');
});

test('an entry file that throws blocks the app', async () => {
  await using host = await start({ env: { FAIL_TO_LOAD: 'yes' } });
  expect(await host.exited).toBe(1);
  expect(host.stderr()).toContain('this entry file does not load');
});

test('an ESM import of @azure/functions-core fails, as it does on Azure', async () => {
  await using host = await start({ main: fileURLToPath(new URL('apps/imports-core.ts', import.meta.url)) });
  expect(await host.exited).toBe(1);
  expect(host.stderr()).toContain("Cannot find package '@azure/functions-core'");
});

test('functionTimeout ends the process: the platform restarts the worker', async () => {
  writeFileSync(join(folder.path, 'host.json'), JSON.stringify({ version: '2.0', functionTimeout: '00:00:01' }));
  await using host = await start();
  await fetch(`${host.url}/api/slow`).catch(() => undefined);
  expect(await host.exited).toBe(1);
  expect(host.stderr()).toContain("Timeout value of 1 s exceeded by function 'Functions.slow'");
});

test('a taken port, a bad host.json, a missing app: one clear message and exit code 1', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as AddressInfo;
  await using taken = await start({ args: ['--port', String(port)] });
  expect(await taken.exited).toBe(1);
  expect(taken.stderr().trim()).toBe(
    `Port ${port} is taken: another program listens on it. Choose another with --port.`,
  );
  blocker.close();

  await using missing = await start({ main: 'no/such/*.ts' });
  expect(await missing.exited).toBe(1);
  expect(missing.stderr()).toContain('No function file matches "no/such/*.ts"');

  writeFileSync(
    join(folder.path, 'host.json'),
    '{"version":"2.0","functionTimeout":"soon","extensions":{"eventHubs":{"maxEventBatchSize":0}}}',
  );
  await using bad = await start();
  expect(await bad.exited).toBe(1);
  expect(bad.stderr().split('\n')).toEqual([
    'host.json is not usable:',
    '  functionTimeout: "soon" is not a TimeSpan such as 00:01:00, nor -1 for no end',
    '  extensions.eventHubs.maxEventBatchSize: Too small: expected number to be >=1',
    '  extensions.eventHubs.minEventBatchSize: must not be above maxEventBatchSize',
    '',
  ]);
});

test('the CommonJS bundle that is deployed loads as it is', async () => {
  const out = join(folder.path, 'build');
  mkdirSync(out);
  await build({
    entryPoints: [RECORDER],
    outfile: join(out, 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['@azure/functions-core'],
    logLevel: 'silent',
  });
  writeFileSync(join(out, 'package.json'), '{"type":"commonjs"}');
  await using host = await start({ main: join(out, 'index.js'), env: { NAME: 'the bundle' } });
  expect(await (await fetch(`${host.url}/hello`)).text()).toBe('hello from the bundle');
});

test('kill -9 in the middle of a batch: it comes again, at once, and whole', async () => {
  const hubs = await startEventHubs({
    hubs: [{ name: 'telemetry', partitionCount: 2, retentionHours: 1, consumerGroups: [] }],
  });
  const producer = new EventHubProducerClient(hubs.connectionString, 'telemetry');
  await producer.sendBatch(
    [1, 2, 3].map((n) => ({ body: { n } })),
    { partitionId: '1' },
  );
  const env = { HUB: hubs.connectionString };
  await using first = await start({ env: { ...env, HANG: 'yes' } });
  await until(() => notes().some((note) => note.kind === 'batch'));
  first.child.kill('SIGKILL');
  await first.exited;
  const restartedAt = performance.now();
  await using _second = await start({ env });
  await until(() => notes().some((note) => note.kind === 'done'));
  expect(notes().filter((note) => note.kind === 'done')).toMatchObject([{ partitionId: '1', ns: [1, 2, 3] }]);
  // The dead owner's claim is void at once: no 10 s of expiry.
  expect(performance.now() - restartedAt).toBeLessThan(6000);
  await producer.close();
  await hubs.close();
});

test('two hosts share the partitions; when one is killed the other takes all, and nothing is lost', async () => {
  const hubs = await startEventHubs({
    hubs: [{ name: 'telemetry', partitionCount: 4, retentionHours: 1, consumerGroups: [] }],
  });
  const producer = new EventHubProducerClient(hubs.connectionString, 'telemetry');
  let sent = 0;
  const sendRound = async () => {
    for (const partitionId of ['0', '1', '2', '3']) {
      await producer.sendBatch([{ body: { n: sent } }], { partitionId });
      sent += 1;
    }
  };
  const env = { HUB: hubs.connectionString };
  await using first = await start({ env });
  await sendRound();
  await until(() => notes().filter((note) => note.kind === 'done').length >= 4);
  await using second = await start({ env });
  const readers = (from: number) => {
    const recent = notes().filter((note) => note.kind === 'done' && (note.ns ?? []).some((n) => n >= from));
    return Map.groupBy(recent, (note) => note.pid);
  };
  await until(async () => {
    const from = sent;
    await sendRound();
    await until(() => new Set([...readers(from).values()].flat().map((note) => note.partitionId)).size === 4);
    return [...readers(from).values()].every((batches) => new Set(batches.map((note) => note.partitionId)).size === 2);
  });
  second.child.kill('SIGKILL');
  await second.exited;
  const from = sent;
  await sendRound();
  await until(() => (readers(from).get(first.child.pid ?? 0)?.length ?? 0) === 4);
  const seen = new Set(notes().flatMap((note) => (note.kind === 'done' ? (note.ns ?? []) : [])));
  expect([...seen].toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, n) => n));
  await producer.close();
  await hubs.close();
});

test('without host.json it says so', async () => {
  rmSync(join(folder.path, 'host.json'));
  await using host = await start();
  expect(await host.exited).toBe(1);
  expect(host.stderr().trim()).toBe(`host.json is missing: it was looked for in ${folder.path}`);
});
