import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let container: Container;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest();
  container = await cosmos.container();
});
afterAll(() => cosmos.close());

const ifMatch = (condition: string) => ({ accessCondition: { type: 'IfMatch', condition } });

describe('point operations', () => {
  test('create answers the item with system properties, charge, activity and session', async () => {
    const { statusCode, resource, headers, etag, requestCharge, activityId } = await container.items.create({
      id: 'one',
      pk: 'p',
      deep: { list: [1, null, 'ä'] },
    });
    expect(statusCode).toBe(201);
    expect(resource).toMatchObject({ id: 'one', pk: 'p', deep: { list: [1, null, 'ä'] } });
    expect(resource?._etag).toBe(etag);
    expect(resource?._ts).toBeGreaterThan(1_700_000_000);
    expect(requestCharge).toBeGreaterThan(1);
    expect(activityId).toMatch(/^[0-9a-f-]{36}$/);
    expect(String(headers['x-ms-session-token'])).toMatch(/^0:-1#\d+$/);
    expect((await container.item('one', 'p').read()).resource).toEqual(resource);
  });

  test('an id is unique within its partition key only', async () => {
    await container.items.create({ id: 'same', pk: 'a' });
    await container.items.create({ id: 'same', pk: 'b' });
    const taken = await refusal(container.items.create({ id: 'same', pk: 'a' }));
    expect(taken.code).toBe(409);
  });

  test('a missing item reads as 404 without a throw; replace, patch and delete of it throw', async () => {
    const item = container.item('nobody', 'p');
    expect(await item.read()).toMatchObject({ statusCode: 404, resource: undefined });
    expect((await refusal(item.replace({ id: 'nobody', pk: 'p' }))).code).toBe(404);
    expect((await refusal(item.patch([{ op: 'set', path: '/n', value: 1 }]))).code).toBe(404);
    expect((await refusal(item.delete())).code).toBe(404);
  });

  test('keys of different types are different partitions', async () => {
    const keys = ['1', 1, true, null, '', 'true', 'null', 0, false, 1.5, -1];
    for (const [index, pk] of keys.entries())
      expect((await container.items.create({ id: 'typed', pk, index })).statusCode).toBe(201);
    await container.items.create({ id: 'typed', index: 99 });
    for (const [index, pk] of keys.entries())
      expect((await container.item('typed', pk as string).read()).resource?.index).toBe(index);
    expect((await container.item('typed', undefined).read()).resource?.index).toBe(99);
  });

  test('a read with the current etag is 304, with another one the item', async () => {
    const { etag } = await container.items.create({ id: 'cached', pk: 'p' });
    const item = container.item('cached', 'p');
    const unchanged = await item.read({ accessCondition: { type: 'IfNoneMatch', condition: etag } });
    expect([unchanged.statusCode, unchanged.resource]).toEqual([304, null]);
    await item.replace({ id: 'cached', pk: 'p', n: 2 });
    const changed = await item.read({ accessCondition: { type: 'IfNoneMatch', condition: etag } });
    expect([changed.statusCode, changed.resource?.n]).toEqual([200, 2]);
  });

  test('a stale etag is 412 for replace, upsert, patch and delete, and changes nothing', async () => {
    const { etag: stale } = await container.items.create({ id: 'fenced', pk: 'p', n: 1 });
    const item = container.item('fenced', 'p');
    const { etag: fresh } = await item.replace({ id: 'fenced', pk: 'p', n: 2 }, ifMatch(stale));
    expect(fresh).not.toBe(stale);
    for (const work of [
      () => item.replace({ id: 'fenced', pk: 'p', n: 3 }, ifMatch(stale)),
      () => container.items.upsert({ id: 'fenced', pk: 'p', n: 3 }, ifMatch(stale)),
      () => item.patch([{ op: 'set', path: '/n', value: 3 }], ifMatch(stale)),
      () => item.delete(ifMatch(stale)),
    ])
      expect((await refusal(work())).code).toBe(412);
    expect((await item.read()).resource).toMatchObject({ n: 2, _etag: fresh });
    expect((await item.delete(ifMatch(fresh))).statusCode).toBe(204);
  });

  test('a deleted and re-created item does not get its old etag back', async () => {
    const { etag } = await container.items.create({ id: 'phoenix', pk: 'p' });
    await container.item('phoenix', 'p').delete();
    await container.items.create({ id: 'phoenix', pk: 'p' });
    expect(
      (await refusal(container.item('phoenix', 'p').replace({ id: 'phoenix', pk: 'p' }, ifMatch(etag)))).code,
    ).toBe(412);
  });

  test('upsert creates, then replaces', async () => {
    const made = await container.items.upsert({ id: 'up', pk: 'p', n: 1 });
    const replaced = await container.items.upsert({ id: 'up', pk: 'p', m: 2 });
    expect([made.statusCode, replaced.statusCode]).toEqual([201, 200]);
    const { resource } = await container.item('up', 'p').read();
    expect(resource).toMatchObject({ m: 2 });
    expect(resource).not.toHaveProperty('n');
  });

  test('of 100 conditional replaces at once exactly one wins each round', async () => {
    let { etag } = await container.items.create({ id: 'race', pk: 'p', by: -1 });
    for (let round = 0; round < 3; round++) {
      const tries = Array.from({ length: 100 }, (_, by) =>
        container
          .item('race', 'p')
          .replace({ id: 'race', pk: 'p', by }, ifMatch(etag))
          .then(
            () => by,
            (error: { code: number }) => error.code,
          ),
      );
      const outcomes = await Promise.all(tries);
      const winners = outcomes.filter((outcome, by) => outcome === by);
      expect(winners).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 412)).toHaveLength(99);
      const { resource } = await container.item('race', 'p').read();
      expect(resource?.by).toBe(winners[0]);
      etag = String(resource?._etag);
    }
  });

  test('of 100 creates at once one wins, and 200 increments at once all count', async () => {
    const creates = await Promise.allSettled(
      Array.from({ length: 100 }, () => container.items.create({ id: 'first', pk: 'p', n: 0 })),
    );
    expect(creates.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await Promise.all(
      Array.from({ length: 200 }, () => container.item('first', 'p').patch([{ op: 'incr', path: '/n', value: 1 }])),
    );
    expect((await container.item('first', 'p').read()).resource?.n).toBe(200);
  });
});

describe('a whole partition', () => {
  test('is listed by readAll and emptied by deleteAllItemsForPartitionKey', async () => {
    const own = await cosmos.container();
    for (const pk of ['a', 'b']) for (const id of ['1', '2', '3']) await own.items.create({ id, pk });
    expect((await own.items.readAll({ maxItemCount: 4 }).fetchAll()).resources).toHaveLength(6);
    await own.deleteAllItemsForPartitionKey('a');
    const left = await own.items.readAll<{ pk: string }>().fetchAll();
    expect(left.resources.map(({ pk }) => pk)).toEqual(['b', 'b', 'b']);
  });

  test('is iterated with for await', async () => {
    const own = await cosmos.container();
    for (const id of ['1', '2', '3']) await own.items.create({ id, pk: 'p' });
    const found: string[] = [];
    for await (const { resources } of own.items
      .query<string>('SELECT VALUE c.id FROM c', { partitionKey: 'p', maxItemCount: 2 })
      .getAsyncIterator())
      found.push(...resources);
    expect(found).toEqual(['1', '2', '3']);
  });
});

describe('bad items', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
      method: 'POST',
      headers: { authorization: 'type=aad&ver=1.0&sig=t', 'x-ms-documentdb-partitionkey': '["p"]', ...headers },
      body,
    });

  test.each<[string, string, string]>([
    ['no JSON', '{"id":', 'not valid JSON'],
    ['no object', '[1]', 'JSON object'],
    ['no id', '{"pk":"p"}', "'id'"],
    ['an empty id', '{"id":"","pk":"p"}', "'id'"],
    ['an id that is no string', '{"id":5,"pk":"p"}', "'id'"],
    ['a slash in the id', '{"id":"a/b","pk":"p"}', "'id'"],
    ['a long id', JSON.stringify({ id: 'x'.repeat(1024), pk: 'p' }), '1023'],
    ['a broken surrogate in the id', '{"id":"\\ud800","pk":"p"}', 'Unicode'],
    ['a ttl of zero', '{"id":"a","pk":"p","ttl":0}', 'ttl'],
    ['a ttl that is text', '{"id":"a","pk":"p","ttl":"5"}', 'ttl'],
    ['nesting without end', `{"id":"a","pk":"p","x":${'['.repeat(5000)}${']'.repeat(5000)}}`, '128'],
  ])('%s is 400 and says why', async (_, body, named) => {
    const answer = await post(body);
    const { code, message } = (await answer.json()) as { code: string; message: string };
    expect([answer.status, code, message]).toEqual([400, 'BadRequest', expect.stringContaining(named)]);
  });

  test.each<[string, string, string]>([
    ['is no JSON', 'nonsense', 'not valid JSON'],
    ['is no array', '"p"', 'array'],
    ['holds an object', '[{"a":1}]', 'string, a number'],
    ['is too long', '["p","q"]', '2 values'],
    ['is empty', '[]', '0 value'],
  ])('a partition key header that %s is 400', async (_, header, named) => {
    const answer = await post('{"id":"a","pk":"p"}', { 'x-ms-documentdb-partitionkey': header });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(named)]);
  });

  test('a document of another partition than the header says is 400 with sub-status 1001', async () => {
    const answer = await post('{"id":"a","pk":"other"}');
    expect([answer.status, answer.headers.get('x-ms-substatus')]).toEqual([400, '1001']);
    const replaced = await refusal(container.item('one', 'p').replace({ id: 'one', pk: 'other' }));
    expect([replaced.code, replaced.substatus]).toEqual([400, 1001]);
  });

  test('a missing partition key header is 400', async () => {
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs/one`, {
      headers: { authorization: 'type=aad&ver=1.0&sig=t' },
    });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('PartitionKey')]);
  });

  test('an item just below 2 MB is kept whole, one above it is 413', async () => {
    const text = 'é'.repeat(1024 * 1024 - 100);
    await container.items.create({ id: 'large', pk: 'p', text });
    expect((await container.item('large', 'p').read()).resource?.text).toBe(text);
    expect(
      (await refusal(container.items.create({ id: 'larger', pk: 'p', text: `${text}${'é'.repeat(200)}` }))).code,
    ).toBe(413);
    expect((await container.item('larger', 'p').read()).statusCode).toBe(404);
  });

  test('a body of 20 MB is 413, and the server goes on', async () => {
    expect((await post('x'.repeat(20 * 1024 * 1024))).status).toBe(413);
    expect((await container.item('one', 'p').read()).statusCode).toBe(200);
  });

  test('properties named like those of JavaScript are plain properties', async () => {
    const body = '{"id":"proto","pk":"p","__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}';
    expect((await post(body)).status).toBe(201);
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs/proto`, {
      headers: { authorization: 'type=aad&ver=1.0&sig=t', 'x-ms-documentdb-partitionkey': '["p"]' },
    });
    expect(await answer.text()).toContain('"__proto__":{"polluted":1}');
    const rows = await container.items
      .query(
        'SELECT c.constructor, c.toString, c.__proto__.polluted AS polluted, c.valueOf FROM c WHERE c.id = "proto"',
        { partitionKey: 'p' },
      )
      .fetchAll();
    expect(rows.resources).toEqual([{ constructor: 2, toString: 3, polluted: 1 }]);
  });
});

describe('patch', () => {
  test('add, set, replace, remove, incr and move work in order on objects and arrays', async () => {
    await container.items.create({ id: 'patched', pk: 'p', n: 1, list: [1, 2], o: { a: 1, gone: true } });
    const { resource } = await container.item('patched', 'p').patch([
      { op: 'add', path: '/list/1', value: 'between' },
      { op: 'add', path: '/list/-', value: 'last' },
      { op: 'set', path: '/o/new', value: { deep: [true] } },
      { op: 'replace', path: '/o/a', value: 2 },
      { op: 'remove', path: '/o/gone' },
      { op: 'incr', path: '/n', value: 2.5 },
      { op: 'incr', path: '/fresh', value: 7 },
      { op: 'move', from: '/o/new', path: '/moved' },
      { op: 'set', path: '/list/0', value: 'first' },
    ] as never);
    expect(resource).toMatchObject({
      n: 3.5,
      fresh: 7,
      list: ['first', 'between', 2, 'last'],
      o: { a: 2 },
      moved: { deep: [true] },
    });
    expect((resource as { o: object }).o).toEqual({ a: 2 });
  });

  test('of ten operations is the most there is', async () => {
    await container.items.create({ id: 'ten', pk: 'p', n: 0 });
    const operations = Array.from({ length: 10 }, () => ({ op: 'incr' as const, path: '/n', value: 1 }));
    expect((await container.item('ten', 'p').patch(operations)).resource?.n).toBe(10);
  });

  test('a condition that the item does not satisfy is 412', async () => {
    await container.items.create({ id: 'conditional', pk: 'p', n: 1, state: 'open' });
    const item = container.item('conditional', 'p');
    const operations = [{ op: 'incr' as const, path: '/n', value: 1 }];
    expect((await refusal(item.patch({ condition: "from c where c.state = 'closed'", operations }))).code).toBe(412);
    await item.patch({ condition: "from c where c.state = 'open' and c.n < 2", operations });
    expect((await refusal(item.patch({ condition: 'from c where c.n < 2', operations }))).code).toBe(412);
    expect((await item.read()).resource?.n).toBe(2);
    expect((await refusal(item.patch({ condition: 'from c where', operations }))).code).toBe(400);
  });

  test.each<[string, unknown[], string]>([
    ['more than ten operations', Array.from({ length: 10 }, () => ({ op: 'incr', path: '/n', value: 1 })), '10'],
    ['none', [], 'at least one'],
    ['an unknown one', [{ op: 'test', path: '/n', value: 1 }], 'test'],
    ['replace of nothing', [{ op: 'replace', path: '/nothing', value: 1 }], 'nothing'],
    ['remove of nothing', [{ op: 'remove', path: '/nothing' }], 'nothing'],
    ['incr of a text', [{ op: 'incr', path: '/text', value: 1 }], 'number'],
    ['a path into nowhere', [{ op: 'set', path: '/no/where', value: 1 }], "'no'"],
    ['an index outside of the array', [{ op: 'add', path: '/list/9', value: 1 }], "'9'"],
    ['the id', [{ op: 'set', path: '/id', value: 'x' }], 'id'],
    ['the partition key', [{ op: 'set', path: '/pk', value: 'x' }], 'partition key'],
    ['a system property', [{ op: 'set', path: '/_ts', value: 1 }], '_ts'],
    ['a path without slash', [{ op: 'set', path: 'n', value: 1 }], "'/'"],
  ])('%s is 400, and none of the operations is applied', async (_, operations, named) => {
    await container.items.upsert({ id: 'strict', pk: 'p', n: 1, text: 'x', list: [1] });
    const refused = await refusal(
      container
        .item('strict', 'p')
        .patch([{ op: 'incr', path: '/n', value: 1 }, ...operations].slice(operations.length === 0 ? 1 : 0) as never),
    );
    expect(refused.code).toBe(400);
    expect(refused.message).toContain(named);
    expect((await container.item('strict', 'p').read()).resource?.n).toBe(1);
  });
});

describe('unique keys', () => {
  test('hold within a partition, over several paths together, with nothing counted as null', async () => {
    const unique = await cosmos.container({
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/mail'] }, { paths: ['/first', '/o/last'] }] },
    });
    await unique.items.create({ id: '1', pk: 'p', mail: 'a', first: 'x', o: { last: 'y' } });
    await unique.items.create({ id: '2', pk: 'q', mail: 'a', first: 'x', o: { last: 'y' } });
    expect((await refusal(unique.items.create({ id: '3', pk: 'p', mail: 'a' }))).code).toBe(409);
    expect(
      (await refusal(unique.items.create({ id: '3', pk: 'p', mail: 'b', first: 'x', o: { last: 'y' } }))).code,
    ).toBe(409);
    await unique.items.create({ id: '3', pk: 'p', mail: 'b', first: 'x', o: { last: 'z' } });
    await unique.items.create({ id: '4', pk: 'p', first: 'n' });
    expect((await refusal(unique.items.create({ id: '5', pk: 'p', first: 'm' }))).code).toBe(409);
    expect((await refusal(unique.item('3', 'p').replace({ id: '3', pk: 'p', mail: 'a' }))).code).toBe(409);
    expect((await unique.item('3', 'p').read()).resource?.mail).toBe('b');
    await unique.item('1', 'p').delete();
    await unique.item('3', 'p').patch([{ op: 'set', path: '/mail', value: 'a' }]);
  });
});

describe('request charge', () => {
  test('follows the published figures: read 1 KB = 1, create by size and index entries, replace twice that', async () => {
    const lean = await cosmos.container({
      indexingPolicy: { includedPaths: [{ path: '/pk/?' }], excludedPaths: [{ path: '/*' }] },
    });
    const full = await cosmos.container();
    const item = {
      id: 'x',
      pk: 'p',
      ...Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`f${index}`, index])),
    };
    const cheap = await lean.items.create(item);
    const dear = await full.items.create(item);
    expect(dear.requestCharge - cheap.requestCharge).toBeCloseTo(10 * 0.2);
    expect((await lean.item('x', 'p').read()).requestCharge).toBe(1);
    expect((await lean.item('x', 'p').replace(item)).requestCharge).toBeCloseTo(2 * cheap.requestCharge);
    expect((await lean.item('x', 'p').patch([{ op: 'set', path: '/f1', value: 1 }])).requestCharge).toBeCloseTo(
      2 * cheap.requestCharge + 0.4,
    );
    const big = await lean.items.create({ id: 'y', pk: 'p', text: 'x'.repeat(32 * 1024 - 40) });
    expect(big.requestCharge - cheap.requestCharge).toBeCloseTo(11.2 - 4.95, 0);
    expect((await lean.item('y', 'p').read()).requestCharge).toBeCloseTo(2.2, 1);
    expect((await lean.item('x', 'p').delete()).requestCharge).toBeCloseTo(cheap.requestCharge);
  });
});
