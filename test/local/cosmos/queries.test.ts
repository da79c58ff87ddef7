import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container, JSONValue, SqlParameter } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let container: Container;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest({ now: () => Date.UTC(2026, 4, 5, 6, 7, 8, 90) });
  container = await cosmos.container({
    indexingPolicy: {
      includedPaths: [{ path: '/*' }, { path: '/n/?' }, { path: '/v/?' }],
      excludedPaths: [{ path: '/secret/*' }],
      compositeIndexes: [
        [
          { path: '/kind', order: 'ascending' },
          { path: '/n', order: 'descending' },
        ],
      ],
    },
  });
  const documents = [
    { id: 'a', n: 1, kind: 'x', tags: ['red', 'blue'], o: { deep: { v: 1 } }, name: 'Alpha' },
    { id: 'b', n: 2, kind: 'y', tags: ['blue'], o: { deep: { v: 2 } }, name: 'beta' },
    {
      id: 'c',
      n: 3,
      kind: 'x',
      tags: [],
      name: 'ALPHABET',
      parts: [
        { p: 'w', q: 2 },
        { p: 'z', q: 3 },
      ],
    },
    { id: 'd', n: null, kind: 'y', parts: [{ p: 'w', q: 5 }] },
    { id: 'e', kind: 'x', name: '100%_[sure]' },
    { id: 'f', n: '2', kind: 'y' },
    { id: 'g', n: true, kind: 'x' },
    { id: 'h', n: false, kind: 'y' },
    { id: 'i', n: [1], kind: 'x' },
    { id: 'j', n: { a: 1 }, kind: 'y' },
    { id: 'k', n: -1.5, kind: 'x' },
    { id: 'l', n: 1e300, kind: 'y' },
  ];
  for (const document of documents) await container.items.create({ ...document, pk: 'p' });
  await container.items.create({ id: 'other', pk: 'q', n: 100, kind: 'x' });
});
afterAll(() => cosmos.close());

const run = async (query: string, parameters: SqlParameter[] = []): Promise<unknown[]> =>
  (await container.items.query<JSONValue>({ query, parameters }, { partitionKey: 'p' }).fetchAll()).resources;
const ids = async (where: string, parameters: SqlParameter[] = []) =>
  (await run(`SELECT VALUE c.id FROM c WHERE ${where}`, parameters)).join('');

describe('WHERE', () => {
  test.each<[string, string]>([
    ['c.n = 2', 'b'],
    ['c.n != 2', 'acdfghijkl'],
    ['NOT (c.n = 2)', 'acdfghijkl'],
    ['c.n <> null', 'abcfghijkl'],
    ['c.n = null', 'd'],
    ['c.n > 1', 'bcl'],
    ['c.n >= 1', 'abcl'],
    ['c.n < 2', 'ak'],
    ['2 > c.n', 'ak'],
    ['c.n <= -1.5', 'k'],
    ["c.n >= ''", 'f'],
    ['c.n >= false', 'gh'],
    ['c.n > false', 'g'],
    ['c.n <= null', 'd'],
    ['c.n = [1]', 'i'],
    ['c.n = {"a": 1}', 'j'],
    ['c.n < [2]', ''],
    ['c.n', 'g'],
    ['NOT c.n', 'h'],
    ['c.n = undefined', ''],
    ['c.n IN (1, "2", null, true)', 'adfg'],
    ['c.n NOT IN (1, "2", null, true)', 'bchijkl'],
    ['c.n BETWEEN 1 AND 2', 'ab'],
    ['c.n NOT BETWEEN 1 AND 2', 'ckl'],
    ['IS_DEFINED(c.n)', 'abcdfghijkl'],
    ['NOT IS_DEFINED(c.n)', 'e'],
    ['IS_NULL(c.n) OR IS_BOOL(c.n)', 'dgh'],
    ['IS_NUMBER(c.n) AND NOT IS_INTEGER(c.n)', 'k'],
    ['IS_STRING(c.n) OR IS_ARRAY(c.n) OR IS_OBJECT(c.n)', 'fij'],
    ['IS_PRIMITIVE(c.n)', 'abcdfghkl'],
    ["c.kind = 'x' AND (c.n > 2 OR c.name = 'Alpha')", 'ac'],
    ['c.n > 0 AND c.missing = 1', ''],
    ['c.n > 0 OR c.missing = 1', 'abcl'],
    ['NOT (c.n > 0 OR c.missing = 1)', ''],
    ['(c.n ?? 7) = 7', 'e'],
    ['(c.n > 1 ? "big" : "small") = "big"', 'bcl'],
    ['c.n + 1 = 2', 'a'],
    ['c.n * 2 - 1 = 3 OR c.n % 2 = 1', 'abc'],
    ['-c.n > 0', 'k'],
    ['c.n / 0 = 1', ''],
    ['(c.n & 2) = 2 AND c.n > 0', 'bc'],
    ['"a" || c.id = "ab"', 'b'],
    ["ARRAY_CONTAINS(c.tags, 'blue')", 'ab'],
    ["ARRAY_CONTAINS(c.parts, {'p': 'w'}, true)", 'cd'],
    ["ARRAY_CONTAINS(c.parts, {'p': 'w'})", ''],
    ["'blue' IN (c.tags[0], c.tags[1])", 'ab'],
    ["STARTSWITH(c.name, 'ALPHA')", 'c'],
    ["STARTSWITH(c.name, 'alpha', true)", 'ac'],
    ["ENDSWITH(c.name, 'ta')", 'b'],
    ["CONTAINS(LOWER(c.name), 'alpha')", 'ac'],
    ["CONTAINS(c.name, 'ET', true)", 'bc'],
    ["c.name LIKE 'Alp%'", 'a'],
    ["c.name LIKE '_eta'", 'b'],
    ["c.name LIKE '%[A-C]E%'", 'c'],
    ["c.name LIKE '100!%!_%' ESCAPE '!'", 'e'],
    ["c.name NOT LIKE '%a%'", 'ce'],
    ["REGEXMATCH(c.name, '^al', 'i')", 'ac'],
    ['c.o.deep.v = 2', 'b'],
    ['c["o"]["deep"].v = 1', 'a'],
    ["EXISTS (SELECT VALUE t FROM t IN c.tags WHERE t = 'red')", 'a'],
    ['EXISTS (SELECT VALUE p FROM p IN c.parts WHERE p.q > 2)', 'cd'],
    ['(SELECT VALUE COUNT(1) FROM t IN c.tags) = 2', 'a'],
    ['ARRAY_LENGTH(ARRAY(SELECT VALUE p.q FROM p IN c.parts)) = 2', 'c'],
    ['c.id = "a" OR c.id = "b" -- a comment', 'ab'],
    ["c.id IN ('l', 'a', 'zz')", 'al'],
    ["c.id = 'x'", ''],
    ['ToString(c.n) = "2"', 'bf'],
    ['length(c.name) = 5', 'a'],
    ['c.pk = "p" AND c.n = 1', 'a'],
    ['c.pk = "q"', ''],
    ['true', 'abcdefghijkl'],
    ['false', ''],
    ['1', ''],
  ])('%s', async (where, expected) => {
    expect(await ids(where)).toBe(expected);
  });

  test('parameters of every type', async () => {
    expect(await ids('c.n = @v', [{ name: '@v', value: 2 }])).toBe('b');
    expect(await ids('c.n = @v', [{ name: '@v', value: null }])).toBe('d');
    expect(await ids('c.n = @v', [{ name: '@v', value: [1] }])).toBe('i');
    expect(await ids('c.n = @v', [{ name: '@v', value: { a: 1 } }])).toBe('j');
    expect(await ids('ARRAY_CONTAINS(@list, c.id)', [{ name: '@list', value: ['b', 'k', 5] }])).toBe('bk');
    expect(
      await ids('c.n > @from AND c.n <= @to', [
        { name: '@from', value: 1 },
        { name: '@to', value: 3 },
      ]),
    ).toBe('bc');
    expect(await ids("c.name = @v OR c.id = 'a'", [{ name: '@v', value: "it's; DROP TABLE" }])).toBe('a');
  });
});

describe('SELECT', () => {
  test.each<[string, unknown[]]>([
    ['SELECT * FROM c WHERE c.id = "nobody"', []],
    ['SELECT c.id, c.o.deep.v, c["kind"] FROM c WHERE c.id = "a"', [{ id: 'a', v: 1, kind: 'x' }]],
    ['SELECT c.id AS key, c.missing, c.n + 1, UPPER(c.kind) FROM c WHERE c.id = "a"', [{ key: 'a', $1: 2, $2: 'X' }]],
    ['SELECT VALUE {"k": c.id, t: [c.n, c.missing, c.tags[0]]} FROM c WHERE c.id = "a"', [{ k: 'a', t: [1, 'red'] }]],
    ['SELECT VALUE c.missing FROM c', []],
    ['SELECT c.missing FROM c WHERE c.id = "a"', [{}]],
    ['SELECT VALUE 1 + 1', [2]],
    ['SELECT 1 AS one, "x" AS x', [{ one: 1, x: 'x' }]],
    ['SELECT VALUE root.id FROM root WHERE root.n = 2', ['b']],
    ['SELECT VALUE f.id FROM Families AS f WHERE f.n = 2', ['b']],
    ['SELECT VALUE t FROM c JOIN t IN c.tags', ['red', 'blue', 'blue']],
    [
      'SELECT c.id, p.q FROM c JOIN p IN c.parts WHERE p.p = "w"',
      [
        { id: 'c', q: 2 },
        { id: 'd', q: 5 },
      ],
    ],
    [
      'SELECT VALUE [c.id, t, u] FROM c JOIN t IN c.tags JOIN u IN c.tags WHERE c.id = "a" AND t != u',
      [
        ['a', 'red', 'blue'],
        ['a', 'blue', 'red'],
      ],
    ],
    ['SELECT VALUE t FROM t IN c.tags', ['red', 'blue', 'blue']],
    ['SELECT VALUE d FROM c.o.deep d', [{ v: 1 }, { v: 2 }]],
    [
      'SELECT c.id, s.total FROM c JOIN (SELECT SUM(p.q) AS total FROM p IN c.parts) AS s WHERE s.total > 0',
      [
        { id: 'c', total: 5 },
        { id: 'd', total: 5 },
      ],
    ],
    ['SELECT DISTINCT VALUE c.kind FROM c', ['x', 'y']],
    ['SELECT DISTINCT c.kind FROM c', [{ kind: 'x' }, { kind: 'y' }]],
    ['SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags', ['blue', 'red']],
    ['SELECT TOP 2 VALUE c.id FROM c', ['a', 'b']],
    ['SELECT VALUE c.id FROM c OFFSET 3 LIMIT 2', ['d', 'e']],
    ['SELECT VALUE COUNT(1) FROM c', [12]],
    ['SELECT VALUE COUNT(c.n) FROM c', [11]],
    [
      'SELECT COUNT(1) AS n, MIN(c.n) AS low, MAX(c.n) AS high, SUM(c.n) AS total, AVG(c.n) AS mean FROM c WHERE c.n < 10',
      [{ n: 4, low: -1.5, high: 3, total: 4.5, mean: 1.125 }],
    ],
    ['SELECT VALUE SUM(c.n) FROM c', []],
    ['SELECT VALUE AVG(c.n) FROM c WHERE false', []],
    ['SELECT VALUE COUNT(1) FROM c WHERE false', [0]],
    ['SELECT VALUE MAX(c.name) FROM c', ['beta']],
    ['SELECT VALUE MIN(c.n) FROM c WHERE IS_PRIMITIVE(c.n)', [null]],
    ['SELECT VALUE MAX(c.n) FROM c WHERE IS_PRIMITIVE(c.n)', ['2']],
    [
      'SELECT c.kind, COUNT(1) AS n, MAX(c.id) AS last FROM c GROUP BY c.kind',
      [
        { kind: 'x', n: 6, last: 'k' },
        { kind: 'y', n: 6, last: 'l' },
      ],
    ],
    ['SELECT VALUE COUNT(1) FROM c GROUP BY c.kind', [6, 6]],
    [
      'SELECT VALUE {"k": c.kind, "n": COUNT(1) * 10} FROM c GROUP BY c.kind',
      [
        { k: 'x', n: 60 },
        { k: 'y', n: 60 },
      ],
    ],
    ['SELECT c.missing, COUNT(1) AS n FROM c GROUP BY c.missing', [{ n: 12 }]],
    [
      'SELECT LOWER(c.kind) AS k, COUNT(1) AS n FROM c GROUP BY LOWER(c.kind)',
      [
        { k: 'x', n: 6 },
        { k: 'y', n: 6 },
      ],
    ],
    ['SELECT VALUE ROUND(-2.5)', [-3]],
    [
      'SELECT VALUE [ABS(-1), FLOOR(1.7), CEILING(1.2), POWER(2, 10), SQRT(9), TRUNC(-1.7), SIGN(-3)]',
      [[1, 1, 2, 1024, 3, -1, -1]],
    ],
    [
      'SELECT VALUE [CONCAT("a","b"), SUBSTRING("abcdef", 1, 3), LEFT("abc", 2), RIGHT("abc", 2), REPLACE("aXbX", "X", "-"), INDEX_OF("abc", "c"), TRIM(" a "), REVERSE("ab"), REPLICATE("ab", 2)]',
      [['ab', 'bcd', 'ab', 'bc', 'a-b-', 2, 'a', 'ba', 'abab']],
    ],
    [
      'SELECT VALUE [ARRAY_LENGTH([1,2]), ARRAY_SLICE([1,2,3], 1), ARRAY_SLICE([1,2,3], -2, 1), ARRAY_CONCAT([1],[2]), SETUNION([1,2],[2,3]), SETINTERSECT([1,2],[2,3])]',
      [[2, [2, 3], [2], [1, 2], [1, 2, 3], [2]]],
    ],
    [
      'SELECT VALUE [GetCurrentTimestamp(), GetCurrentDateTime(), DateTimeAdd("mm", 1, "2026-01-31T00:00:00.0000000Z"), DateTimeDiff("hour", "2026-01-01T00:59:00Z", "2026-01-01T02:01:00Z"), DateTimePart("dd", "2026-02-03"), TimestampToDateTime(0)]',
      [
        [
          1777961228090,
          '2026-05-05T06:07:08.0900000Z',
          '2026-02-28T00:00:00.0000000Z',
          2,
          3,
          '1970-01-01T00:00:00.0000000Z',
        ],
      ],
    ],
    ['SELECT VALUE ["\\u00e9\\n\\"", \'it\\\'s\']', [['é\n"', "it's"]]],
  ])('%s', async (query, expected) => {
    expect(await run(query)).toEqual(expected);
  });

  test('SELECT * and SELECT VALUE c answer whole items with system properties', async () => {
    const [item] = (await run('SELECT * FROM c WHERE c.id = "a"')) as Record<string, unknown>[];
    expect(Object.keys(item ?? {})).toEqual([
      'id',
      'n',
      'kind',
      'tags',
      'o',
      'name',
      'pk',
      '_rid',
      '_self',
      '_etag',
      '_attachments',
      '_ts',
    ]);
    expect(await run('SELECT VALUE c FROM c WHERE c.id = "a"')).toEqual([item]);
    expect(
      await run('SELECT VALUE c._ts FROM c WHERE c._etag = @etag', [{ name: '@etag', value: String(item?.['_etag']) }]),
    ).toEqual([item?.['_ts']]);
  });
});

describe('ORDER BY', () => {
  test('orders all types: undefined, null, false, true, numbers, strings, arrays, objects', async () => {
    expect((await run('SELECT VALUE c.id FROM c ORDER BY c.n')).join('')).toBe('edhgkabclfij');
    expect((await run('SELECT VALUE c.id FROM c ORDER BY c.n DESC')).join('')).toBe('jiflcbakghde');
  });

  test('with a filter, TOP, and OFFSET LIMIT', async () => {
    expect(await run("SELECT VALUE c.id FROM c WHERE c.kind = 'x' AND IS_NUMBER(c.n) ORDER BY c.n DESC")).toEqual([
      'c',
      'a',
      'k',
    ]);
    expect(await run('SELECT TOP 2 VALUE c.id FROM c WHERE c.n > 0 ORDER BY c.n')).toEqual(['a', 'b']);
    expect(await run('SELECT VALUE c.id FROM c WHERE c.n > 0 ORDER BY c.n OFFSET 1 LIMIT 2')).toEqual(['b', 'c']);
    expect(await run('SELECT VALUE c.id FROM c ORDER BY c.id DESC OFFSET 0 LIMIT 1')).toEqual(['l']);
    expect(await run('SELECT VALUE c.id FROM c ORDER BY c._ts OFFSET 0 LIMIT 1')).toEqual(['a']);
  });

  test('of several paths follows a composite index, either way round, and nothing else', async () => {
    const up = await run('SELECT VALUE c.id FROM c WHERE IS_NUMBER(c.n) ORDER BY c.kind, c.n DESC');
    expect(up).toEqual(['c', 'a', 'k', 'l', 'b']);
    expect(await run('SELECT VALUE c.id FROM c WHERE IS_NUMBER(c.n) ORDER BY c.kind DESC, c.n')).toEqual(
      up.toReversed(),
    );
    for (const order of ['c.kind, c.n', 'c.n, c.kind', 'c.kind DESC, c.n DESC', 'c.kind, c.n DESC, c.id']) {
      const refused = await refusal(run(`SELECT * FROM c ORDER BY ${order}`));
      expect([refused.code, refused.message]).toEqual([400, expect.stringContaining('composite index')]);
    }
  });

  test('of a path that is not indexed is 400 and names it, as in production', async () => {
    const refused = await refusal(run('SELECT * FROM c ORDER BY c.secret.level'));
    expect([refused.code, refused.message]).toEqual([400, expect.stringContaining('/secret/level')]);
    // A filter on it only costs a scan.
    expect(await ids('c.secret.level = 1')).toBe('');
    const lean = await cosmos.container({
      indexingPolicy: { includedPaths: [{ path: '/n/?' }], excludedPaths: [{ path: '/*' }] },
    });
    await lean.items.create({ id: '1', pk: 'p', n: 1, m: 1 });
    const ordered = (path: string) =>
      lean.items.query(`SELECT VALUE c.id FROM c ORDER BY c.${path}`, { partitionKey: 'p' }).fetchAll();
    for (const path of ['n', 'id', '_ts']) expect((await ordered(path)).resources).toEqual(['1']);
    for (const path of ['m', 'pk', 'n.x']) expect((await refusal(ordered(path))).code).toBe(400);
  });

  test('of something that is no path is 400', async () => {
    for (const order of ['LOWER(c.kind)', 'c.n + 1', '1', 'c'])
      expect((await refusal(run(`SELECT * FROM c ORDER BY ${order}`))).code).toBe(400);
  });
});

describe('what cannot be served is 400 and names the construct', () => {
  test.each<[string, string]>([
    ['SELECT', 'the end of the query'],
    ['SELEKT * FROM c', "'SELEKT'"],
    ['SELECT * FROM c WHERE', 'the end of the query'],
    ['SELECT * FROM c WHERE c.n = = 1', "'='"],
    ['SELECT * FROM c WHERE c.n = 1 GARBAGE', "'GARBAGE'"],
    ['SELECT * FROM c WHERE c.name = "open', 'not closed'],
    ['SELECT * FROM c WHERE c.n # 1', "'#'"],
    ['SELECT * FROM c WHERE d.n = 1', "'d'"],
    ['SELECT * FROM c WHERE NOSUCHFUNCTION(c.n)', 'NOSUCHFUNCTION'],
    ['SELECT * FROM c WHERE ST_DISTANCE(c.a, c.b) < 5', 'ST_DISTANCE'],
    ['SELECT * FROM c WHERE udf.mine(c.n)', 'udf.mine'],
    ['SELECT VectorDistance(c.a, c.b) FROM c', 'VECTORDISTANCE'],
    ['SELECT * FROM c ORDER BY RANK FullTextScore(c.a, "b")', 'RANK'],
    ['SELECT * FROM c WHERE LOWER(c.a, c.b, c.d) = "x"', 'LOWER'],
    ['SELECT * FROM c WHERE c.n = @missing', '@missing'],
    ['SELECT * FROM c WHERE COUNT(1) > 1', 'COUNT'],
    ['SELECT c.id, COUNT(1) FROM c', "'c'"],
    ['SELECT c.id FROM c GROUP BY c.kind', 'GROUP BY'],
    ['SELECT c.kind, COUNT(1) AS n FROM c GROUP BY c.kind HAVING COUNT(1) > 1', 'HAVING'],
    ['SELECT c.kind FROM c GROUP BY c.kind ORDER BY c.kind', 'ORDER BY'],
    ['SELECT COUNT(1) AS n, (SELECT VALUE c.id) AS id FROM c', 'subquery'],
    ['SELECT * FROM c JOIN t IN c.tags', 'SELECT *'],
    ['SELECT * FROM c OFFSET 1', 'LIMIT'],
    ['SELECT TOP -1 * FROM c', "'-'"],
    ['SELECT TOP 1.5 * FROM c', 'TOP'],
    ['SELECT TOP "x" * FROM c', "'x'"],
    ['SELECT VALUE (SELECT TOP 1 VALUE t FROM t IN c.tags) FROM c', 'subquery'],
    ["SELECT * FROM c WHERE c.name LIKE 'a' ESCAPE 'bb'", 'ESCAPE'],
    ["SELECT * FROM c WHERE REGEXMATCH(c.name, '(')", 'REGEXMATCH'],
    [`SELECT * FROM c WHERE ${'('.repeat(3000)}1${')'.repeat(3000)}`, 'nested'],
  ])('%s', async (query, named) => {
    const refused = await refusal(run(query));
    expect(refused.code).toBe(400);
    expect(refused.message).toContain(named);
  });

  test('a body that is no query', async () => {
    const post = async (body: string) => {
      const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
        method: 'POST',
        headers: {
          authorization: 'type=aad&ver=1.0&sig=t',
          'content-type': 'application/query+json',
          'x-ms-documentdb-partitionkey': '["p"]',
        },
        body,
      });
      return [answer.status, await answer.text()];
    };
    expect(await post('')).toEqual([400, expect.stringContaining('JSON')]);
    expect(await post('{"query":5}')).toEqual([400, expect.stringContaining('query')]);
    expect(await post('{"query":"SELECT * FROM c","parameters":{}}')).toEqual([
      400,
      expect.stringContaining('parameters'),
    ]);
    expect(await post('{"query":"SELECT * FROM c","parameters":[{"name":"x"}]}')).toEqual([
      400,
      expect.stringContaining('parameter'),
    ]);
    expect(
      await post(JSON.stringify({ query: `SELECT * FROM c WHERE ${Array(30_000).fill('c.n = 1').join(' OR ')}` })),
    ).toEqual([400, expect.stringContaining('complex')]);
  });
});
