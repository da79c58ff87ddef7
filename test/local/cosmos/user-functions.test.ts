import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Container, FeedOptions, JSONValue } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let container: Container;
beforeEach(async () => {
  cosmos = await startCosmosUnderTest({ partitions: 2 });
  container = await cosmos.container();
  for (const [id, n] of [
    ['a', 10],
    ['b', 20],
    ['c', 30],
  ] as const)
    await container.items.create({ id, pk: id, n });
});
afterEach(() => cosmos.close());

const define = (id: string, body: string) => container.scripts.userDefinedFunctions.create({ id, body });
const run = async (query: string, options: FeedOptions = {}) =>
  (await container.items.query<JSONValue>(query, { ...options }).fetchAll()).resources;

describe('a user-defined function', () => {
  test('is called in SELECT, WHERE and merged queries; what is not there stays so', async () => {
    await define('tax', 'function tax(income) { return income === undefined ? undefined : income * 2; };');
    expect(await run("SELECT VALUE udf.tax(c.n) FROM c WHERE c.id = 'a'")).toEqual([20]);
    expect(await run('SELECT VALUE c.id FROM c WHERE udf.tax(c.n) > 50')).toEqual(['c']);
    expect(await run('SELECT VALUE c.id FROM c WHERE udf.tax(c.n) >= 40 ORDER BY c.n DESC')).toEqual(['c', 'b']);
    expect(await run("SELECT c.id, udf.tax(c.none) AS t FROM c WHERE c.id = 'a'")).toEqual([{ id: 'a' }]);
    expect(await run("SELECT VALUE udf.tax(1, null, 'x', [2]) FROM c WHERE c.id = 'a'")).toEqual([2]);
  });

  test('is created once, read, listed, queried, replaced and deleted', async () => {
    const { userDefinedFunctions } = container.scripts;
    const { resource } = await define('f', 'function () { return 1; }');
    expect(resource).toMatchObject({ id: 'f', body: 'function () { return 1; }', _rid: expect.any(String) });
    expect((await refusal(define('f', '() => 2'))).code).toBe(409);
    expect(await run("SELECT VALUE udf.f() FROM c WHERE c.id = 'a'")).toEqual([1]);
    await container.scripts.userDefinedFunction('f').replace({ id: 'f', body: '() => 3' });
    expect(await run("SELECT VALUE udf.f() FROM c WHERE c.id = 'a'")).toEqual([3]);
    expect((await userDefinedFunctions.readAll().fetchAll()).resources).toHaveLength(1);
    expect((await userDefinedFunctions.query({ query: 'SELECT VALUE u.body FROM u' }).fetchAll()).resources).toEqual([
      '() => 3',
    ]);
    await container.scripts.userDefinedFunction('f').delete();
    expect((await refusal(container.scripts.userDefinedFunction('f').read())).code).toBe(404);
    expect((await refusal(run('SELECT VALUE udf.f() FROM c'))).message).toContain('udf.f');
  });

  test('goes with its container', async () => {
    await define('f', '() => 1');
    const { id } = container;
    await container.delete();
    container = await cosmos.container({ id });
    expect((await container.scripts.userDefinedFunctions.readAll().fetchAll()).resources).toEqual([]);
  });

  test.each([
    ['5', 'function'],
    ['function (', 'function'],
    ['', 'function'],
    ['while (true) {}', 'function'],
  ])('that is none is 400: %s', async (body, named) => {
    const refused = await refusal(define('f', body));
    expect([refused.code, refused.message]).toEqual([400, expect.stringContaining(named)]);
  });

  test.each([
    ["() => { throw new Error('no luck'); }", 'no luck'],
    ['() => { for (;;) {} }', 'timed out'],
    ['() => process.exit(1)', 'process is not defined'],
    ["() => require('fs')", 'require is not defined'],
    ["() => (() => {}).constructor('return process')()", 'Code generation'],
    ['() => { throw { toString() { throw 1; } }; }', 'udf.f'],
    ['() => 1n', 'BigInt'],
  ])('that fails fails the query with 400, and nothing else: %s', async (body, named) => {
    await define('f', body);
    const refused = await refusal(run("SELECT VALUE udf.f() FROM c WHERE c.id = 'a'", { partitionKey: 'a' }));
    expect([refused.code, refused.message]).toEqual([400, expect.stringContaining(named)]);
    expect((await container.item('a', 'a').read()).statusCode).toBe(200);
  });
});
