/** The kinds of rules besides When-Then, and what is common to all: severity that rises, edge, schedule, attributes. */
import { describe, expect, test } from '@jest/globals';
import { brief, DEVICE, rule, RuledDevice, ruleOf, START_MS } from '../support/rules.ts';

const warm = { param: 't', op: 'gt', value: 8 } as const;

describe('window, sliding', () => {
  const window = (more: Record<string, unknown> = {}) =>
    ruleOf({ kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40, ...more });

  test('it opens when the average of the period passes the limit, not when a single value does', () => {
    expect(new RuledDevice().run([window()], [30, 30, 30, 60, 60, 60])).toEqual(['4: opened at 4']);
    expect(new RuledDevice().run([window()], [30, 30, 45, 30])).toEqual([]);
  });

  test('it truly slides: what is older than the period no longer counts', () => {
    const device = new RuledDevice();
    expect(
      device.run(
        [window()],
        [
          [0, 90],
          [1, 0],
          [10, 41],
        ],
      ),
    ).toEqual(['0: opened at 0', '10: resolved at 10']);
    expect(device.run([window()], [[11, 42]])).toEqual(['11: opened at 11']);
  });

  test('with clearValue the band between the two changes nothing', () => {
    const kept = window({ clearValue: 38 });
    expect(new RuledDevice().run([kept], [50, 29, 37, 35, 20])).toEqual(['0: opened at 0', '3: resolved at 3']);
  });

  test('below minSamples it is unknown: it neither opens nor clears', () => {
    const five = window({ minSamples: 5 });
    const device = new RuledDevice();
    expect(device.run([five], [50, 50, 50, 50, 50])).toEqual(['4: opened at 4']);
    expect(device.run([five], [[20, 1]])).toEqual([]);
    expect(
      device.run(
        [five],
        [
          [21, 1],
          [22, 1],
          [23, 1],
          [24, 1],
        ],
      ),
    ).toEqual(['24: resolved at 24']);
  });

  test.each([
    ['min', 'lt', 5, [9, 8, 4], 2],
    ['max', 'gt', 5, [1, 2, 6], 2],
    ['sum', 'gt', 10, [4, 4, 4], 2],
    ['count', 'gte', 3, [1, 1, 1], 2],
    ['delta', 'gte', 5, [1, 3, 6], 2],
    ['stddev', 'gt', 2, [1, 1, 7], 2],
  ])('%s', (agg, op, value, values, minute) => {
    expect(new RuledDevice().run([window({ agg, op, value })], values)).toEqual([`${minute}: opened at ${minute}`]);
  });

  test('too few readings are noticed when they leave the window, and not before a whole period has been seen', () => {
    const few = window({ agg: 'count', op: 'lt', value: 3 });
    const device = new RuledDevice();
    expect(device.run([few], [1, 1, 1, 1])).toEqual([]);
    expect(device.wait([few], 60)).toEqual(['11: opened at 11']);
    expect(
      device.run(
        [few],
        [
          [20, 1],
          [21, 1],
          [22, 1],
        ],
      ),
    ).toEqual(['22: resolved at 22']);
  });

  test('a value of the wrong type is no sample, and a late one counts while the window reaches there', () => {
    const device = new RuledDevice();
    device.run(
      [window({ value: 40.5 })],
      [
        [0, 40],
        [5, 40],
      ],
    );
    device.send([window({ value: 40.5 })], 6, { t: 'n/a' });
    device.send([window({ value: 40.5 })], 4, { t: 80 });
    expect(device.run([window({ value: 40.5 })], [[7, 40]])).toEqual(['7: opened at 7']);
  });

  test('hold, times and the message work on the window as on a parameter', () => {
    const held = ruleOf(
      { kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40 },
      { for: '2m', message: '{{param}} {{value}} {{op}} {{threshold}}' },
    );
    const device = new RuledDevice();
    device.send([held], 0, { t: 50 });
    const [opened] = device.send([held], 2, { t: 43 });
    expect(opened).toMatchObject({
      openedAt: START_MS + 120_000,
      evidence: { parameter: 't', function: 'avg', op: 'gt', value: 46.5, threshold: 40 },
      readings: { t: 43 },
      message: 'avg of t 46.5 > 40',
    });
  });
});

describe('window, tumbling', () => {
  const window = (more: Record<string, unknown> = {}) =>
    ruleOf({ kind: 'window', param: 't', agg: 'avg', period: '10m', mode: 'tumbling', op: 'gt', value: 40, ...more });

  test('it says something when the window ends, with that moment, and nothing in between', () => {
    const device = new RuledDevice();
    expect(
      device.run(
        [window()],
        [
          [0, 90],
          [5, 90],
          [12, 0],
        ],
      ),
    ).toEqual(['12: opened at 10']);
    expect(
      device.run(
        [window()],
        [
          [15, 0],
          [21, 90],
        ],
      ),
    ).toEqual(['21: resolved at 20']);
  });

  test('it ends without an event as well, and an empty window says nothing', () => {
    const device = new RuledDevice();
    device.run([window()], [[0, 90]]);
    expect(device.due).toBe(10);
    expect(device.wait([window()], 100)).toEqual(['10: opened at 10']);
    expect(device.due).toBeUndefined();
  });

  test('a count of nothing is nought, and the first window, seen in part, is unknown', () => {
    const few = window({ agg: 'count', op: 'lt', value: 2 });
    const device = new RuledDevice();
    device.run(
      [few],
      [
        [5, 1],
        [11, 1],
        [12, 1],
      ],
    );
    expect(device.wait([few], 60)).toEqual(['30: opened at 30']);
  });
});

describe('rate of change', () => {
  const falling = ruleOf({ kind: 'rate', param: 't', per: '1m', over: '5m', op: 'lt', value: -2 });

  test('it opens when the change per unit passes the limit, once half of the stretch is covered', () => {
    expect(new RuledDevice().run([falling], [100, 97, 94, 91, 88])).toEqual(['3: opened at 3']);
    expect(new RuledDevice().run([falling], [100, 99, 98, 97, 96])).toEqual([]);
  });

  test('two readings a second apart are not taken for a trend', () => {
    expect(
      new RuledDevice().run(
        [falling],
        [
          [0, 100],
          [0.02, 50],
        ],
      ),
    ).toEqual([]);
  });
});

describe('no data', () => {
  const silent = ruleOf({ kind: 'nodata', after: '15m' });

  test('it is silent until the first data', () => {
    const device = new RuledDevice();
    device.tick([silent], 100);
    expect([device.due, device.tick([silent], 1000)]).toEqual([undefined, []]);
  });

  test('it opens when nothing has come for so long, and resolves with the next event', () => {
    const device = new RuledDevice();
    device.send([silent], 0, { x: 1 });
    expect(device.due).toBe(15);
    expect(device.tick([silent], 14.9)).toEqual([]);
    const [opened] = device.tick([silent], 16);
    expect(opened).toMatchObject({
      kind: 'opened',
      openedAt: START_MS + 900_000,
      message: 'Freezer 1: silent for 15m',
    });
    expect(opened).not.toHaveProperty('eventId');
    expect(device.due).toBeUndefined();
    expect(device.send([silent], 30, { x: 1 })).toMatchObject([
      { kind: 'resolved', message: 'Watched resolved on Freezer 1' },
    ]);
    expect(device.due).toBe(45);
  });

  test('a silence that no sweep noticed is told and ended by the event that ends it', () => {
    const device = new RuledDevice();
    device.send([silent], 0, { x: 1 });
    expect(device.send([silent], 40, { x: 1 }).map((each) => brief(each, 40))).toEqual([
      '40: opened at 15',
      '40: resolved at 40',
    ]);
  });

  test('a parameter that stops is noticed while others go on', () => {
    const one = ruleOf({ kind: 'nodata', after: '15m', params: ['t', 'never'] });
    const device = new RuledDevice();
    device.send([one], 0, { t: 1, x: 1 });
    device.send([one], 10, { x: 1 });
    expect(device.due).toBe(15);
    expect(device.tick([one], 15)).toMatchObject([
      { kind: 'opened', evidence: { parameter: 't', op: 'silent', value: 1, threshold: '15m' } },
    ]);
    expect(device.send([one], 16, { x: 1 })).toEqual([]);
    expect(device.send([one], 17, { t: 1 })).toMatchObject([{ kind: 'resolved' }]);
  });

  test('a device whose clock is behind is not silent for it', () => {
    const device = new RuledDevice();
    device.behind = 60;
    device.send([silent], 0, { x: 1 });
    expect(device.due).toBe(75);
    expect(device.tick([silent], 74)).toEqual([]);
    expect(device.tick([silent], 75)).toHaveLength(1);
  });

  test('an event of a partition that lagged, accepted long before the newest, brings no silence forward', () => {
    const device = new RuledDevice();
    device.send([silent], 0, { x: 1 });
    device.send([silent], -20, { x: 1 });
    expect([device.due, device.tick([silent], 14.9)]).toEqual([15, []]);
    expect(device.tick([silent], 15)).toHaveLength(1);
  });

  test('late events are data: a device whose clock was set back is not silent', () => {
    const device = new RuledDevice();
    device.send([silent], 0, { x: 1 });
    device.behind = 30;
    device.send([silent], -20, { x: 1 });
    expect(device.tick([silent], 20)).toEqual([]);
    expect(device.due).toBe(25);
  });
});

describe('timer', () => {
  // The test begins on Tuesday, 24 November 2026, at 10:00 UTC.
  const plain = ruleOf({ kind: 'timer', cron: '0 30 * * * *', tz: 'UTC' });

  test('a plain timer is an alert of its own each time, over at once', () => {
    const device = new RuledDevice();
    device.send([plain], 0, { t: 1 });
    expect(device.due).toBe(30);
    expect(device.tick([plain], 29)).toEqual([]);
    expect(device.wait([plain], 100)).toEqual([
      '30: opened at 30',
      '30: resolved at 30',
      '90: opened at 90',
      '90: resolved at 90',
    ]);
  });

  test('of several firings that were missed the last one is made up for, and none from before the timer began', () => {
    const device = new RuledDevice();
    device.send([plain], 0, { t: 1 });
    expect(device.tick([plain], 300).map((each) => brief(each, 300))).toEqual([
      '300: opened at 270',
      '300: resolved at 270',
    ]);
    expect(device.tick([plain], 301)).toEqual([]);
    const another = new RuledDevice();
    another.tick([plain], 45);
    expect([another.due, another.states?.n]).toEqual([90, 0]);
  });

  test('a conditional timer looks at the values of that moment', () => {
    const conditional = ruleOf({ kind: 'timer', cron: '0 30 * * * *', tz: 'UTC', if: warm, maxAge: '1h' });
    const device = new RuledDevice();
    device.send([conditional], 0, { t: 9 });
    expect(device.wait([conditional], 30)).toEqual(['30: opened at 30']);
    device.send([conditional], 60, { t: 9 });
    expect(device.wait([conditional], 90)).toEqual(['90: resolved at 90', '90: opened at 90']);
    // A value older than maxAge is unknown.
    expect(device.wait([conditional], 150)).toEqual([]);
    device.send([conditional], 200, { t: 7 });
    expect(device.wait([conditional], 210)).toEqual(['210: resolved at 210']);
  });
});

describe('anomaly', () => {
  const three = ruleOf({ kind: 'anomaly', params: ['t'], minScore: 0.2, count: 3, within: '10m' });
  const scored = (device: RuledDevice, minute: number, score: number) =>
    device.send([three], minute, { t: 1 }, { scores: { t: score } }).map((each) => brief(each, minute));

  test('it opens with the count of anomalous readings within the time, and ends when they have passed', () => {
    const device = new RuledDevice();
    expect([0, 1, 2, 3].flatMap((minute) => scored(device, minute, minute === 1 ? 0.1 : 0.5))).toEqual([
      '3: opened at 3',
    ]);
    expect(device.due).toBe(10);
    expect(device.wait([three], 60)).toEqual(['10: resolved at 10']);
  });

  test('without scores it rests, and other parameters do not count', () => {
    const device = new RuledDevice();
    expect(device.run([three], [1, 1, 1, 1])).toEqual([]);
    expect(device.send([three], 5, { x: 1 }, { scores: { x: 1 } })).toEqual([]);
  });
});

describe('holds without an event', () => {
  test('a hold ends when its time has come although nothing came, unless the value is too old to say', () => {
    const held = rule(warm, { for: '5m' });
    const device = new RuledDevice();
    device.send([held], 0, { t: 9 });
    expect(device.due).toBe(5);
    expect(device.wait([held], 60)).toEqual(['5: opened at 5']);
    const aged = rule(warm, { for: '5m', maxAge: '2m' });
    const another = new RuledDevice();
    another.send([aged], 0, { t: 9 });
    expect(another.wait([aged], 60)).toEqual([]);
    // What waits for data is not due.
    expect(another.due).toBeUndefined();
  });

  test('an off-delay ends likewise', () => {
    const kept = rule(warm, { keepFiring: '5m' });
    const device = new RuledDevice();
    device.run([kept], [9, 7]);
    expect(device.wait([kept], 60)).toEqual(['6: resolved at 6']);
  });
});

describe('severity that rises', () => {
  const rising = rule(warm, {
    raise: [
      { severity: 'critical', if: { param: 't', op: 'gt', value: 12 } },
      { severity: 'emergency', if: { param: 't', op: 'gt', value: 20 } },
    ],
  });

  test('it rises in place and never falls, and an alert opens at the worst that holds', () => {
    const device = new RuledDevice();
    const told = [9, 13, 10, 13, 25, 7].flatMap((t, minute) =>
      device.send([rising], minute, { t }).map((each) => [minute, each.kind, each.severity, each.alertId]),
    );
    const id = 'r1~freezer-1~1';
    expect(told).toEqual([
      [0, 'opened', 'warning', id],
      [1, 'raised', 'critical', id],
      [4, 'raised', 'emergency', id],
      [5, 'resolved', 'emergency', id],
    ]);
    expect(device.send([rising], 6, { t: 21 })).toMatchObject([{ kind: 'opened', severity: 'emergency' }]);
  });

  test('a window rises by its value', () => {
    const window = ruleOf(
      { kind: 'window', param: 't', agg: 'max', period: '10m', op: 'gt', value: 8 },
      { raise: [{ severity: 'critical', value: 12 }] },
    );
    expect(new RuledDevice().run([window], [9, 13])).toEqual(['0: opened at 0', '1: raised at 1']);
  });
});

test('with trigger edge a condition that is true when the rule begins must end before it opens', () => {
  const edge = rule(warm, { trigger: 'edge' });
  const device = new RuledDevice();
  expect(device.run([edge], [9, 9, 7, 9, 7, 9])).toEqual(['3: opened at 3', '4: resolved at 4', '5: opened at 5']);
});

test('outside its schedule, and in shadow, an alert opens and says why nobody is told', () => {
  const schedule = { tz: 'Europe/London', days: ['MON', 'FRI'], from: '08:00', to: '18:00' };
  expect(new RuledDevice().send([rule(warm, { schedule })], 0, { t: 9 })).toMatchObject([
    { silenced: 'outsideSchedule' },
  ]);
  const on = { ...schedule, days: ['TUE'] };
  expect(new RuledDevice().send([rule(warm, { schedule: on })], 0, { t: 9 })[0]).not.toHaveProperty('silenced');
  expect(new RuledDevice().send([rule(warm, { shadow: true })], 0, { t: 9 })).toMatchObject([{ silenced: 'shadow' }]);
});

describe('limits from attributes', () => {
  const limited = rule({ param: 't', op: 'gt', value: { attr: 'maxTemp', default: 8 } });
  const send = (t: number, attributes?: Record<string, number | string>, definition = limited) =>
    new RuledDevice().send([definition], 0, { t }, { device: { ...DEVICE, attributes } });

  test('the attribute is the limit, else the default', () => {
    expect(send(9)).toMatchObject([{ evidence: { threshold: 8 } }]);
    expect(send(9, { maxTemp: 10 })).toEqual([]);
    expect(send(11, { maxTemp: 10 })).toMatchObject([{ evidence: { threshold: 10 } }]);
    expect(send(9, { maxTemp: 'high' })).toHaveLength(1);
  });

  test('without attribute and default the comparison is unknown', () => {
    expect(send(9, {}, rule({ not: { param: 't', op: 'lt', value: { attr: 'min' } } }))).toEqual([]);
  });

  test('a limit that moves keeps the state of the rule', () => {
    const device = new RuledDevice();
    device.send([limited], 0, { t: 9 });
    const moved = { device: { ...DEVICE, attributes: { maxTemp: 20 } } };
    expect(device.send([limited], 1, { x: 1 }, moved)).toEqual([]);
    expect(device.send([limited], 2, { t: 9 }, moved)).toMatchObject([{ kind: 'resolved', reason: 'condition' }]);
  });
});
