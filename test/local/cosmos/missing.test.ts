import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest();
});
afterAll(() => cosmos.close());

describe('a container that is not there', () => {
  test('is 404 with sub-status 1003 for whoever wants something of it, as in the service', async () => {
    const none = cosmos.database.container('none');
    const { items } = none;
    const wanted = [
      items.create({ id: 'a', pk: 'p' }),
      items.upsert({ id: 'a', pk: 'p' }),
      none.item('a', 'p').replace({ id: 'a', pk: 'p' }),
      none.item('a', 'p').delete(),
      none.item('a', 'p').patch([{ op: 'add', path: '/x', value: 1 }]),
      items.query('SELECT * FROM c', { partitionKey: 'p' }).fetchAll(),
      items.readAll().fetchAll(),
      none.read(),
      none.delete(),
      none.readPartitionKeyRanges().fetchAll(),
      none.scripts.userDefinedFunctions.create({ id: 'f', body: 'function f() {}' }),
    ];
    for (const refused of await Promise.all(wanted.map(refusal)))
      expect([refused.code, refused.substatus]).toEqual([404, 1003]);
    const read = await none.item('a', 'p').read();
    expect([read.statusCode, read.substatus, read.headers['x-ms-substatus']]).toEqual([404, 1003, '1003']);
  });

  test('differs by it from an item that is not there', async () => {
    const container = await cosmos.container();
    const item = await refusal(container.item('a', 'p').delete());
    expect([item.code, Number(item.substatus ?? 0)]).toEqual([404, 0]);
  });
});

test('a container of a missing database is 404 with 1003, the database itself without', async () => {
  const none = cosmos.client.database('none');
  const owned = await refusal(none.containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } }));
  expect([owned.code, owned.substatus]).toEqual([404, 1003]);
  const itself = await refusal(none.read());
  expect([itself.code, Number(itself.substatus ?? 0)]).toEqual([404, 0]);
});
