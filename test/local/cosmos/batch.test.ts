import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BulkOperationType, type Container, type OperationInput } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let container: Container;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest({ partitions: 3 });
  container = await cosmos.container();
});
afterAll(() => cosmos.close());

const create = (id: string, pk = 'p', more = {}): OperationInput => ({
  operationType: 'Create',
  resourceBody: { id, pk, ...more },
});
const statuses = (result: { statusCode: number }[] | undefined) => result?.map(({ statusCode }) => statusCode);
const idsOf = async (pk: string) =>
  (await container.items.query<string>('SELECT VALUE c.id FROM c', { partitionKey: pk }).fetchAll()).resources;

/** Sends a batch that the SDK would not send. */
async function post(body: string, pk = 'p'): Promise<[number, string]> {
  const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
    method: 'POST',
    headers: {
      authorization: 'type=aad&ver=1.0&sig=t',
      'x-ms-documentdb-partitionkey': JSON.stringify([pk]),
      'x-ms-cosmos-is-batch-request': 'true',
      'x-ms-cosmos-batch-atomic': 'true',
    },
    body,
  });
  return [answer.status, ((await answer.json()) as { message: string }).message];
}

describe('a transactional batch', () => {
  test('applies every kind of operation in order and answers items and etags', async () => {
    await container.items.create({ id: 'old', pk: 'all', n: 1 });
    await container.items.create({ id: 'dead', pk: 'all' });
    const { code, result, headers } = await container.items.batch(
      [
        create('new', 'all'),
        { operationType: 'Upsert', resourceBody: { id: 'up', pk: 'all' } },
        { operationType: 'Replace', id: 'old', resourceBody: { id: 'old', pk: 'all', n: 2 } },
        { operationType: 'Patch', id: 'old', resourceBody: { operations: [{ op: 'incr', path: '/n', value: 5 }] } },
        { operationType: 'Read', id: 'old' },
        { operationType: 'Delete', id: 'dead' },
      ],
      'all',
    );
    expect([code, statuses(result)]).toEqual([200, [201, 201, 200, 200, 200, 204]]);
    expect(result?.[4]?.resourceBody).toMatchObject({ n: 7 });
    expect(result?.[0]?.eTag).toBe((await container.item('new', 'all').read()).etag);
    expect(Number(headers?.['x-ms-request-charge'])).toBeGreaterThan(20);
    expect(await idsOf('all')).toEqual(['old', 'new', 'up']);
  });

  test.each<[string, OperationInput[], number[]]>([
    ['a conflict in the middle', [create('x1', 'u'), create('there', 'u'), create('x2', 'u')], [424, 409, 424]],
    [
      'a stale etag at the end',
      [
        create('x1', 'u'),
        { operationType: 'Replace', id: 'there', resourceBody: { id: 'there', pk: 'u', n: 9 }, ifMatch: '"stale"' },
      ],
      [424, 412],
    ],
    [
      'a missing item',
      [
        { operationType: 'Replace', id: 'there', resourceBody: { id: 'there', pk: 'u', n: 9 } },
        { operationType: 'Delete', id: 'missing' },
      ],
      [424, 404],
    ],
    ['an item of another partition', [create('x1', 'u'), create('x2', 'other')], [424, 400]],
    ['an item that is too large', [create('x1', 'u'), create('x2', 'u', { ttl: 0 })], [424, 400]],
    [
      'a patch whose condition fails',
      [
        create('x1', 'u'),
        {
          operationType: 'Patch',
          id: 'there',
          resourceBody: { condition: 'from c where c.n = 99', operations: [{ op: 'set', path: '/n', value: 9 }] },
        },
      ],
      [424, 412],
    ],
  ])('%s undoes all of it', async (_, operations, expected) => {
    await container.items.upsert({ id: 'there', pk: 'u', n: 1 });
    const before = await container.item('there', 'u').read();
    const { code, result } = await container.items.batch(operations, 'u');
    expect([code, statuses(result)]).toEqual([207, expected]);
    expect(await idsOf('u')).toEqual(['there']);
    expect((await container.item('there', 'u').read()).resource).toEqual(before.resource);
    expect((await container.item('x2', 'other').read()).statusCode).toBe(404);
  });

  test('of two batches that both move the same head one wins, whole', async () => {
    const { etag } = await container.items.create({ id: 'head', pk: 'lane', n: 0 });
    const append = (writer: number) =>
      container.items.batch(
        [
          create(`e1-${writer}`, 'lane'),
          {
            operationType: 'Replace',
            id: 'head',
            resourceBody: { id: 'head', pk: 'lane', n: 1, writer },
            ifMatch: etag,
          },
        ],
        'lane',
      );
    const outcomes = await Promise.all(Array.from({ length: 20 }, (__, writer) => append(writer)));
    expect(outcomes.filter(({ code }) => code === 200)).toHaveLength(1);
    const winner = (await container.item('head', 'lane').read()).resource?.writer as number;
    expect(await idsOf('lane')).toEqual(['head', `e1-${winner}`]);
  });

  test('of 101 operations is 400, of none too, of more than 2 MB 413; 100 are fine', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => create(`m${index}`, 'many'));
    expect((await post(JSON.stringify(many(101)), 'many'))[0]).toBe(400);
    expect((await post('[]', 'many'))[0]).toBe(400);
    const large = Array.from({ length: 3 }, (_, index) => create(`l${index}`, 'many', { text: 'x'.repeat(800_000) }));
    expect((await post(JSON.stringify(large), 'many'))[0]).toBe(413);
    // The SDK hides the status behind an error of its own.
    expect((await refusal(container.items.batch(large, 'many'))).message).toContain('too large');
    expect(await idsOf('many')).toEqual([]);
    expect((await container.items.batch(many(100), 'many')).code).toBe(200);
    expect(await idsOf('many')).toHaveLength(100);
  });

  test('leaves the items out of the answer when they are not wanted', async () => {
    const { code, result } = await container.items.batch([create('quiet', 'min')], 'min', {
      contentResponseOnWriteEnabled: false,
    });
    expect([code, result?.[0]?.statusCode, result?.[0]?.resourceBody]).toEqual([200, 201, undefined]);
    expect(result?.[0]?.eTag).toBe((await container.item('quiet', 'min').read()).etag);
  });

  test('that is malformed is 400 and names the operation', async () => {
    expect(await post('{}')).toEqual([400, expect.stringContaining('array')]);
    expect(await post('[{"operationType":"Execute"}]')).toEqual([400, expect.stringContaining('Execute')]);
    expect(await post('[{"operationType":"Read"}]')).toEqual([400, expect.stringContaining('operation 0')]);
    expect(await post('\u0081\u0001binary')).toEqual([400, expect.stringContaining('HybridRow')]);
    expect(await post('[null]')).toEqual([400, expect.stringContaining('operation 0')]);
  });
});

describe('bulk', () => {
  test('operations of many partitions each succeed or fail for themselves', async () => {
    await container.items.create({ id: 'b-there', pk: 'bulk-1' });
    const operations: OperationInput[] = [
      ...Array.from({ length: 30 }, (_, index) => ({
        ...create(`b${index}`, `bulk-${index % 7}`),
        partitionKey: `bulk-${index % 7}`,
      })),
      { ...create('b-there', 'bulk-1'), partitionKey: 'bulk-1' },
      { operationType: 'Delete', id: 'nobody', partitionKey: 'bulk-2' },
      { operationType: 'Read', id: 'b-there', partitionKey: 'bulk-1' },
      {
        operationType: 'Patch',
        id: 'b-there',
        partitionKey: 'bulk-1',
        resourceBody: { operations: [{ op: 'add', path: '/n', value: 3 }] },
      },
      {
        operationType: 'Replace',
        id: 'b-there',
        partitionKey: 'bulk-1',
        resourceBody: { id: 'b-there', pk: 'bulk-1', n: 4 },
      },
      { operationType: 'Upsert', partitionKey: 5, resourceBody: { id: 'number', pk: 5 } },
      { operationType: 'Upsert', partitionKey: null, resourceBody: { id: 'null', pk: null } },
    ];
    const results = await container.items.executeBulkOperations(operations);
    const codes = results.map(({ response, error }) => response?.statusCode ?? error?.code);
    expect(codes).toEqual([...Array<number>(30).fill(201), 409, 404, 200, 200, 200, 201, 201]);
    expect((await container.item('b-there', 'bulk-1').read()).resource?.n).toBe(4);
    expect((await container.item('null', null as never).read()).statusCode).toBe(200);
  });

  test('the range that the SDK routes to is the range where the item is found', async () => {
    const operations = Array.from({ length: 60 }, (_, index) => ({
      operationType: BulkOperationType.Create,
      partitionKey: `device-${index}`,
      resourceBody: { id: 'routed', pk: `device-${index}`, routed: true },
    }));
    // The stand-in refuses an operation that was sent to another range than the hash of its key.
    const results = await container.items.executeBulkOperations(operations);
    expect(results.filter(({ response }) => response?.statusCode !== 201)).toEqual([]);
    const perRange = await Promise.all(
      ['0', '1', '2'].map(async (range) => {
        const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
          method: 'POST',
          headers: {
            authorization: 'type=aad&ver=1.0&sig=t',
            'content-type': 'application/query+json',
            'x-ms-documentdb-isquery': 'true',
            'x-ms-documentdb-partitionkeyrangeid': range,
            'x-ms-max-item-count': '-1',
          },
          body: JSON.stringify({ query: 'SELECT VALUE c.pk FROM c WHERE c.routed' }),
        });
        return ((await answer.json()) as { Documents: string[] }).Documents;
      }),
    );
    expect(perRange.flat().toSorted()).toEqual(operations.map(({ resourceBody }) => resourceBody.pk).toSorted());
    for (const keys of perRange) expect(keys.length).toBeGreaterThan(5);
  });

  test('a range that is gone is 410 with sub-status 1002', async () => {
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
      headers: { authorization: 'type=aad&ver=1.0&sig=t', 'x-ms-documentdb-partitionkeyrangeid': '77' },
    });
    expect([answer.status, answer.headers.get('x-ms-substatus')]).toEqual([410, '1002']);
  });
});
