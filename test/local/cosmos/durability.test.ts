import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ChangeFeedStartFrom, CosmosClient, type Container } from '@azure/cosmos';
import { startCosmos } from '../../../local/cosmos/cosmos.ts';
import { WELL_KNOWN_KEY } from '../../../local/cosmos/protocol/authorization.ts';
import { refusal, startCosmosUnderTest } from '../../support/cosmos.ts';

let dataDir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'cosmos-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(dataDir, { recursive: true, force: true });
});

const script = fileURLToPath(new URL('../../support/cosmos-process.ts', import.meta.url));

/** Starts the stand-in in another process; answers its endpoint, or what it said when it could not start. */
async function startProcess(): Promise<{ child: ChildProcess; endpoint: string; error: string }> {
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let endpoint = '';
  let error = '';
  child.stderr?.on('data', (chunk) => (error += String(chunk)));
  await new Promise<void>((resolve) => {
    child.stdout?.on('data', (chunk) => {
      endpoint += String(chunk);
      if (endpoint.endsWith('\n')) resolve();
    });
    child.once('close', () => resolve());
  });
  return { child, endpoint: endpoint.trim(), error };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function connect(endpoint: string): { client: CosmosClient; container: Container } {
  const client = new CosmosClient({
    endpoint,
    key: WELL_KNOWN_KEY,
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  return { client, container: client.database('d').container('c') };
}

describe('the data folder', () => {
  test('keeps databases, definitions, items, etags, and tokens of queries and feeds over a restart', async () => {
    const first = await startCosmosUnderTest({ dataDir });
    const made = await first.container({
      id: 'kept',
      defaultTtl: -1,
      indexingPolicy: { includedPaths: [{ path: '/n/?' }], excludedPaths: [{ path: '/*' }] },
      throughput: 500,
    });
    for (let n = 0; n < 10; n++) await made.items.create({ id: `i${n}`, pk: 'p', n });
    await made.item('i9', 'p').delete();
    const { resource: before } = await made.read();
    const { resource: item } = await made.item('i3', 'p').read();
    const query = 'SELECT VALUE c.n FROM c ORDER BY c.n';
    const page = await made.items.query<number>(query, { partitionKey: 'p', maxItemCount: 4 }).fetchNext();
    const feed = await made.items
      .getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning('p') })
      .readNext();
    await first.close();

    const second = await startCosmosUnderTest({ dataDir });
    const container = second.database.container('kept');
    expect((await container.read()).resource).toEqual(before);
    expect((await container.readOffer()).resource?.content).toMatchObject({ offerThroughput: 500 });
    expect((await container.item('i3', 'p').read()).resource).toEqual(item);
    const rest = await container.items
      .query<number>(query, { partitionKey: 'p', continuationToken: page.continuationToken })
      .fetchAll();
    expect([...page.resources, ...rest.resources]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const { etag } = await container.items.create({ id: 'i9', pk: 'p', n: 99 });
    expect(etag > String(item?._etag)).toBe(true);
    const resumed = await container.items
      .getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Continuation(feed.continuationToken) })
      .readNext();
    expect(resumed.result.map(({ id }) => id)).toEqual(['i9']);
    await second.close();
  });

  test('etags never come back, although the last write before a restart was a delete', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const cosmos = await startCosmosUnderTest({ dataDir });
      const { container } = await cosmos.database.containers.createIfNotExists({
        id: 'c',
        partitionKey: { paths: ['/pk'] },
      });
      const { etag } = await container.items.create({ id: 'x', pk: 'p' });
      expect(seen.has(etag)).toBe(false);
      seen.add(etag);
      await container.item('x', 'p').delete();
      await cosmos.close();
    }
  });

  test('belongs to one process: a second one says so in a sentence', async () => {
    const server = await startCosmos({ dataDir });
    const { error, endpoint } = await startProcess();
    expect(endpoint).toBe('');
    expect(error).toContain('in use by another process');
    expect(error).toContain(dataDir);
    await expect(startCosmos({ dataDir })).rejects.toThrow('in use by another process');
    await server.close();
    expect((await startProcess()).endpoint).toMatch(/^http/);
  });

  test('that holds no database, or one cut short, is refused with a sentence, and left as it is', async () => {
    const file = join(dataDir, 'cosmos.db');
    writeFileSync(file, 'This is no database, but a text that is long enough to be taken for one.'.repeat(50));
    await expect(startCosmos({ dataDir })).rejects.toThrow(/cosmos\.db.*not a database/);
    rmSync(file);
    const cosmos = await startCosmosUnderTest({ dataDir });
    const container = await cosmos.container();
    for (let index = 0; index < 200; index++)
      await container.items.create({ id: `${index}`, pk: 'p', text: 'x'.repeat(1000) });
    await cosmos.close();
    truncateSync(file, 3000);
    await expect(startCosmos({ dataDir })).rejects.toThrow(/cosmos\.db/);
  });

  test('that cannot be made is refused with a sentence', async () => {
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    await expect(startCosmos({ dataDir: join(file, 'below') })).rejects.toThrow(/Cannot open the database file/);
  });
});

describe('a process killed in the middle of writes', () => {
  test('has kept every acknowledged write, and every batch whole or not at all', async () => {
    let { child, endpoint } = await startProcess();
    let { client, container } = connect(endpoint);
    await client.databases.create({ id: 'd' });
    await client.database('d').containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } });
    const acknowledged = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const goal = acknowledged.size + 150;
      const writer = async (name: number) => {
        for (let n = 0; ; n++) {
          const id = `${round}-${name}-${n}`;
          try {
            if (name % 2 === 0) await container.items.create({ id, pk: 'single' });
            else {
              const operations = ['a', 'b', 'c'].map((part) => ({
                operationType: 'Create' as const,
                resourceBody: { id: `${id}-${part}`, pk: 'batch', batch: id },
              }));
              const { code } = await container.items.batch(operations, 'batch');
              if (code !== 200) throw new Error(String(code));
            }
          } catch {
            return;
          }
          acknowledged.add(id);
          if (acknowledged.size === goal) child.kill('SIGKILL');
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
      await kill(child);
      client.dispose();
      ({ child, endpoint } = await startProcess());
      ({ client, container } = connect(endpoint));
      const singles = (
        await container.items.query<string>('SELECT VALUE c.id FROM c', { partitionKey: 'single' }).fetchAll()
      ).resources;
      const parts = (
        await container.items.query<string>('SELECT VALUE c.batch FROM c', { partitionKey: 'batch' }).fetchAll()
      ).resources;
      const found = new Set([...singles, ...parts]);
      expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
      for (const id of new Set(parts)) expect(parts.filter((part) => part === id)).toHaveLength(3);
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(450);
    client.dispose();
  });
});

describe('a full disk', () => {
  test('answers 503 with a sentence, changes nothing, lets reads through, and heals', async () => {
    const lines: string[] = [];
    const cosmos = await startCosmosUnderTest({ dataDir, log: (line) => lines.push(line) });
    const container = await cosmos.container({ id: 'c', defaultTtl: -1 });
    await container.items.create({ id: 'there', pk: 'p', n: 1 });
    cosmos.server.faults.diskFull(true);
    const text = 'x'.repeat(200_000);
    const refused = await refusal(container.items.create({ id: 'large', pk: 'p', text }));
    expect([refused.code, refused.message]).toEqual([503, expect.stringContaining('full')]);
    expect(lines.join('\n')).toContain('full');
    const batch = await refusal(
      container.items.batch(
        [
          { operationType: 'Upsert', resourceBody: { id: 'there', pk: 'p', n: 2 } },
          { operationType: 'Create', resourceBody: { id: 'l2', pk: 'p', text } },
        ],
        'p',
      ),
    );
    expect(batch.message).toContain('full');
    expect(
      (
        await refusal(
          cosmos.container({
            id: 'new',
            indexingPolicy: { includedPaths: [{ path: '/a/?' }], excludedPaths: [{ path: '/*' }] },
          }),
        )
      ).code,
    ).toBe(503);
    expect((await refusal(cosmos.database.container('new').read())).code).toBe(404);
    expect((await container.item('there', 'p').read()).resource?.n).toBe(1);
    expect(
      (await container.items.query('SELECT VALUE COUNT(1) FROM c', { partitionKey: 'p' }).fetchAll()).resources,
    ).toEqual([1]);
    cosmos.server.faults.diskFull(false);
    expect((await container.items.create({ id: 'large', pk: 'p', text })).statusCode).toBe(201);
    expect((await cosmos.container({ id: 'new' })).id).toBe('new');
    await cosmos.close();
  });
});
