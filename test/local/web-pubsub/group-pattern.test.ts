import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileGroupPattern } from '../../../local/web-pubsub/group-pattern.ts';

/** Pattern, what it matches, what it does not; the first five rows are the examples of the documentation. */
const rows: [string, string[], string[]][] = [
  ['chat-*', ['chat-1', 'chat-room', 'chat-'], ['chat.1', 'xchat-1', 'chat-1.2']],
  ['clientA.*', ['clientA.alpha', 'clientA.'], ['clientA.alpha.room1', 'clientB.alpha', 'clientA']],
  ['clientA.**', ['clientA.alpha', 'clientA.alpha.room1'], ['clientB.anything', 'clientA']],
  [
    'clientA.rooms.?1',
    ['clientA.rooms.a1', 'clientA.rooms.11'],
    ['clientA.rooms.1', 'clientA.rooms..1', 'clientA.rooms.a.1'],
  ],
  ['literal\\*star', ['literal*star'], ['literalXstar', 'literal\\*star']],
  ['**', ['anything', 'a.b.c'], []],
  ['*.b.**.d', ['a.b.c.d', '.b..d', 'a.b.c.c.d'], ['a.b.d', 'a.a.b.c.d']],
  ['a\\\\b\\?', ['a\\b?'], ['a\\bx']],
  ['***', ['a.b'], []],
  ['(a|b)[c]+$', ['(a|b)[c]+$'], ['ac', 'bcc']],
];

describe('patterns of group roles', () => {
  test.each(rows)('%s', (pattern, matching, others) => {
    const matches = compileGroupPattern(pattern);
    for (const group of matching) expect([group, matches?.(group)]).toEqual([group, true]);
    for (const group of others) expect([group, matches?.(group)]).toEqual([group, false]);
  });

  test.each(['a*b*c*d*e*f*', '***.***', 'a\\b', 'a\\', '', '   '])('%j is not a pattern', (pattern) => {
    expect(compileGroupPattern(pattern)).toBeUndefined();
  });

  test('agrees with a regular expression for every pattern and name', () => {
    const step = fc.constantFrom('a', 'b', '.', '?', '*', '**');
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 7 }), fc.stringMatching(/^[ab.]{0,8}$/), (steps, group) => {
        const matches = compileGroupPattern(steps.join(''));
        fc.pre(matches !== undefined);
        const source = steps
          .join('')
          .replaceAll(/\*\*|[.?*]/g, (part) => ({ '**': '.*', '*': '[^.]*', '?': '[^.]', '.': '\\.' })[part] ?? part);
        expect(matches?.(group)).toBe(new RegExp(`^${source}$`).test(group));
      }),
      { numRuns: 2000 },
    );
  });

  test('a name that would make a regular expression run for ages is answered at once', () => {
    const matches = compileGroupPattern('**a*a*a*b');
    const before = performance.now();
    expect(matches?.('a'.repeat(1024))).toBe(false);
    expect(performance.now() - before).toBeLessThan(200);
  });
});
