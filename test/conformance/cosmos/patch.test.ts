import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Container, PatchOperation, PatchRequestBody } from '@azure/cosmos';
import { Account, refused } from './account.ts';

let account: Account;
let container: Container;
beforeAll(async () => {
  account = await Account.open();
  container = await account.container();
});
afterAll(() => account[Symbol.asyncDispose]());

let count = 0;
const patched = async (document: object, body: PatchRequestBody) => {
  const id = `i${++count}`;
  await container.items.create({ ...document, id, pk: 'p' });
  const item = container.item(id, 'p');
  return { item, work: item.patch(body) };
};

test('add, set, replace, remove, incr and move apply in order', async () => {
  const operations: PatchOperation[] = [
    { op: 'add', path: '/tags/1', value: 'between' },
    { op: 'add', path: '/tags/-', value: 'last' },
    { op: 'set', path: '/made', value: { here: true } },
    { op: 'replace', path: '/name', value: 'new' },
    { op: 'remove', path: '/gone' },
    { op: 'incr', path: '/n', value: 2.5 },
    { op: 'incr', path: '/counter', value: 1 },
    // The SDK's types do not know it.
    { op: 'move', from: '/old', path: '/moved' } as unknown as PatchOperation,
  ];
  const before = { tags: ['a', 'b'], name: 'old', gone: 1, n: 1, old: { x: 1 } };
  const { work } = await patched(before, operations);
  const { resource } = await work;
  expect(resource).toMatchObject({
    tags: ['a', 'between', 'b', 'last'],
    made: { here: true },
    name: 'new',
    n: 3.5,
    counter: 1,
    moved: { x: 1 },
  });
  expect('gone' in resource || 'old' in resource).toBe(false);
});

test('a condition decides: when it does not hold, 412, and nothing changes', async () => {
  const operations: PatchOperation[] = [{ op: 'incr', path: '/n', value: 1 }];
  const held = await patched({ n: 1, kind: 'a' }, { condition: "FROM c WHERE c.kind = 'a' AND c.n < 2", operations });
  expect((await held.work).resource?.n).toBe(2);
  const failed = await patched({ n: 1 }, { condition: "FROM c WHERE c.kind = 'a'", operations });
  expect(await refused(failed.work)).toEqual([412, 0]);
  expect((await failed.item.read()).resource?.n).toBe(1);
});

test('one operation that cannot be applied is 400, and none is', async () => {
  for (const broken of [
    { op: 'replace', path: '/none', value: 1 },
    { op: 'remove', path: '/none' },
    { op: 'incr', path: '/text', value: 1 },
    { op: 'set', path: '/none/below', value: 1 },
    { op: 'add', path: '/list/9', value: 1 },
  ] as PatchOperation[]) {
    const { item, work } = await patched({ text: 'x', list: [] }, [{ op: 'set', path: '/a', value: 1 }, broken]);
    expect((await refused(work))[0]).toBe(400);
    expect((await item.read()).resource?.a).toBeUndefined();
  }
});

test('ten operations are the most there is', async () => {
  const operations = (length: number): PatchOperation[] =>
    Array.from({ length }, (_, n) => ({ op: 'set', path: `/f${n}`, value: n }));
  expect((await (await patched({}, operations(10))).work).statusCode).toBe(200);
  expect((await refused((await patched({}, operations(11))).work))[0]).toBe(400);
});

test('neither id nor partition key can be patched', async () => {
  for (const path of ['/id', '/pk'])
    expect((await refused((await patched({}, [{ op: 'set', path, value: 'other' }])).work))[0]).toBe(400);
});

test('increments at once all count', async () => {
  await container.items.create({ id: 'sum', pk: 'p', n: 0 });
  const item = container.item('sum', 'p');
  await Promise.all(Array.from({ length: 40 }, () => item.patch([{ op: 'incr', path: '/n', value: 1 }])));
  expect((await item.read()).resource?.n).toBe(40);
});
