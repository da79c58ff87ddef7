import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CosmosClient, PartitionKeyKind, TriggerOperation, TriggerType } from '@azure/cosmos';
import { startCosmos } from '../../../local/cosmos/cosmos.ts';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest();
});
afterAll(() => cosmos.close());

describe('databases and containers', () => {
  test('are created once by createIfNotExists, listed, queried, read and deleted', async () => {
    const first = await cosmos.client.databases.createIfNotExists({ id: 'shop' });
    const second = await cosmos.client.databases.createIfNotExists({ id: 'shop' });
    expect([first.statusCode, second.statusCode]).toEqual([201, 200]);
    await first.database.containers.create({ id: 'b', partitionKey: { paths: ['/pk'] } });
    await first.database.containers.create({ id: 'a', partitionKey: { paths: ['/pk'] } });
    expect((await first.database.containers.readAll().fetchAll()).resources.map(({ id }) => id)).toEqual(['b', 'a']);
    const found = await first.database.containers
      .query({ query: 'SELECT * FROM root r WHERE r.id = @id', parameters: [{ name: '@id', value: 'a' }] })
      .fetchAll();
    expect(found.resources.map(({ id }) => id)).toEqual(['a']);
    await first.database.container('b').delete();
    expect((await refusal(first.database.container('b').read())).code).toBe(404);
    await first.database.delete();
    expect((await refusal(first.database.container('a').items.create({ id: '1', pk: 'x' }))).code).toBe(404);
    expect((await refusal(first.database.read())).code).toBe(404);
  });

  test('a taken id is a conflict', async () => {
    await cosmos.container({ id: 'taken' });
    expect((await refusal(cosmos.container({ id: 'taken' }))).code).toBe(409);
    expect((await refusal(cosmos.client.databases.create({ id: 'test' }))).code).toBe(409);
  });

  test('get the defaults of the service', async () => {
    const container = await cosmos.container({ id: 'defaults' });
    const { resource } = await container.read();
    expect(resource).toMatchObject({
      id: 'defaults',
      partitionKey: { paths: ['/pk'], kind: 'Hash', version: 2 },
      indexingPolicy: {
        indexingMode: 'consistent',
        automatic: true,
        includedPaths: [{ path: '/*' }],
        excludedPaths: [{ path: '/"_etag"/?' }],
      },
      conflictResolutionPolicy: { mode: 'LastWriterWins' },
    });
    expect(resource?._rid).toMatch(/^[A-Za-z0-9+-]+=*$/);
    expect(resource).not.toHaveProperty('defaultTtl');
  });

  test('keep the lean policy that they are given, and a ttl', async () => {
    const indexingPolicy = { includedPaths: [{ path: '/pk/?' }, { path: '/n/?' }], excludedPaths: [{ path: '/*' }] };
    const container = await cosmos.container({ id: 'lean', indexingPolicy, defaultTtl: 60 });
    const { resource } = await container.read();
    expect(resource?.defaultTtl).toBe(60);
    expect(resource?.indexingPolicy?.includedPaths).toEqual(indexingPolicy.includedPaths);
    expect(resource?.indexingPolicy?.excludedPaths).toEqual([{ path: '/*' }, { path: '/"_etag"/?' }]);
  });

  test('a policy and a ttl can be replaced, the partition key cannot', async () => {
    const container = await cosmos.container({ id: 'changing' });
    await container.items.create({ id: '1', pk: 'x', n: 2 });
    await container.items.create({ id: '2', pk: 'x', n: 1 });
    const indexingPolicy = { includedPaths: [{ path: '/n/?' }], excludedPaths: [{ path: '/*' }] };
    await container.replace({ id: 'changing', partitionKey: { paths: ['/pk'] }, defaultTtl: -1, indexingPolicy });
    expect((await container.read()).resource?.defaultTtl).toBe(-1);
    // What is newly indexed is filled from the items that were there.
    const ordered = await container.items
      .query('SELECT VALUE c.id FROM c ORDER BY c.n', { partitionKey: 'x' })
      .fetchAll();
    expect(ordered.resources).toEqual(['2', '1']);
    await container.replace({
      id: 'changing',
      partitionKey: { paths: ['/pk'] },
      indexingPolicy: { ...indexingPolicy, includedPaths: [] },
    });
    expect(
      (await refusal(container.items.query('SELECT * FROM c ORDER BY c.n', { partitionKey: 'x' }).fetchAll())).code,
    ).toBe(400);
    const changed = await refusal(container.replace({ id: 'changing', partitionKey: { paths: ['/other'] } }));
    expect(changed.code).toBe(400);
    expect(changed.message).toContain('partitionKey');
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['no partition key', { id: 'bad', partitionKey: { paths: [] } }, 'partitionKey.paths'],
    [
      'too many levels',
      { id: 'bad', partitionKey: { paths: ['/a', '/b', '/c', '/d'], kind: PartitionKeyKind.MultiHash, version: 2 } },
      'partitionKey.paths',
    ],
    ['version 1', { id: 'bad', partitionKey: { paths: ['/a'], version: 1 } }, 'partitionKey.version'],
    ['ttl 0', { id: 'bad', partitionKey: { paths: ['/a'] }, defaultTtl: 0 }, 'defaultTtl'],
    [
      'no root path',
      { id: 'bad', partitionKey: { paths: ['/a'] }, indexingPolicy: { includedPaths: [{ path: '/n/?' }] } },
      "'/*'",
    ],
    [
      'a path without end',
      {
        id: 'bad',
        partitionKey: { paths: ['/a'] },
        indexingPolicy: { includedPaths: [{ path: '/n' }], excludedPaths: [{ path: '/*' }] },
      },
      'includedPaths',
    ],
    [
      'vectors',
      { id: 'bad', partitionKey: { paths: ['/a'] }, vectorEmbeddingPolicy: { vectorEmbeddings: [] } },
      'vectorEmbeddingPolicy',
    ],
    ['a slash in the id', { id: 'a?b', partitionKey: { paths: ['/a'] } }, "'?'"],
  ])('%s is refused with the rule', async (_, definition, named) => {
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls`, {
      method: 'POST',
      headers: { authorization: 'type=aad&ver=1.0&sig=token', 'content-type': 'application/json' },
      body: JSON.stringify(definition),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(JSON.stringify(named).slice(1, -1));
  });

  test('throughput is kept as an offer, manual and autoscale', async () => {
    const { container } = await cosmos.database.containers.create({
      id: 'manual',
      partitionKey: { paths: ['/pk'] },
      throughput: 400,
    });
    expect((await container.readOffer()).resource?.content).toMatchObject({ offerThroughput: 400 });
    const { container: scaled } = await cosmos.database.containers.create({
      id: 'scaled',
      partitionKey: { paths: ['/pk'] },
      maxThroughput: 4000,
    });
    const offer = (await scaled.readOffer()).resource;
    expect(offer?.content).toMatchObject({ offerAutopilotSettings: { maxThroughput: 4000 } });
    await cosmos.client.offer(offer?.id ?? '').replace({
      ...offer,
      id: offer?.id ?? '',
      content: { ...offer?.content, offerAutopilotSettings: { maxThroughput: 8000 } },
    } as never);
    expect((await scaled.readOffer()).resource?.content).toMatchObject({
      offerAutopilotSettings: { maxThroughput: 8000 },
    });
    expect(
      (
        await refusal(
          cosmos.database.containers.create({ id: 'odd', partitionKey: { paths: ['/pk'] }, throughput: 450 }),
        )
      ).code,
    ).toBe(400);
    expect((await refusal(cosmos.database.container('odd').read())).code).toBe(404);
  });

  test('a name with spaces and letters of any alphabet works, signature included', async () => {
    const { database } = await cosmos.client.databases.create({ id: 'Größe 数据 +%25' });
    const { container } = await database.containers.create({ id: 'été & co', partitionKey: { paths: ['/pk'] } });
    await container.items.create({ id: 'ключ 1+1=2 %20 €', pk: 'ü/ß"\\' });
    expect((await container.item('ключ 1+1=2 %20 €', 'ü/ß"\\').read()).resource?.id).toBe('ключ 1+1=2 %20 €');
    await container.item('ключ 1+1=2 %20 €', 'ü/ß"\\').delete();
    await database.delete();
  });
});

describe('the account', () => {
  test('serves clients with endpoint discovery on and off', async () => {
    for (const enableEndpointDiscovery of [true, false]) {
      const client = cosmos.connect({ connectionPolicy: { enableEndpointDiscovery } });
      const { resource } = await client.getDatabaseAccount();
      expect(resource?.writableLocations[0]?.databaseAccountEndpoint).toBe(`${cosmos.server.endpoint}/`);
      expect((await client.database('test').read()).resource?.id).toBe('test');
    }
  });

  test('refuses a wrong key with 401, and takes a connection string', async () => {
    const stranger = cosmos.connect({ key: Buffer.from('not the key').toString('base64') });
    expect((await refusal(stranger.database('test').read())).code).toBe(401);
    const connected = new CosmosClient(`AccountEndpoint=${cosmos.server.endpoint}/;AccountKey=${cosmos.server.key};`);
    expect((await connected.database('test').read()).statusCode).toBe(200);
    connected.dispose();
  });

  test('refuses a request without a signature, with a stale date, with one signed for something else', async () => {
    const url = `${cosmos.server.endpoint}/dbs/test`;
    expect((await fetch(url)).status).toBe(401);
    const resource = await fetch(url, {
      headers: {
        authorization: encodeURIComponent('type=resource&ver=1&sig=abc'),
        'x-ms-date': new Date().toUTCString(),
      },
    });
    expect([resource.status, ((await resource.json()) as { message: string }).message]).toEqual([
      401,
      expect.stringContaining("'resource'"),
    ]);
    const { generateHeaders } = await signing();
    const old = await generateHeaders(cosmos.server.key, 'GET', 'dbs', 'dbs/test', new Date(Date.now() - 3_600_000));
    expect((await fetch(url, { headers: old })).status).toBe(403);
    const other = await generateHeaders(cosmos.server.key, 'GET', 'dbs', 'dbs/other');
    expect((await fetch(url, { headers: other })).status).toBe(401);
    const right = await generateHeaders(cosmos.server.key, 'GET', 'dbs', 'dbs/test');
    expect((await fetch(url, { headers: right })).status).toBe(200);
    expect((await fetch(url, { method: 'DELETE', headers: right })).status).toBe(401);
  });

  test('finds databases and containers by resource id, signed by that id alone, as the .NET client does', async () => {
    const container = await cosmos.container();
    const { resource } = await container.read();
    const databaseRid = (await cosmos.database.read()).resource?._rid;
    const { generateHeaders } = await signing();
    const headers = await generateHeaders(cosmos.server.key, 'GET', 'pkranges', resource?._rid.toLowerCase() ?? '');
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/${databaseRid}/colls/${resource?._rid}/pkranges`, {
      headers,
    });
    expect(await answer.json()).toMatchObject({
      PartitionKeyRanges: [{ id: '0', minInclusive: '', maxExclusive: 'FF' }],
    });
    const again = await fetch(answer.url, {
      headers: { ...headers, 'a-im': 'Incremental Feed', 'if-none-match': answer.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
  });

  test('accepts a bearer token of Entra ID', async () => {
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test`, {
      headers: { authorization: 'type=aad&ver=1.0&sig=eyJ.eyJ.sig' },
    });
    expect(answer.status).toBe(200);
  });

  test('names what it does not implement', async () => {
    const container = await cosmos.container();
    const sproc = await refusal(container.scripts.storedProcedure('s').execute('x'));
    expect([sproc.code, sproc.message]).toEqual([400, expect.stringContaining('stored procedures')]);
    const trigger = await refusal(
      container.scripts.triggers.create({
        id: 't',
        body: 'function t() {}',
        triggerType: TriggerType.Pre,
        triggerOperation: TriggerOperation.All,
      }),
    );
    expect([trigger.code, trigger.message]).toEqual([400, expect.stringContaining('triggers')]);
    const user = await refusal(cosmos.database.users.create({ id: 'u' }));
    expect([user.code, user.message]).toEqual([400, expect.stringContaining('users')]);
  });

  test('refuses what it would otherwise have to ignore', async () => {
    const container = await cosmos.container();
    const refused = await refusal(container.items.create({ id: 'a', pk: 'p' }, { preTriggerInclude: 'stamp' }));
    expect([refused.code, refused.message]).toEqual([400, expect.stringContaining('Triggers')]);
    expect((await container.item('a', 'p').read()).statusCode).toBe(404);
    for (const [named, property] of [
      ['computedProperties', { computedProperties: [{ name: 'low', query: 'SELECT VALUE LOWER(c.a) FROM c' }] }],
      ['vectorEmbeddingPolicy', { vectorEmbeddingPolicy: { vectorEmbeddings: [] } }],
      ['conflictResolutionPolicy', { conflictResolutionPolicy: { mode: 'Custom' as const } }],
      ['geospatialConfig', { geospatialConfig: { type: 'Geometry' as const } }],
    ] as const) {
      const definition = await refusal(cosmos.container(property as never));
      expect([definition.code, definition.message]).toEqual([400, expect.stringContaining(named)]);
    }
  });

  test('a taken port is EADDRINUSE', async () => {
    await expect(startCosmos({ port: cosmos.server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

/** The SDK's own signing, which it does not export. */
async function signing() {
  const url = new URL('../../../node_modules/@azure/cosmos/dist/esm/utils/headers.js', import.meta.url);
  return (await import(url.href)) as {
    generateHeaders: (
      key: string,
      method: string,
      type: string,
      id: string,
      date?: Date,
    ) => Promise<Record<string, string>>;
  };
}
