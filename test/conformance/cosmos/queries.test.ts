import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container, JSONValue, SqlQuerySpec } from '@azure/cosmos';
import { Account, refusal } from './account.ts';

let account: Account;
let container: Container;
beforeAll(async () => {
  account = await Account.open();
  container = await account.container();
  const items = [
    { id: 'a', n: 1, name: 'Alpha', kind: 'x', tags: ['red', 'green'], parts: [{ w: 1 }, { w: 5 }], deep: { v: true } },
    { id: 'b', n: 2, name: 'beta', kind: 'y', tags: ['green'], parts: [], deep: { v: null } },
    { id: 'c', n: 3.5, name: 'Gamma', kind: 'x', tags: [], parts: [{ w: 7 }] },
    { id: 'd', n: 'text', name: null, kind: 'y', tags: 'red' },
    { id: 'e', name: '50%_off', kind: 'z', n: -1 },
  ];
  for (const item of items) await container.items.create({ ...item, pk: 'p' });
  await container.items.create({ id: 'a', n: 1, pk: 'other' });
});
afterAll(() => account[Symbol.asyncDispose]());

const run = async (query: string | SqlQuerySpec) =>
  (await container.items.query<JSONValue>(query, { partitionKey: 'p' }).fetchAll()).resources;
/** The ids of the items that a condition lets pass. */
const where = async (condition: string) =>
  (await run(`SELECT VALUE c.id FROM c WHERE ${condition}`)).map(String).toSorted().join('');

describe('WHERE', () => {
  test.each([
    ['c.n = 1', 'a'],
    ['c.n != 1', 'bcde'],
    ['c.n > 1', 'bc'],
    ['c.n >= 1 AND c.n < 3', 'ab'],
    ['c.n = 1 OR c.n = -1', 'ae'],
    ['NOT (c.n = 1)', 'bcde'],
    ['c.n IN (1, 2, "text")', 'abd'],
    ['c.n NOT IN (1, 2)', 'cde'],
    ['c.n BETWEEN 1 AND 2', 'ab'],
    ["c.n BETWEEN 't' AND 'u'", 'd'],
    ["c.name LIKE '%a'", 'abc'],
    ["c.name LIKE '_lph_'", 'a'],
    ["c.name LIKE '50!%!_%' ESCAPE '!'", 'e'],
    ['c.deep.v', 'a'],
    ['c.deep.v = null', 'b'],
    ['c.name = null', 'd'],
    ['IS_DEFINED(c.deep)', 'ab'],
    ['NOT IS_DEFINED(c.deep)', 'cde'],
    ['IS_NULL(c.name)', 'd'],
    ['IS_NUMBER(c.n)', 'abce'],
    ['IS_STRING(c.n)', 'd'],
    ['IS_ARRAY(c.tags)', 'abc'],
    ["ARRAY_CONTAINS(c.tags, 'green')", 'ab'],
    ['ARRAY_CONTAINS(c.parts, {"w": 7})', 'c'],
    ['ARRAY_LENGTH(c.tags) = 0', 'c'],
    ["c.tags[0] = 'red'", 'a'],
    ["c['name'] = 'beta'", 'b'],
    ["STARTSWITH(c.name, 'al')", ''],
    ["STARTSWITH(c.name, 'al', true)", 'a'],
    ["CONTAINS(c.name, 'mm')", 'c'],
    ["ENDSWITH(c.name, 'ta')", 'b'],
    ["LOWER(c.name) = 'gamma'", 'c'],
    ['c.n + 1 = 2', 'a'],
    ['c.n * 2 > 6', 'c'],
    ['c.missing = 1', ''],
    ['c.missing != 1', ''],
    ['EXISTS (SELECT VALUE p FROM p IN c.parts WHERE p.w > 4)', 'ac'],
    ["EXISTS (SELECT VALUE t FROM t IN c.tags WHERE t = 'red')", 'a'],
  ])('%s', async (condition, ids) => {
    expect(await where(condition)).toBe(ids);
  });

  test('takes parameters of every type', async () => {
    for (const [value, ids] of [
      [1, 'a'],
      ['text', 'd'],
    ] as const)
      expect(
        await run({ query: 'SELECT VALUE c.id FROM c WHERE c.n = @n', parameters: [{ name: '@n', value }] }),
      ).toEqual([ids]);
    const list = {
      query: 'SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@l, c.n)',
      parameters: [{ name: '@l', value: [2, 3.5] }],
    };
    expect((await run(list)).map(String).toSorted()).toEqual(['b', 'c']);
  });

  test('never sees another partition', async () => {
    expect(await run("SELECT VALUE c.pk FROM c WHERE c.id = 'a'")).toEqual(['p']);
  });
});

describe('SELECT', () => {
  test.each<[string, JSONValue[]]>([
    ["SELECT c.id, c.n AS number FROM c WHERE c.id = 'a'", [{ id: 'a', number: 1 }]],
    ["SELECT c.missing, c.id FROM c WHERE c.id = 'a'", [{ id: 'a' }]],
    ["SELECT VALUE c.missing FROM c WHERE c.id = 'a'", []],
    ["SELECT VALUE {'i': c.id, 'list': [c.n, c.missing, 2]} FROM c WHERE c.id = 'a'", [{ i: 'a', list: [1, 2] }]],
    ["SELECT VALUE c.deep.v ?? 'none' FROM c WHERE c.id IN ('a', 'b', 'c')", [true, null, 'none']],
    ["SELECT VALUE c.n > 1 ? 'big' : 'small' FROM c WHERE c.id IN ('a', 'b')", ['small', 'big']],
    ["SELECT VALUE CONCAT(c.id, '-', c.kind) FROM c WHERE c.id = 'b'", ['b-y']],
    ["SELECT VALUE ARRAY(SELECT VALUE p.w FROM p IN c.parts) FROM c WHERE c.id = 'a'", [[1, 5]]],
    ["SELECT VALUE (SELECT VALUE COUNT(1) FROM p IN c.parts) FROM c WHERE c.id = 'a'", [2]],
    ['SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id', ['a', 'b']],
    ['SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 1 LIMIT 2', ['b', 'c']],
    ['SELECT VALUE ROUND(2.5) + FLOOR(1.9) + ABS(-1) FROM c WHERE c.id = "a"', [5]],
    ['SELECT VALUE SUBSTRING("abcdef", 1, 3) FROM c WHERE c.id = "a"', ['bcd']],
    ['SELECT VALUE 1', [1]],
  ])('%s', async (query, rows) => {
    expect(await run(query)).toEqual(rows);
  });

  test('* answers whole items, with their system properties', async () => {
    const [item] = await run("SELECT * FROM c WHERE c.id = 'b'");
    expect(item).toEqual((await container.item('b', 'p').read()).resource);
  });
});

describe('JOIN', () => {
  test.each<[string, JSONValue[]]>([
    [
      'SELECT c.id, t AS tag FROM c JOIN t IN c.tags WHERE t = "green"',
      [
        { id: 'a', tag: 'green' },
        { id: 'b', tag: 'green' },
      ],
    ],
    ['SELECT VALUE p.w FROM c JOIN p IN c.parts', [1, 5, 7]],
    [
      'SELECT VALUE [t, p.w] FROM c JOIN t IN c.tags JOIN p IN c.parts',
      [
        ['red', 1],
        ['red', 5],
        ['green', 1],
        ['green', 5],
      ],
    ],
    ['SELECT VALUE p.w FROM p IN c.parts', [1, 5, 7]],
  ])('%s', async (query, rows) => {
    expect(await run(query)).toEqual(rows);
  });
});

describe('aggregates', () => {
  test.each<[string, JSONValue[]]>([
    ['SELECT VALUE COUNT(1) FROM c', [5]],
    ['SELECT VALUE COUNT(c.deep) FROM c', [2]],
    ["SELECT VALUE SUM(c.n) FROM c WHERE c.kind = 'x'", [4.5]],
    ["SELECT VALUE AVG(c.n) FROM c WHERE c.kind = 'x'", [2.25]],
    ['SELECT VALUE MIN(c.n) FROM c WHERE IS_NUMBER(c.n)', [-1]],
    ['SELECT VALUE MAX(c.kind) FROM c', ['z']],
    ['SELECT VALUE COUNT(1) FROM c WHERE false', [0]],
    ['SELECT COUNT(1) AS n, MAX(c.n) AS high FROM c WHERE c.n IN (1, 2)', [{ n: 2, high: 2 }]],
  ])('%s', async (query, rows) => {
    expect(await run(query)).toEqual(rows);
  });

  test('GROUP BY answers one row for each value, nothing being a value too', async () => {
    const kinds = (await run('SELECT c.kind, COUNT(1) AS n FROM c GROUP BY c.kind')) as { kind: string; n: number }[];
    expect(kinds.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual([
      { kind: 'x', n: 2 },
      { kind: 'y', n: 2 },
      { kind: 'z', n: 1 },
    ]);
    const deep = (await run('SELECT COUNT(1) AS n, c.deep.v FROM c GROUP BY c.deep.v')) as { n: number; v?: unknown }[];
    expect(deep.toSorted((a, b) => b.n - a.n)[0]).toEqual({ n: 3 });
  });

  test('DISTINCT leaves out what is there already', async () => {
    expect((await run('SELECT DISTINCT VALUE c.kind FROM c')).map(String).toSorted()).toEqual(['x', 'y', 'z']);
    expect(await run('SELECT DISTINCT c.kind, IS_NUMBER(c.n) AS d FROM c WHERE c.kind != "z"')).toHaveLength(3);
  });
});

describe('what cannot be read is 400', () => {
  test.each([
    'SELECT',
    'SELECT * FROM c WHERE',
    'SELECT * FROM c WHERE c.n = = 1',
    'SELECT * FROM c WHERE NO_SUCH_FUNCTION(c.n)',
    'SELECT * FROM c WHERE d.n = 1',
    'SELECT * FROM c WHERE c.n = @missing',
    'SELECT c.id FROM c GROUP BY c.kind',
    'SELECT * FROM c OFFSET 1',
    'SELECT * FROM c JOIN t IN c.tags',
  ])('%s', async (query) => {
    expect((await refusal(run(query))).code).toBe(400);
  });
});

describe('user-defined functions', () => {
  test('are called by name, in any clause', async () => {
    const { userDefinedFunctions } = container.scripts;
    await userDefinedFunctions.create({ id: 'twice', body: 'function twice(n) { return n * 2; }' });
    expect(await run("SELECT VALUE udf.twice(c.n) FROM c WHERE c.id = 'b'")).toEqual([4]);
    expect(await where('udf.twice(c.n) = 2')).toBe('a');
    await container.scripts.userDefinedFunction('twice').delete();
    expect((await refusal(run('SELECT VALUE udf.twice(1) FROM c'))).code).toBe(400);
  });
});
