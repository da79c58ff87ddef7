import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Connection, type Protocol } from '../../../local/web-pubsub/connection.ts';
import { readConnectionFilter } from '../../../local/web-pubsub/connection-filter.ts';

function connection(
  userId?: string,
  groups: string[] = [],
  protocol: Protocol = 'json.webpubsub.azure.v1',
): Connection {
  const made = new Connection('hub', protocol, { userId, roles: [], groups });
  for (const group of groups) made.groups.add(group);
  return made;
}

const user1 = connection('user1', ['group1', 'group2']);
const abDe = connection('user-ab-de', ['group1']);
const quoted = connection("o'neil");
const nobody = connection(undefined, [], 'raw');

/** A filter, who matches, who does not. */
const rows: [string, Connection[], Connection[]][] = [
  ["userId eq 'user1'", [user1], [abDe, nobody]],
  ["USERID EQ 'user1'", [user1], [abDe]],
  ["userId eq 'USER1'", [], [user1]],
  ["userId ne 'user1'", [abDe, nobody], [user1]],
  ['userId eq null', [nobody], [user1]],
  ['null ne userId', [user1], [nobody]],
  ["userId eq 'o''neil'", [quoted], [user1]],
  [`connectionId eq '${user1.id}'`, [user1], [abDe]],
  ["'group1' in groups", [user1, abDe], [quoted]],
  ["'group1' in (groups)", [user1, abDe], [quoted]],
  ["'group2' in groups or userId in ('a', 'o''neil', null)", [user1, quoted, nobody], [abDe]],
  ["userId eq 'user1' and (not ('group1' in groups))", [], [user1, quoted]],
  ["userId in ('user1', 'user2', 'user3') and 'group1' in groups", [user1], [abDe]],
  ['length(userId) le 10 and length(userId) gt 5', [abDe, quoted], [user1, nobody]],
  ['length(userId) gt 9 or length(userId) le 5', [abDe, user1], [quoted, nobody]],
  ["not endswith(userId, 'de')", [user1, nobody], [abDe]],
  ["not startswith(userId, 'user') and true", [quoted], [user1]],
  ["tolower('ABC') eq 'abc' and toupper(userId) eq 'USER1'", [user1], [abDe]],
  ["trim(concat(' ', userId)) eq 'user1'", [user1], [abDe]],
  ["substring(userId, 5, 2) eq 'ab'", [abDe], [user1]],
  ["substring(userId, 5) eq 'ab-de'", [abDe], [user1]],
  ["indexof(userId, '-ab-') ge 0", [abDe], [user1, nobody]],
  ["contains(userId, 'b-d')", [abDe], [user1]],
  ['length(groups) gt 1', [user1], [abDe]],
  ["userId ge 'user1'", [user1], [abDe]],
  ['length(groups) eq +2', [user1], [abDe]],
  ["(userId) eq ('user1')", [user1], [abDe]],
  // and binds tighter than or
  ["userId eq 'user1' or userId eq 'user-ab-de' and false", [user1], [abDe]],
  ["protocol eq 'json.webpubsub.azure.v1'", [user1], [nobody]],
  ['protocol eq null', [nobody], [user1]],
  ['true', [user1, nobody], []],
  ['startswith(userId, null)', [], [user1]],
];

describe('filters', () => {
  test.each(rows)('%s', (filter, matching, others) => {
    const matches = readConnectionFilter(filter);
    expect(matching.map((one) => matches(one))).toEqual(matching.map(() => true));
    expect(others.map((one) => matches(one))).toEqual(others.map(() => false));
  });

  test.each([
    ['', 'it ends where a value is expected'],
    ['userId', "'userId' is of type string, expect boolean"],
    ["userId = 'a'", "unexpected '=' at character 8"],
    ["userId eq 'a", "unexpected ''' at character 11"],
    ['userId eq', 'it ends where a value is expected'],
    ["userId eq 'a' 'b'", "unexpected ''b'' at character 15"],
    ['not length(userId) gt 5', "'not length(userId)' negates a value of type integer, expect boolean"],
    ["user in ('a')", "unknown identifier 'user' at character 1"],
    ['userId eq 5', "'userId eq 5' compares string with integer"],
    ["userId in ('a', 5)", 'compares string with integer'],
    ["'a' in userId in groups", 'unexpected'],
    ['groups eq null', 'compares collection with null'],
    ['5 in groups', 'only a string can be in groups'],
    ['true gt false', 'booleans have no order'],
    ["sleep('1')", "unknown function 'sleep'"],
    ["constructor('1')", "unknown function 'constructor'"],
    ["length(userId, 'a')", 'length takes 1 parameter'],
    ['length(5)', 'length takes a string or groups, not integer'],
    ["startswith('a')", 'has 1 parameters, startswith takes 2'],
    ["substring(userId, 'a')", "''a'' in 'substring(userId, 'a')' is of type string, expect integer"],
    ["(userId eq 'a'", "it ends where ')' is expected"],
    ['true and userId', "'userId' is of type string, expect boolean"],
    ['eq eq eq', "unknown identifier 'eq'"],
    [`${'('.repeat(100)}true${')'.repeat(100)}`, 'nested deeper than 64'],
    [`${'not '.repeat(100)}true`, 'nested deeper than 64'],
    ['true or '.repeat(1100) + 'true', 'more than 8192 characters'],
  ])('%j is refused, with what is wrong', (filter, reason) => {
    expect(() => readConnectionFilter(filter)).toThrow(reason);
  });

  test('any text is either a filter or a 400, and never anything else', () => {
    const word = fc.constantFrom(
      'userId',
      'groups',
      'eq',
      'and',
      'in',
      'not',
      '(',
      ')',
      ',',
      "'a'",
      '5',
      'null',
      'length',
      'true',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
        ),
        (filter) => {
          expect(['true', 'false', 'refused']).toContain(outcome(filter));
        },
      ),
      { numRuns: 3000 },
    );
  });
});

/** What a filter says of a connection; only a 400 for the filter counts as refused. */
function outcome(filter: string): string {
  try {
    return String(readConnectionFilter(filter)(user1));
  } catch (error) {
    const { status, target } = error as { status?: number; target?: string };
    return status === 400 && target === 'filter' ? 'refused' : String(error);
  }
}
