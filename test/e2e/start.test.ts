/** `npm start` and `npm run cloud` as a stranger and as a script meet them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CosmosClient } from '@azure/cosmos';
import { EventHubProducerClient } from '@azure/event-hubs';
import { describe, expect, test } from '@jest/globals';
import { administrator, fetchToken } from '../support/api-client.ts';
import { runToEnd, startLocalSystem, temporaryFolder, type LocalSystem } from '../support/local-system.ts';
import { readStream } from '../support/tracking-reader.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FREE_PORTS = ['api', 'event-hubs', 'cosmos', 'web-pubsub'].flatMap((name) => [`--${name}-port`, '0']);

function demoForm(system: LocalSystem): Record<string, string> {
  const { clientId, clientSecret } = system.connection().demo;
  return { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
}

describe('npm start', () => {
  test('is ready with a client that streams at once, stops on Ctrl-C, and goes on with its data', async () => {
    const data = temporaryFolder();
    const first = await startLocalSystem({ data, flags: ['--speed', '20'] });
    try {
      const connection = first.connection();
      expect(statSync(path.join(data, 'connection.json')).mode & 0o777).toBe(0o600);
      expect(first.output()).toContain(connection.demo.clientSecret);
      expect(first.output()).toContain(connection.setupCode);
      const setup = { code: connection.setupCode, login: 'me@example.com', password: 'a password of my own' };
      const setUp = () =>
        fetch(`${connection.api}/v1/setup`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(setup),
        });
      expect(await (await setUp()).json()).toMatchObject({ login: 'me@example.com', tenant: 'demo' });
      expect((await setUp()).status).toBe(410);
      const reader = readStream(`${connection.api}/v1/stream/telemetry`, () =>
        fetchToken(connection.api, demoForm(first)),
      );
      await until(() => reader.taken.filter(({ type }) => type === 'message').length > 20, 20_000);
      reader.close();
      const began = performance.now();
      expect(await first.stop()).toBe(0);
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(existsSync(path.join(data, 'connection.json'))).toBe(false);

      await using second = await startLocalSystem({ data });
      expect(second.connection().demo).toEqual(connection.demo);
      const admin = await administrator(second.connection());
      const { body } = await admin.send<{ items: unknown[] }>('GET', '/v1/devices');
      expect(body.items.length).toBeGreaterThanOrEqual(8);
      const { cosmos } = second.connection();
      const client = new CosmosClient({ endpoint: cosmos.endpoint, key: cosmos.key });
      const { resources } = await client
        .database(cosmos.database)
        .container('journal')
        .items.query('SELECT VALUE COUNT(1) FROM c')
        .fetchAll();
      client.dispose();
      expect(resources[0]).toBeGreaterThan(4);
    } finally {
      await first.stop();
      rmSync(data, { recursive: true, force: true });
    }
  }, 120_000);

  test('survives kill -9 of everything, and --fresh starts empty', async () => {
    const data = temporaryFolder();
    try {
      const first = await startLocalSystem({ data });
      const admin = await administrator(first.connection());
      expect((await admin.send('POST', '/v1/devices', { deviceId: 'kept', name: 'Kept' })).status).toBe(201);
      const { host } = first.connection().pids;
      await first.kill();
      await until(() => !isAlive(host), 10_000);

      const second = await startLocalSystem({ data });
      const again = await administrator(second.connection());
      expect((await again.send('GET', '/v1/devices/kept')).status).toBe(200);
      await second.stop();

      const third = await startLocalSystem({ data, flags: ['--no-simulator', '--fresh'] });
      const anew = await administrator(third.connection());
      expect((await anew.send('GET', '/v1/devices/kept')).status).toBe(404);
      await third.stop();
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  }, 120_000);

  test('without the simulator the demo tenant is there: what somebody else sends as its devices arrives', async () => {
    const data = temporaryFolder();
    const csv = path.join(data, 'pumps.csv');
    writeFileSync(csv, 'time,pressure\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,2\n');
    try {
      const first = await startLocalSystem({ data });
      const admin = await administrator(first.connection());
      const { body } = await admin.send<{ items: unknown[] }>('GET', '/v1/devices');
      const mine = async (system: LocalSystem) => {
        const token = await fetchToken(system.connection().api, demoForm(system));
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`${system.connection().api}/v1/me/devices`, { headers });
        return ((await answer.json()) as { items: unknown[] }).items.length;
      };
      expect([body.items.length, await mine(first)]).toEqual([11, 11]);
      await first.stop();

      // Another fleet in the same folder: the demo application may read it as well.
      await using second = await startLocalSystem({ data, flags: ['--replay', csv] });
      await until(async () => (await mine(second)) === 12, 10_000);
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  }, 60_000);

  test('a host without usable settings does not start, and one message names all of them', async () => {
    const data = temporaryFolder();
    const { code, output } = await runToEnd(
      ['local/host/main.ts', '--main', 'functions/index.ts', '--app', '.', '--port', '0', '--data', data],
      { TELEMETRY_HUB: 'telemetry', JOURNAL_HOURS: 'many', SLUICE_MASTER_KEY: 'short' },
    );
    expect(code).toBe(1);
    for (const name of [
      'COSMOS_ENDPOINT',
      'JOURNAL_HOURS',
      'SLUICE_MASTER_KEY',
      'EventHubConnection',
      'WEBPUBSUB_HUB',
    ]) {
      expect(output).toContain(name);
    }
    expect(output).not.toContain('TELEMETRY_HUB');
    rmSync(data, { recursive: true, force: true });
  }, 30_000);

  test('starts a host that died again and says where', async () => {
    await using system = await startLocalSystem();
    const before = system.connection();
    process.kill(before.pids.host, 'SIGKILL');
    await until(() => system.connection().pids.host !== before.pids.host, 20_000);
    const answer = await fetch(`${before.api}/healthz`);
    expect(answer.status).toBe(200);
    expect(system.output()).toContain('The Functions host died (SIGKILL)');
  }, 60_000);

  test('a locked folder is one sentence and exit code 1, and nothing of it is touched', async () => {
    await using system = await startLocalSystem();
    for (const flags of [[], ['--fresh']]) {
      const { code, output } = await runToEnd(['local/main.ts', '--data', system.data, ...FREE_PORTS, ...flags]);
      expect(code).toBe(1);
      expect(output.trim()).toMatch(
        /^The state folder .* is in use by another process; stop it, or choose another with --data DIR\.$/,
      );
    }
    expect((await fetch(`${system.connection().api}/healthz`)).status).toBe(200);
  }, 60_000);

  test.each(['api', 'event-hubs', 'cosmos', 'web-pubsub'])(
    'a taken %s port is one sentence and exit code 1',
    async (name) => {
      const data = temporaryFolder();
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      try {
        const flags = [...FREE_PORTS, `--${name}-port`, String(port)];
        const { code, output } = await runToEnd(['local/main.ts', '--data', data, '--no-simulator', ...flags]);
        expect(code).toBe(1);
        expect(output.trim()).toMatch(
          new RegExp(`^Port ${port} \\(.+\\) is taken by another program; choose another with --${name}-port N\\.$`),
        );
      } finally {
        await new Promise((resolve) => other.close(resolve));
        rmSync(data, { recursive: true, force: true });
      }
    },
    30_000,
  );

  test.each([
    [['--speed', 'fast'], '--speed must be a number above 0 and at most 1000.'],
    [['--api-port', '70000'], '--api-port must be a port from 0 to 65535.'],
    [['--cosmos-partitions', '0'], '--cosmos-partitions must be a whole number from 1 to 64.'],
    [['--nonsense'], /^Unknown option '--nonsense'/],
    [['--replay', '/no/such/file.csv'], /no\/such\/file\.csv/],
  ])(
    '%j is refused in one sentence',
    async (flags, sentence) => {
      const data = temporaryFolder();
      const { code, output } = await runToEnd(['local/main.ts', '--data', data, ...FREE_PORTS, ...flags]);
      rmSync(data, { recursive: true, force: true });
      expect(code).toBe(1);
      expect(output.trim().split('\n')).toHaveLength(1);
      expect(output.trim()).toEqual(expect.stringMatching(sentence));
    },
    30_000,
  );
});

describe('npm run cloud', () => {
  test.each([
    ['cosmos', ['service', 'connectionString', 'endpoint', 'key', 'database', 'port']],
    ['event-hubs', ['service', 'connectionString', 'eventHub', 'port']],
    ['web-pubsub', ['service', 'connectionString', 'endpoint', 'hub', 'port']],
  ])(
    '%s alone prints one line of JSON and stops on SIGTERM',
    async (name, members) => {
      const child = spawn(process.execPath, ['local/cloud.ts', name, '--port', '0'], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const lines = createInterface({ input: child.stdout });
      const line = await new Promise<string>((resolve) => lines.once('line', resolve));
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
      const ready = JSON.parse(line) as Record<string, unknown>;
      expect(Object.keys(ready)).toEqual(members);
      expect(ready['service']).toBe(name);
    },
    30_000,
  );

  test('cosmos simulates as many physical partitions as it is told, and dies when it is told', async () => {
    const child = spawn(process.execPath, ['local/cloud.ts', 'cosmos', '--port', '0', '--cosmos-partitions', '3'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const lines = createInterface({ input: child.stdout });
    const line = await new Promise<string>((resolve) => lines.once('line', resolve));
    const { endpoint, key, database } = JSON.parse(line) as Record<'endpoint' | 'key' | 'database', string>;
    const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
    const ranges = client.database(database).container('devices').readPartitionKeyRanges();
    expect((await ranges.fetchAll()).resources).toHaveLength(3);
    client.dispose();
    await expect(fetch(`${endpoint}/$faults`, { method: 'POST', body: '{"kind":"kill"}' })).rejects.toThrow(/failed/);
    expect(await ended).toBe('SIGKILL');
  }, 30_000);

  test('all three on free ports, with an event hub of one’s own', async () => {
    const args = ['local/cloud.ts', '--port', '0', '--hub', 'orders:2:audit,billing', '--strict-positions'];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const ready: Record<string, string>[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      ready.push(JSON.parse(line) as Record<string, string>);
      if (ready.length === 3) break;
    }
    expect(ready.map(({ service }) => service)).toEqual(['cosmos', 'event-hubs', 'web-pubsub']);
    const producer = new EventHubProducerClient(ready[1]?.['connectionString'] ?? '', 'orders');
    expect(await producer.getPartitionIds()).toEqual(['0', '1']);
    await producer.close();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 30_000);

  test('ends when the npm that started it was told to', async () => {
    const npm = spawn('npm', ['run', '--silent', 'cloud', '--', 'event-hubs', '--port', '0'], { cwd: root });
    const line = await new Promise<string>((resolve) => createInterface({ input: npm.stdout }).once('line', resolve));
    const { port } = JSON.parse(line) as { port: number };
    const health = () =>
      fetch(`http://127.0.0.1:${port}/health`).then(
        ({ status }) => status,
        () => 'gone',
      );
    expect(await health()).toBe(200);
    npm.kill('SIGTERM');
    await until(async () => (await health()) === 'gone');
  }, 30_000);

  test.each([
    [['storage'], 'Start cosmos, event-hubs or web-pubsub, or all three without a name.'],
    [['--port', '5000'], '--port goes with one stand-in: name it, or pick free ports for all three with 0.'],
    [['event-hubs', '--hub', 'a:b'], "--hub must be NAME[:PARTITIONS[:GROUP,GROUP]], not 'a:b'."],
    [['event-hubs', '--hub', 'a:0'], "hubs: partitionCount of 'a' must be a whole number from 1 to 100."],
    [['event-hubs', '--tls-cert', 'x'], '--tls-cert and --tls-key go together.'],
  ])('%j is refused in one sentence', async (args, sentence) => {
    const { code, output } = await runToEnd(['local/cloud.ts', ...args]);
    expect([code, output.trim()]).toEqual([1, sentence]);
  });
});

describe('the state folder', () => {
  test('damaged secrets are one sentence', async () => {
    const data = temporaryFolder();
    try {
      const { writeFileSync } = await import('node:fs');
      writeFileSync(path.join(data, 'secrets.json'), '{');
      const { code, output } = await runToEnd(['local/main.ts', '--data', data, '--no-simulator', ...FREE_PORTS]);
      expect([code, output.trim()]).toEqual([1, `${path.join(data, 'secrets.json')} is damaged; start with --fresh.`]);
      expect(readFileSync(path.join(data, 'secrets.json'), 'utf8')).toBe('{');
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  }, 30_000);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
