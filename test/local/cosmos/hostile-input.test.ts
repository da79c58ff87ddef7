/** What a hostile or broken client, file or disk can do: a clear refusal, and everybody else goes on. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CosmosClient, type Container } from '@azure/cosmos';
import fc from 'fast-check';
import { startCosmos } from '../../../local/cosmos/cosmos.ts';
import { WELL_KNOWN_KEY } from '../../../local/cosmos/protocol/authorization.ts';
import { startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

const MB = 1024 * 1024;

describe('a hostile client', () => {
  let cosmos: CosmosUnderTest;
  let container: Container;
  const lines: string[] = [];
  beforeAll(async () => {
    cosmos = await startCosmosUnderTest({ partitions: 2, requestMs: 1500, log: (line) => lines.push(line) });
    container = await cosmos.container({ id: 'c', defaultTtl: -1 });
    await container.items.create({ id: 'a', pk: 'p', n: 1, tags: ['x'] });
  });
  afterAll(() => cosmos.close());

  const open = () => {
    const socket = connectSocket(cosmos.server.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.on('error', () => {});
    return { socket, closed: once(socket, 'close').then(() => answer) };
  };
  const alive = async () => (await container.item('a', 'p').read()).statusCode === 200;

  test('that sends 100 MB gets 413, three at once, and the memory does not grow by what they send', async () => {
    const chunk = new Uint8Array(MB);
    const body = () =>
      new ReadableStream({
        start: () => {},
        pull(controller) {
          if (sent++ % 100 === 99) controller.close();
          else controller.enqueue(chunk);
        },
      });
    let sent = 0;
    const patient = await startCosmos();
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 3; n++) {
      const answer = await fetch(`${patient.endpoint}/dbs`, {
        method: 'POST',
        body: body(),
        duplex: 'half',
      } as RequestInit);
      expect([answer.status, await answer.text()]).toEqual([413, expect.stringContaining('too large')]);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MB);
    await patient.close();
    expect(await alive()).toBe(true);
  });

  test('that sends a request byte by byte gets 408, and 300 of them keep nobody else waiting', async () => {
    const slow = Array.from({ length: 300 }, open);
    for (const [index, { socket }] of slow.entries())
      socket.write(index % 2 ? 'POST /dbs HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{' : 'GET /dbs HTT');
    expect(await alive()).toBe(true);
    const answers = await Promise.all(slow.map(({ closed }) => closed));
    expect(new Set(answers.map((answer) => answer.split('\r\n')[0]))).toEqual(
      new Set(['HTTP/1.1 408 Request Timeout']),
    );
    expect(await alive()).toBe(true);
  });

  test('that never reads its answer is nobody else’s trouble', async () => {
    await container.items.upsert({ id: 'large', pk: 'p', text: 'x'.repeat(MB) });
    const { socket, closed } = open();
    socket.pause();
    const request =
      'GET /dbs/test/colls/c/docs/large HTTP/1.1\r\nhost: x\r\nauthorization: type=aad&ver=1.0&sig=t\r\n' +
      'x-ms-documentdb-partitionkey: ["p"]\r\n\r\n';
    socket.write(request.repeat(50));
    expect(await alive()).toBe(true);
    socket.destroy();
    await closed;
    expect(await alive()).toBe(true);
  });

  test('that sends any bytes is refused or cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.boolean(), async (bytes, cut) => {
        const { socket, closed } = open();
        if (cut) socket.write(bytes, () => socket.destroy());
        else socket.end(bytes);
        expect(await closed).toMatch(/^(HTTP\/1\.1 4\d\d .*)?$/s);
      }),
      { numRuns: 150 },
    );
    expect(await alive()).toBe(true);
  });

  const anything = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('', '[', '[[[]]]', '{}', 'null', '""', '-1', '1e999'),
  );
  const path = fc
    .array(
      fc.oneof(
        fc.constantFrom('dbs', 'test', 'colls', 'c', 'docs', 'a', 'pkranges', 'udfs', 'offers', 'operations'),
        fc.constantFrom('partitionkeydelete', 'sprocs', '%', '%00', '..', 'none'),
      ),
      { maxLength: 6 },
    )
    .map((segments) => `/${segments.join('/')}`);
  const known = fc.constantFrom(
    '/dbs',
    '/dbs/test/colls',
    '/dbs/test/colls/c',
    '/dbs/test/colls/c/docs',
    '/dbs/test/colls/c/docs/a',
    '/dbs/test/colls/c/udfs',
    '/dbs/test/colls/c/pkranges',
    '/offers',
  );
  const header = (value: fc.Arbitrary<string>) => fc.option(value, { nil: undefined });
  const headerText = anything.map((text) => text.replaceAll(/[^\x20-\x7e]/g, '').trim());
  const truth = fc.constantFrom('true', 'True', 'no');
  const headers = fc.record({
    'x-ms-documentdb-partitionkey': header(fc.oneof(fc.constantFrom('["p"]', '[{}]', '[]', '[null]'), headerText)),
    'x-ms-documentdb-partitionkeyrangeid': header(fc.constantFrom('0', '1', '9', 'x', ',')),
    'x-ms-continuation': header(headerText),
    'x-ms-max-item-count': header(fc.constantFrom('-1', '0', '1', '5.5', 'x', '1e9')),
    'x-ms-documentdb-isquery': header(truth),
    'x-ms-documentdb-query-enablecrosspartition': header(truth),
    'x-ms-cosmos-is-query-plan-request': header(truth),
    'x-ms-cosmos-is-batch-request': header(truth),
    'x-ms-cosmos-batch-atomic': header(truth),
    'x-ms-documentdb-is-upsert': header(truth),
    'x-ms-offer-throughput': header(fc.constantFrom('400', 'x', '-1')),
    'x-ms-cosmos-offer-autopilot-settings': header(headerText),
    'x-ms-start-epk': header(fc.constantFrom('', '00', 'zz')),
    'x-ms-end-epk': header(fc.constantFrom('', 'FF', 'zz')),
    'a-im': header(fc.constantFrom('Incremental feed', 'Full-Fidelity Feed', 'x')),
    'if-match': header(headerText),
    'if-none-match': header(fc.oneof(fc.constantFrom('*', '"1"', '"99999999999999999999"'), headerText)),
    'if-modified-since': header(headerText),
  });
  const words =
    'SELECT VALUE * c c.n c.tags FROM WHERE ORDER BY GROUP DISTINCT TOP 1 2 OFFSET LIMIT AND OR NOT IN BETWEEN LIKE EXISTS ( ) [ ] { } , . : ? = != < > + - * / || ?? @p "x" \'y\' COUNT SUM( AVG(c.n) ARRAY( udf.f( null true undefined JOIN t AS a'.split(
      ' ',
    );
  const query = fc.oneof(
    fc.array(fc.constantFrom(...words), { maxLength: 14 }).map((found) => `SELECT ${found.join(' ')}`),
    fc.array(fc.constantFrom(...words), { maxLength: 10 }).map((found) => `SELECT * FROM c WHERE ${found.join(' ')}`),
  );
  const operation = fc.record(
    {
      operationType: fc.constantFrom('Create', 'Upsert', 'Read', 'Delete', 'Replace', 'Patch', 'Dance', 5),
      id: fc.oneof(fc.constant('a'), fc.jsonValue()),
      partitionKey: fc.oneof(fc.constant('["p"]'), fc.jsonValue()),
      resourceBody: fc.oneof(
        fc.constant({ id: 'a', pk: 'p' }),
        fc.record({ operations: fc.jsonValue(), condition: query }),
        fc.jsonValue(),
      ),
      ifMatch: fc.jsonValue(),
    },
    { requiredKeys: ['operationType'] },
  );
  const body = fc.oneof(
    anything,
    query.map((text) => JSON.stringify({ query: text })),
    fc.record({ query: fc.jsonValue(), parameters: fc.jsonValue() }).map((spec) => JSON.stringify(spec)),
    fc.array(operation, { maxLength: 4 }).map((operations) => JSON.stringify(operations)),
    fc
      .record({ id: fc.jsonValue(), partitionKey: fc.jsonValue(), indexingPolicy: fc.jsonValue(), ttl: fc.jsonValue() })
      .map((definition) => JSON.stringify(definition)),
    fc
      .array(
        fc.record({
          op: fc.constantFrom('add', 'set', 'move', 'incr', 'remove'),
          path: fc.string(),
          value: fc.jsonValue(),
        }),
      )
      .map((operations) => JSON.stringify({ operations })),
  );

  test('that sends any request is answered as the service would: never 5xx, always in JSON', async () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'POST', 'POST');
    await fc.assert(
      fc.asyncProperty(method, fc.oneof(path, known, known), headers, body, async (verb, url, given, text) => {
        const answer = await fetch(`${cosmos.server.endpoint}${url}`, {
          method: verb,
          headers: {
            authorization: 'type=aad&ver=1.0&sig=t',
            ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
          },
          ...(verb === 'GET' ? {} : { body: text }),
        });
        const said = await answer.text();
        expect(answer.status < 500 ? '' : said).toBe('');
        if (said !== '') JSON.parse(said);
      }),
      { numRuns: Number(process.env['HOSTILE_RUNS'] ?? 500) },
    );
    expect(await alive()).toBe(true);
  });
});

describe('a damaged database', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'cosmos-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  test('is refused with a sentence that names it, or answers what it can, and never crashes', async () => {
    const healthy = join(dataDir, 'healthy');
    const first = await startCosmosUnderTest({ dataDir: healthy });
    const container = await first.container({ id: 'c', indexingPolicy: { includedPaths: [{ path: '/*' }] } });
    await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        container.items.create({ id: `i${n}`, pk: `k${n % 7}`, n, text: 'x'.repeat(300) }),
      ),
    );
    await first.close();
    const size = readFileSync(join(healthy, 'cosmos.db')).length;
    const outcomes = { refused: 0, answered: 0 };
    const damage = fc.oneof(
      fc.record({ cutAt: fc.integer({ min: 1, max: size - 1 }) }),
      fc.record({ at: fc.integer({ min: 0, max: size - 1 }), bytes: fc.uint8Array({ minLength: 1, maxLength: 5000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(damage, fc.integer({ min: 0, max: 299 }), async (done, n) => {
        const folder = mkdtempSync(join(dataDir, 'damaged-'));
        const file = join(folder, 'cosmos.db');
        copyFileSync(join(healthy, 'cosmos.db'), file);
        if ('cutAt' in done) truncateSync(file, done.cutAt);
        else {
          const content = readFileSync(file);
          content.set(done.bytes.subarray(0, size - done.at), done.at);
          writeFileSync(file, content);
        }
        const server = await startCosmos({ dataDir: folder }).catch((error: Error) => error.message);
        if (typeof server === 'string') {
          if (!server.includes(file)) throw new Error(`It does not name the file: ${server}`);
          outcomes.refused++;
          return;
        }
        const get = async (path: string, key: string) => {
          const headers = { authorization: 'type=aad&ver=1.0&sig=t', 'x-ms-documentdb-partitionkey': key };
          const answer = await fetch(`${server.endpoint}/dbs/test/colls/c/docs${path}`, { headers });
          return { status: answer.status, text: await answer.text() };
        };
        const one = await get(`/i${n}`, `["k${n % 7}"]`);
        const all = await get('', `["k${n % 7}"]`);
        expect([200, 404, 500, 503]).toContain(one.status);
        expect([200, 404, 500, 503]).toContain(all.status);
        await server.close();
        outcomes.answered++;
      }),
      { numRuns: Number(process.env['DAMAGE_RUNS'] ?? 30) },
    );
    expect(Math.min(outcomes.refused, outcomes.answered)).toBeGreaterThan(0);
  });
});

test('a definition that cannot be read is refused with a sentence that names the file', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cosmos-'));
  const file = join(dataDir, 'cosmos.db');
  const first = await startCosmosUnderTest({ dataDir });
  await first.container();
  await first.close();
  for (const statement of ["UPDATE containers SET definition = '{'", "UPDATE settings SET value = '99'"]) {
    const database = new DatabaseSync(file);
    database.exec(statement);
    database.close();
    await expect(startCosmos({ dataDir })).rejects.toThrow(`Cannot read the database file ${file}: `);
  }
  rmSync(dataDir, { recursive: true });
});

describe('a disk that is really full', () => {
  const children: ChildProcess[] = [];
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'cosmos-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** Starts a process whose files cannot grow beyond some KiB. */
  async function start(kib: number | 'unlimited'): Promise<{ client: CosmosClient; container: Container }> {
    const program = fileURLToPath(new URL('../../support/cosmos-process.ts', import.meta.url));
    // Without a trap the system would end the process, which no full disk does.
    const script = `trap '' XFSZ; ulimit -f ${kib}; exec "$0" "$@"`;
    const child = spawn('bash', ['-c', script, process.execPath, program, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [endpoint] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const client = new CosmosClient({
      endpoint,
      key: WELL_KNOWN_KEY,
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    return { client, container: client.database('d').container('c') };
  }

  test('refuses writes with 503, answers reads, and has kept what it acknowledged', async () => {
    mkdirSync(dataDir, { recursive: true });
    const { client, container } = await start(1024);
    await client.databases.create({ id: 'd' });
    await client.database('d').containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } });
    const acknowledged: string[] = [];
    const refusals = new Set<number>();
    for (let n = 0; n < 400 && refusals.size === 0; n++) {
      const outcomes = await Promise.all(
        [0, 1, 2].map(async (part) => {
          const id = `${n}-${part}`;
          try {
            await container.items.create({ id, pk: 'p', text: 'x'.repeat(8000) });
            acknowledged.push(id);
            return undefined;
          } catch (error) {
            return (error as { code: number }).code;
          }
        }),
      );
      for (const code of outcomes) if (code !== undefined) refusals.add(code);
    }
    expect([...refusals]).toEqual([503]);
    expect(acknowledged.length).toBeGreaterThan(20);
    const ids = async (store: Container) =>
      (
        await store.items.query<string>('SELECT VALUE c.id FROM c', { partitionKey: 'p' }).fetchAll()
      ).resources.toSorted();
    expect(await ids(container)).toEqual(acknowledged.toSorted());
    client.dispose();
    const [full] = children.splice(0);
    const exited = once(full as ChildProcess, 'exit');
    full?.kill('SIGKILL');
    await exited;
    const again = await start('unlimited');
    expect(await ids(again.container)).toEqual(acknowledged.toSorted());
    expect((await again.container.items.create({ id: 'room', pk: 'p' })).statusCode).toBe(201);
    again.client.dispose();
  });
});
