/** Defects of the Cosmos DB stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

const FOLDER = 'local/cosmos';

export const cosmosMutations: readonly Mutation[] = [
  {
    id: 'any key is accepted',
    file: `${FOLDER}/protocol/authorization.ts`,
    replace: ['  if (!signed)\n', '  if (!signed && links.length === 0)\n'],
    caughtBy: ['definitions.test.ts', 'opens for its key only'],
  },
  {
    id: 'a taken id is overwritten by a create',
    file: `${FOLDER}/items/items-table.ts`,
    replace: ['`INSERT INTO ${this.name} (', '`INSERT OR REPLACE INTO ${this.name} ('],
    caughtBy: ['points.test.ts', 'has an id that is unique in its partition only'],
  },
  {
    id: 'a stale etag is good enough',
    file: `${FOLDER}/items/item-operations.ts`,
    replace: ["ifMatch !== '*' && ifMatch !== etag", "ifMatch !== '*' && ifMatch === ''"],
    caughtBy: ['points.test.ts', 'a stale one is 412'],
  },
  {
    id: 'the etag is the time of the write',
    file: `${FOLDER}/containers/container.ts`,
    replace: ['const lsn = item.lsn.toString(16)', "const lsn = Number(Object(item)['ts']).toString(16)"],
    caughtBy: ['points.test.ts', 'change with every write'],
  },
  {
    id: 'keys of different types are one partition',
    file: `${FOLDER}/items/partition-key.ts`,
    replace: [
      "component === undefined ? '{}' : JSON.stringify(component)",
      'component === undefined ? \'{}\' : `"${component}"`',
    ],
    caughtBy: ['points.test.ts', 'of different types are different partitions'],
  },
  {
    id: 'the partition of the document does not have to be the one that the request names',
    file: `${FOLDER}/items/item-operations.ts`,
    replace: ['  if (pk !== keyText(key))\n', "  if (pk === '')\n"],
    caughtBy: ['points.test.ts', 'must lie in the partition that the request names'],
  },
  {
    id: 'a missing container looks like a missing item',
    file: `${FOLDER}/cosmos-error.ts`,
    replace: ['  ownerNotFound: 1003,', '  ownerNotFound: 0,'],
    caughtBy: ['points.test.ts', 'a container that is not there is 404 with sub-status 1003'],
  },
  {
    id: 'an item may have any size',
    file: `${FOLDER}/items/item-document.ts`,
    replace: ['const ITEM_BYTES_MAX = 2 * 1024 * 1024;', 'const ITEM_BYTES_MAX = 20 * 1024 * 1024;'],
    caughtBy: ['points.test.ts', 'must be 2 MB at most'],
  },
  {
    id: 'a batch that fails keeps what came before',
    file: `${FOLDER}/items/batch.ts`,
    replace: ['    return context.transaction(() => {', '    return ((work: () => BatchAnswer) => work())(() => {'],
    caughtBy: ['batch.test.ts', 'is undone whole by the first operation that fails'],
  },
  {
    id: 'a batch does not look at etags',
    file: `${FOLDER}/items/batch.ts`,
    replace: ["      ifMatch: text('ifMatch'),", '      ifMatch: undefined,'],
    caughtBy: ['batch.test.ts', 'holds to the etags'],
  },
  {
    id: 'the partition hash keeps its highest bits',
    file: `${FOLDER}/items/partition-hash.ts`,
    replace: ['(bytes[0] ?? 0) & 0x3f', '(bytes[0] ?? 0) & 0x1f'],
    caughtBy: ['keys.test.ts', 'an item lies in the range'],
  },
  {
    id: 'a prefix of a hierarchical key is a prefix of its text',
    file: `${FOLDER}/items/partition-key.ts`,
    replace: [
      'return { from: `${text},`, to: `${text}-` };',
      'return { from: text.slice(0, -1), to: `${text.slice(0, -1)}~` };',
    ],
    caughtBy: ['keys.test.ts', 'a query under '],
  },
  {
    id: 'unique keys hold over all partitions',
    file: `${FOLDER}/items/items-table.ts`,
    replace: ['(pk, u${index});`', '(u${index});`'],
    caughtBy: ['keys.test.ts', 'hold within a partition'],
  },
  {
    id: 'the condition of a patch is not asked',
    file: `${FOLDER}/items/item-operations.ts`,
    replace: ['    patch.condition !== undefined &&', '    patch.condition === undefined &&'],
    caughtBy: ['patch.test.ts', 'a condition decides'],
  },
  {
    id: 'move leaves the old value where it was',
    file: `${FOLDER}/items/patch.ts`,
    replace: ['.set(source.remove());', '.set(source.require());'],
    caughtBy: ['patch.test.ts', 'add, set, replace, remove, incr and move'],
  },
  {
    id: "an item's own time to live counts without a default",
    file: `${FOLDER}/items/item-operations.ts`,
    replace: [
      'container.defaultTtl === undefined ? -1 : (ttl ?? container.defaultTtl)',
      'ttl ?? container.defaultTtl ?? -1',
    ],
    caughtBy: ['time-to-live.test.ts', 'without a default none goes'],
  },
  {
    id: 'for ever is as long as the container says',
    file: `${FOLDER}/items/item-operations.ts`,
    replace: ['(ttl ?? container.defaultTtl)', '(ttl === -1 ? container.defaultTtl : (ttl ?? container.defaultTtl))'],
    caughtBy: ['time-to-live.test.ts', "the container's default, an item's own, and -1"],
  },
  {
    id: 'the change feed skips one behind a continuation',
    file: `${FOLDER}/protocol/change-feed.ts`,
    replace: ["conditions.push('lsn > ?');", "conditions.push('lsn > ? + 1');"],
    caughtBy: ['change-feed.test.ts', 'goes on behind a continuation'],
  },
  {
    id: 'the change feed begins at the beginning when it should begin now',
    file: `${FOLDER}/protocol/change-feed.ts`,
    replace: [
      "if (ifNoneMatch === '*') return unchanged(container.lsn);",
      "if (ifNoneMatch === '*') return unchanged(0);",
    ],
    caughtBy: ['change-feed.test.ts', 'from now on gives what is written later'],
  },
  {
    id: 'an upsert keeps its place in the change feed',
    file: `${FOLDER}/items/item-operations.ts`,
    replace: ['existing.rid, container.nextLsn()', 'existing.rid, existing.lsn'],
    caughtBy: ['change-feed.test.ts', 'gives the latest version of each item once'],
  },
  {
    id: 'a query looks into every partition',
    file: `${FOLDER}/protocol/query-operations.ts`,
    replace: ["    conditions.push('pk = ?');", "    conditions.push('pk >= ? OR true');"],
    caughtBy: ['queries.test.ts', 'never sees another partition'],
  },
  {
    id: 'what is not there is unequal to everything',
    file: `${FOLDER}/sql/compile.ts`,
    replace: [
      'return a === undefined || b === undefined ? undefined : equalValues',
      "return a === undefined || b === undefined ? operator === '!=' : equalValues",
    ],
    caughtBy: ['queries.test.ts', 'c.missing != 1'],
  },
  {
    id: 'numbers and strings have an order among themselves',
    file: `${FOLDER}/sql/compile.ts`,
    replace: ['isScalar(a) && isScalar(b) && sameType(a, b)', 'isScalar(a) && isScalar(b)'],
    caughtBy: ['queries.test.ts', 'c.n > 1'],
  },
  {
    id: 'an underscore of LIKE is an underscore',
    file: `${FOLDER}/sql/like.ts`,
    replace: ["'_'", "'§'"],
    caughtBy: ['queries.test.ts', "c.name LIKE '_lph_'"],
  },
  {
    id: 'COUNT counts what is not there',
    file: `${FOLDER}/sql/aggregates.ts`,
    replace: ['count((value) => value !== undefined)', 'count(() => true)'],
    caughtBy: ['queries.test.ts', 'SELECT VALUE COUNT(c.deep)'],
  },
  {
    id: 'each partition leaves out what OFFSET says',
    file: `${FOLDER}/sql/query-plan.ts`,
    replace: ['offset + limit', 'limit'],
    caughtBy: ['order.test.ts', 'TOP and OFFSET LIMIT take of the whole'],
  },
  {
    id: 'an average is the average of averages',
    file: `${FOLDER}/sql/query-plan.ts`,
    replace: ['{"sum": SUM(${argument}), "count": COUNT(${argument})}', '{"sum": AVG(${argument}), "count": 1}'],
    caughtBy: ['order.test.ts', 'aggregates, GROUP BY and DISTINCT are of the whole'],
  },
  {
    id: 'several paths are ordered without a composite index',
    file: `${FOLDER}/sql/order-by-index.ts`,
    replace: ['  if (!matches)\n', '  if (!matches && paths.length > 9)\n'],
    caughtBy: ['order.test.ts', 'several paths need a composite index'],
  },
  {
    id: 'a page goes on one row too late',
    file: `${FOLDER}/sql/run-query.ts`,
    replace: ["const operator = plan.descending ? '<=' : '>=';", "const operator = plan.descending ? '<' : '>';"],
    caughtBy: ['paging.test.ts', 'rows of a JOIN page within an item'],
  },
  {
    id: 'pages count rows from the start',
    file: `${FOLDER}/sql/run-query.ts`,
    replace: ['if (!continued || compare(row, start) > 0)', 'if (!continued || compare(row, start) >= 0)'],
    caughtBy: ['paging.test.ts', 'SELECT * FROM c ORDER BY c.n'],
  },
  {
    id: 'a replace costs what a create costs',
    file: `${FOLDER}/items/request-charge.ts`,
    replace: ['const REPLACE_FACTOR = 2;', 'const REPLACE_FACTOR = 1;'],
    caughtBy: ['request-charge.test.ts', 'a write costs by its size'],
  },
  {
    id: 'a replaced definition may move the items',
    file: `${FOLDER}/containers/account.ts`,
    replace: ["['id', 'partitionKey', 'uniqueKeyPolicy']", "['id', 'uniqueKeyPolicy']"],
    caughtBy: ['definitions.test.ts', 'take another index and time to live'],
  },
];
