import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CONDITION_DEPTH_MAX, CONDITION_LEAVES_MAX } from '../../shared/rules/condition.ts';
import { RULE_DURATION_MAX_MS, ruleDefinition } from '../../shared/rules/rule-definition.ts';

const leaf = { param: 't', op: 'gt', value: 8 };
const good = { name: 'Too warm', when: { kind: 'condition', if: leaf } };
const withIf = (condition: unknown) => ({ ...good, when: { kind: 'condition', if: condition } });

/** The complaints about an input, as `path: message`. */
function complaints(input: unknown): string[] {
  const result = ruleDefinition.safeParse(input);
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('the least that makes a rule, with its defaults', () => {
  expect(ruleDefinition.parse(good)).toEqual({
    name: 'Too warm',
    severity: 'warning',
    scope: { devices: [], groups: [], exclude: [] },
    when: { kind: 'condition', if: leaf },
    for: 0,
    times: 1,
    keepFiring: 0,
    message: '{{device.name}}: {{param}} {{value}} {{op}} {{threshold}}',
    enabled: true,
  });
});

test('all that can be said; durations become milliseconds, and the output is good as input', () => {
  const full = {
    ...good,
    category: 'cold-chain',
    severity: 'critical',
    scope: { devices: ['d:1'], groups: ['freezers'], exclude: ['d:2'] },
    when: {
      kind: 'condition',
      if: {
        all: [
          leaf,
          { any: [{ param: 'door', op: 'eq', value: 'closed' }, { not: { param: 'power', op: 'eq', value: true } }] },
        ],
      },
    },
    clear: { param: 't', op: 'lt', value: 6 },
    for: '5m',
    times: 3,
    keepFiring: 'PT2M',
    maxAge: '1h30m',
    message: '{{ device.id }} {{rule.name}} {{severity}}: {{param}} {{value}} {{op}} {{threshold}}',
    enabled: false,
  };
  const parsed = ruleDefinition.parse(full);
  expect(parsed).toEqual({ ...full, for: 300_000, keepFiring: 120_000, maxAge: 5_400_000 });
  expect(ruleDefinition.parse(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
});

test.each([
  ['no object', null, ': must be a rule {name, when, …}'],
  ['an unknown member', { ...good, colour: 'red' }, ': must be a rule {name, when, …}; unknown: "colour"'],
  [
    'a kind that will never be',
    { ...good, when: { kind: 'magic' } },
    'when.kind: must be one of condition, window, timer, nodata, rate, anomaly',
  ],
  [
    'no condition',
    { name: 'n', when: { kind: 'condition' } },
    'when.if: must be {param, op, value}, or one of {all: […]}, {any: […]}, {not: …}',
  ],
  ['a bad profile in the scope', { ...good, scope: { profiles: [''] } }, 'scope.profiles.0: must not be empty'],
  ['a bad device in the scope', { ...good, scope: { devices: ['a b'] } }, 'scope.devices.0: must be a device id'],
  ['a line break in the name', { ...good, name: 'a\r\nBcc: x' }, 'name: must not hold control characters'],
  [
    'an unknown place',
    { ...good, message: 'x {{process.env}}' },
    'message: unknown place {{process.env}}; known: device.id, device.name, rule.name, severity, param, value, op, threshold',
  ],
  ['an unknown severity', { ...good, severity: 'bad' }, 'severity: must be one of info, warning, critical, emergency'],
  ['times of nought', { ...good, times: 0 }, 'times: must be at least 1'],
  [
    'a negative hold',
    { ...good, for: -1 },
    `for: must be a duration such as 10m, 1h30m or PT10M, from 0 to ${RULE_DURATION_MAX_MS} ms`,
  ],
  [
    'a hold of months',
    { ...good, for: 'P1M' },
    `for: must be a duration such as 10m, 1h30m or PT10M, from 0 to ${RULE_DURATION_MAX_MS} ms`,
  ],
])('%s is refused, and the refusal names it', (_, input, complaint) => {
  expect(complaints(input)).toContain(complaint);
});

describe('conditions', () => {
  test.each([
    [
      'an unknown operator',
      { param: 't', op: '>', value: 8 },
      'when.if.op: must be one of gt, gte, lt, lte, eq, neq, between, outside, in, changed, exists',
    ],
    ['a text for a number', { param: 't', op: 'gt', value: '8' }, 'when.if.value: must be a finite number'],
    [
      'a reference to an attribute with a default of another type',
      { param: 't', op: 'gt', value: { attr: 'max', default: 'x' } },
      'when.if.value: must be a finite number',
    ],
    [
      'a range upside down',
      { param: 't', op: 'between', value: [2, 1] },
      'when.if.value: must be [low, high] with low at most high',
    ],
    ['an empty in', { param: 't', op: 'in', value: [] }, 'when.if.value: must hold at least one value'],
    ['an in of two types', { param: 't', op: 'in', value: [1, '1'] }, 'when.if.value: must hold values of one type'],
    [
      'a value with exists',
      { param: 't', op: 'exists', value: true },
      'when.if: must be {param, op}; changed and exists take no value; unknown: "value"',
    ],
    [
      'a reserved parameter',
      { param: 'constructor', op: 'gt', value: 8 },
      'when.if.param: must be a parameter name: [A-Za-z_][A-Za-z0-9_.-]{0,63}',
    ],
    ['something beside a group', { all: [leaf], any: [leaf] }, 'when.if: must hold nothing beside all'],
    ['an empty group', { any: [] }, 'when.if.any: must be an array of at least one condition'],
    [
      'a fault inside',
      { all: [leaf, { not: { any: [leaf, 5] } }] },
      'when.if.all.1.not.any.1: must be {param, op, value}, or one of {all: […]}, {any: […]}, {not: …}',
    ],
  ])('%s is refused at its place', (_, condition, complaint) => {
    expect(complaints(withIf(condition))).toEqual([complaint]);
    expect(complaints({ ...good, clear: condition })[0]).toBe(complaint.replace('when.if', 'clear'));
  });

  test('depth and leaves are limited, and a hostile depth is refused without running out of stack', () => {
    const nested = (depth: number): unknown => (depth === 0 ? leaf : { not: nested(depth - 1) });
    expect(complaints(withIf(nested(CONDITION_DEPTH_MAX)))).toEqual([]);
    expect(complaints(withIf(nested(CONDITION_DEPTH_MAX + 1)))[0]).toMatch(/must nest at most 8 deep$/);
    const hostile = JSON.parse(`${'{"not":'.repeat(200_000)}1${'}'.repeat(200_000)}`) as unknown;
    expect(complaints(withIf(hostile))[0]).toMatch(/must nest at most 8 deep$/);

    const wide = (leaves: number) => ({
      any: Array.from({ length: leaves }, (_, value) => ({ param: 't', op: 'eq', value })),
    });
    expect(complaints(withIf(wide(CONDITION_LEAVES_MAX)))).toEqual([]);
    expect(complaints(withIf(wide(CONDITION_LEAVES_MAX + 1)))).toEqual(['when.if: must have at most 64 leaves']);
    expect(complaints(withIf({ all: Array.from({ length: 100_000 }, () => 1) })).length).toBeLessThan(20);
  });
});

describe('the other kinds', () => {
  const of = (when: object, more: object = {}) => complaints({ name: 'n', when, ...more });
  const window = { kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40 };
  const timer = { kind: 'timer', cron: '0 15 10 * * *', tz: 'Europe/London' };
  const rate = { kind: 'rate', param: 't', over: '5m', op: 'lt', value: -2 };

  test.each([
    ['a window', window],
    ['a tumbling window', { ...window, mode: 'tumbling', agg: 'stddev', clearValue: 38, minSamples: 5 }],
    ['a limit from an attribute', { ...window, value: { attr: 'max', default: 8 } }],
    ['a rate', rate],
    ['a silence', { kind: 'nodata', after: '15m' }],
    ['anomalies', { kind: 'anomaly', params: ['a', 'b'], minScore: 0.9, count: 3, within: '10m' }],
    ['a timer', timer],
    ['a conditional timer', { ...timer, dayMatch: 'or', if: leaf, maxAge: '1h' }],
    ['a timer whose condition is null', { ...timer, if: null }],
  ])('%s is a rule, and its output is good as input', (_, when) => {
    expect(of(when)).toEqual([]);
    const parsed = ruleDefinition.parse({ name: 'n', when });
    expect(ruleDefinition.parse(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
  });

  test.each([
    [
      'an aggregate that is none',
      { ...window, agg: 'median' },
      'when.agg: must be one of avg, min, max, sum, count, delta, stddev',
    ],
    [
      'a period of days',
      { ...window, period: '2d' },
      'when.period: must be a duration such as 10m, 1h30m or PT10M, from 1000 to 86400000 ms',
    ],
    [
      'a parameter that is none',
      { ...window, param: 'a b' },
      'when.param: must be a parameter name: [A-Za-z_][A-Za-z0-9_.-]{0,63}',
    ],
    ['Infinity', { ...window, value: Number.POSITIVE_INFINITY }, 'when.value: must be a finite number'],
    ['NaN', { ...rate, value: Number.NaN }, 'when.value: must be a finite number'],
    ['an operator for texts', { ...window, op: 'eq' }, 'when.op: must be one of gt, gte, lt, lte'],
    [
      'a clearValue beyond the limit',
      { ...window, clearValue: 45 },
      'when.clearValue: overlaps the condition that opens: both hold at avg of t = 45',
    ],
    ['a count below nothing', { ...window, agg: 'count', op: 'lt', value: 0 }, 'when.value: can never be true'],
    [
      'samples asked of a count',
      { ...window, agg: 'count', minSamples: 3 },
      'when.minSamples: must be left out with agg "count": a count of nothing is known, it is 0',
    ],
    [
      'a cron of five fields',
      { ...timer, cron: '15 10 * * *' },
      'when.cron: must have six fields: second minute hour day-of-month month day-of-week; this has 5',
    ],
    ['a cron that never fires', { ...timer, cron: '0 0 0 30 2 *' }, 'when.cron: never fires: there is no such day'],
    [
      'a zone that does not exist',
      { ...timer, tz: 'Europe/Atlantis' },
      'when.tz: must be a time zone that exists, such as Europe/London or UTC',
    ],
    ['no zone', { kind: 'timer', cron: timer.cron }, 'when.tz: must be the name of a time zone such as Europe/London'],
    [
      'a silence of a second',
      { kind: 'nodata', after: '1s' },
      'when.after: must be a duration such as 10m, 1h30m or PT10M, from 10000 to 2592000000 ms',
    ],
    ['a score above 1', { kind: 'anomaly', minScore: 2 }, 'when.minScore: must be at most 1'],
  ])('%s is refused', (_, when, complaint) => {
    expect(of(when)).toEqual([complaint]);
  });

  test.each([
    [
      'a hold of a silence',
      { kind: 'nodata', after: '15m' },
      { for: '5m' },
      'for: has no use with the kind "nodata": leave it out; when.after says how long',
    ],
    [
      'a clear of a timer',
      timer,
      { clear: leaf },
      'clear: has no use with the kind "timer": leave it out; when.cron says when, when.maxAge how old',
    ],
    [
      'a severity that does not rise',
      window,
      { raise: [{ severity: 'info', value: 50 }] },
      'raise.0.severity: must be worse than the severity before it',
    ],
    [
      'a condition where a limit belongs',
      window,
      { raise: [{ severity: 'critical', if: leaf }] },
      'raise.0: must be {severity, value} with the kind "window"',
    ],
    [
      'an escalation out of order',
      window,
      { notify: { escalate: [{ after: '30m' }, { after: '10m' }] } },
      'notify.escalate: must have steps in the order of "after", each later than the one before',
    ],
    [
      'an action that is none',
      window,
      { notify: { actions: ['a b'] } },
      'notify.actions.0: must be the id of an action',
    ],
    [
      'braces that are no place',
      window,
      { message: 'x {{param' },
      'message: has {{ or }} outside of a place; known: device.id, device.name, rule.name, severity, param, value, op, threshold',
    ],
    [
      'code in a message',
      window,
      { message: '{{constructor.constructor("x")()}}' },
      'message: unknown place {{constructor.constructor("x")()}}; known: device.id, device.name, rule.name, severity, param, value, op, threshold',
    ],
  ])('%s is refused', (_, when, more, complaint) => {
    expect(of(when, more)).toEqual([complaint]);
  });
});

describe('what makes no sense', () => {
  test.each([
    ['never true', withIf({ all: [leaf, { param: 't', op: 'lt', value: 8 }] }), 'when.if: can never be true'],
    [
      'never true over two parameters',
      withIf({ all: [leaf, { param: 'x', op: 'eq', value: 1 }, { not: { param: 'x', op: 'eq', value: 1 } }] }),
      'when.if: can never be true',
    ],
    [
      'a number and a text',
      withIf({ all: [leaf, { param: 't', op: 'eq', value: 'warm' }] }),
      'when.if: compares t with values of different types; one type per parameter',
    ],
    [
      'clear that overlaps',
      { ...good, clear: { param: 't', op: 'lt', value: 9 } },
      'clear: overlaps the condition that opens: both hold at t = 8.5',
    ],
    [
      'clear that touches',
      { ...withIf({ param: 't', op: 'gte', value: 8 }), clear: { param: 't', op: 'lte', value: 8 } },
      'clear: overlaps the condition that opens: both hold at t = 8',
    ],
    [
      'clear that overlaps beyond the limits',
      { ...withIf({ param: 't', op: 'neq', value: 8 }), clear: { param: 't', op: 'gt', value: 9 } },
      'clear: overlaps the condition that opens: both hold at t = 18',
    ],
    [
      'clear of texts that overlaps',
      { ...withIf({ param: 's', op: 'in', value: ['a', 'b'] }), clear: { param: 's', op: 'neq', value: 'a' } },
      'clear: overlaps the condition that opens: both hold at s = "b"',
    ],
    [
      'clear that is never true',
      {
        ...good,
        clear: {
          all: [
            { param: 'x', op: 'gt', value: 1 },
            { param: 'x', op: 'lt', value: 0 },
          ],
        },
      },
      'clear: can never be true',
    ],
    [
      'clear that overlaps through a second parameter',
      {
        ...withIf({ all: [leaf, { param: 'door', op: 'eq', value: true }] }),
        clear: { param: 't', op: 'gt', value: 5 },
      },
      'clear: overlaps the condition that opens: both hold at t = 16, door = true',
    ],
    [
      'clear that hangs on one of two that open',
      {
        ...withIf({ any: [leaf, { param: 'h', op: 'gt', value: 80 }] }),
        clear: { param: 't', op: 'lt', value: 6 },
      },
      'clear: overlaps the condition that opens: both hold at t = 0, h = 160',
    ],
    [
      'clear and open at one attribute',
      { ...withIf({ ...leaf, value: { attr: 'm' } }), clear: { ...leaf, value: { attr: 'm' } } },
      'clear: overlaps the condition that opens: both hold at t = 1',
    ],
    [
      'clear and open that overlap at their defaults',
      {
        ...withIf({ ...leaf, value: { attr: 'm', default: 8 } }),
        clear: { ...leaf, value: { attr: 'n', default: 5 } },
      },
      'clear: overlaps the condition that opens: both hold at t = 16',
    ],
    [
      'never true of one attribute',
      withIf({
        all: [
          { ...leaf, value: { attr: 'm' } },
          { param: 't', op: 'lt', value: { attr: 'm' } },
        ],
      }),
      'when.if: can never be true',
    ],
    [
      'there and not there',
      withIf({ all: [{ param: 't', op: 'exists' }, { not: { param: 't', op: 'exists' } }] }),
      'when.if: can never be true',
    ],
    [
      'changed and not changed',
      withIf({ all: [{ param: 't', op: 'changed' }, { not: { param: 't', op: 'changed' } }] }),
      'when.if: can never be true',
    ],
    [
      'always true',
      withIf({ any: [leaf, { param: 't', op: 'lte', value: 8 }] }),
      'when.if: is always true: an alert would never resolve',
    ],
    [
      'a count that is always reached',
      { name: 'n', when: { kind: 'window', param: 't', agg: 'count', period: '10m', op: 'gte', value: 0 } },
      'when.value: is always true: an alert would never resolve',
    ],
    [
      'a range of defaults upside down',
      withIf({ param: 't', op: 'between', value: [{ attr: 'a', default: 9 }, 2] }),
      'when.if.value: must be [low, high] with low at most high',
    ],
    [
      'a severity that is never reached',
      { ...good, raise: [{ severity: 'critical', if: { param: 't', op: 'lt', value: 5 } }] },
      'raise.0.if: can never hold while the condition that opens does',
    ],
    [
      'a severity that hides the one before',
      { ...good, raise: [{ severity: 'critical', if: { param: 't', op: 'gt', value: 7 } }] },
      'raise.0.if: holds whenever the severity before it does, which nobody would ever see',
    ],
    [
      'a second severity that hides the first',
      {
        name: 'n',
        when: { kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40 },
        raise: [
          { severity: 'critical', value: 50 },
          { severity: 'emergency', value: 45 },
        ],
      },
      'raise.1.value: holds whenever the severity before it does, which nobody would ever see',
    ],
    [
      'a scope that excludes what it names',
      { ...good, scope: { devices: ['d'], exclude: ['d'] } },
      'scope.exclude: excludes every device that is named: the rule would be for none',
    ],
    [
      'a schedule that begins when the day is over',
      { ...good, schedule: { tz: 'UTC', from: '24:00', to: '00:00' } },
      'schedule.from: must be from 00:00 to 23:59',
    ],
    [
      'a day named twice',
      { ...good, schedule: { tz: 'UTC', days: ['MON', 'MON'] } },
      'schedule.days: must name each day once',
    ],
    ['an occasion named twice', { ...good, notify: { on: ['open', 'open'] } }, 'notify.on: must name each once'],
    [
      'a name that turns around',
      { ...good, name: 'a\u202Eb' },
      'name: must not hold characters that turn the direction of text',
    ],
    ['a name of two lines', { ...good, name: 'a\u2028b' }, 'name: must not hold control characters'],
  ])('%s', (_, input, complaint) => {
    expect(complaints(input)).toEqual([complaint]);
  });

  test('a refusal shows what was given at its place', () => {
    const refused = (input: unknown) =>
      ruleDefinition.safeParse(input, { reportInput: true }).error?.issues.map(({ input: given }) => given);
    expect(refused(withIf({ param: 't', op: 'gt', value: '8' }))).toEqual(['8']);
    expect(refused({ name: 'n', for: '5m', when: { kind: 'nodata', after: '15m' } })).toEqual([300_000]);
  });

  test.each([
    ['a band between', { ...good, clear: { param: 't', op: 'lt', value: 6 } }],
    ['no band', { ...good, clear: { param: 't', op: 'lte', value: 8 } }],
    ['another parameter clears', { ...good, clear: { param: 'door', op: 'eq', value: 'closed' } }],
    ['attributes that nothing is known of', { ...good, clear: { param: 't', op: 'lt', value: { attr: 'low' } } }],
    [
      'both clear, each in its band',
      {
        ...withIf({ any: [leaf, { param: 'h', op: 'gt', value: 80 }] }),
        clear: {
          all: [
            { param: 't', op: 'lt', value: 6 },
            { param: 'h', op: 'lt', value: 70 },
          ],
        },
      },
    ],
    [
      'severities that rise',
      {
        ...good,
        raise: [
          { severity: 'critical', if: { param: 't', op: 'gt', value: 20 } },
          { severity: 'emergency', if: { param: 'smoke', op: 'eq', value: true } },
        ],
      },
    ],
    [
      'the outside opens, the inside clears',
      { ...withIf({ param: 't', op: 'outside', value: [2, 8] }), clear: { param: 't', op: 'between', value: [3, 7] } },
    ],
    [
      'change and presence cannot be tried',
      withIf({ all: [{ param: 't', op: 'changed' }, { not: { param: 'x', op: 'exists' } }] }),
    ],
  ])('%s is fine', (_, input) => {
    expect(complaints(input)).toEqual([]);
  });
});

test('nothing crashes it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.jsonValue().map((value) => withIf(value)),
        fc.record({
          name: fc.string(),
          when: fc.jsonValue(),
          clear: fc.jsonValue(),
          for: fc.jsonValue(),
          scope: fc.jsonValue(),
          message: fc.string(),
        }),
      ),
      (input) => {
        for (const text of complaints(input)) expect(text.length).toBeLessThan(2000);
      },
    ),
    { numRuns: 500 },
  );
});
