/** Trying rules through the API: one event explained leaf by leaf, and stored history replayed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';

let api: Living;
const START = Date.UTC(2026, 10, 24, 10);
const both = {
  name: 'Freezer warm',
  when: {
    kind: 'condition',
    if: {
      all: [
        { param: 'temperature', op: 'gt', value: { attr: 'maxTemp', default: 8 } },
        {
          any: [
            { param: 'door', op: 'eq', value: 'closed' },
            { param: 'power', op: 'eq', value: false },
          ],
        },
      ],
    },
  },
};

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/alerts.ts');
    await import('../../functions/rules.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/openapi.ts');
    await import('../../functions/alerts.ts');
  });
  await api.manage('POST', '/v1/devices', { deviceId: 'fz-1', attributes: { maxTemp: 5 } });
  const { store } = await api.instance();
  // A day of minutes: warm from 02:00 to 03:00 and from 10:00 to 10:30.
  for (let hour = 0; hour < 24; hour++) {
    const e = Array.from({ length: 60 }, (_, minute) => {
      const ms = START + (hour * 60 + minute) * 60_000;
      const warm = hour === 2 || (hour === 10 && minute < 30);
      return {
        at: { seq: hour * 60 + minute, enq: ms },
        id: `direct-0:${hour}-${minute}`,
        t: ms,
        v: { temperature: warm ? 9 : 3 },
      };
    });
    const document = {
      id: `readings|${(hour + 1) * 60}`,
      pk: 'default|fz-1',
      kind: 'readings',
      tenantId: 'default',
      deviceId: 'fz-1',
      lane: 'direct-0',
      n: (hour + 1) * 60,
      seq: hour * 60 + 59,
      e,
    };
    await store.create('device-data', document as never);
  }
});
afterAll(() => api.close());

describe('test', () => {
  const attempt = (body: unknown) => api.manage('POST', '/v1/rules/test', body);

  test('it explains a rule leaf by leaf, with values, limits and why something is unknown', async () => {
    const { status, body } = await attempt({ rule: both, event: { readings: { temperature: 9, door: 7 } } });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      truth: 'unknown',
      opens: false,
      state: 'rest',
      appliesToDevice: true,
      transitions: [],
    });
    expect(body.open).toEqual({
      join: 'all',
      truth: 'unknown',
      parts: [
        { param: 'temperature', op: 'gt', threshold: 8, value: 9, truth: 'true' },
        {
          join: 'any',
          truth: 'unknown',
          parts: [
            {
              param: 'door',
              op: 'eq',
              threshold: 'closed',
              value: 7,
              truth: 'unknown',
              why: 'a number cannot be compared so',
            },
            { param: 'power', op: 'eq', threshold: false, truth: 'unknown', why: 'the device has not sent it' },
          ],
        },
      ],
    });
  });

  test('a device lends its attributes, and its present values where it has any', async () => {
    const { body } = await attempt({
      rule: both,
      deviceId: 'fz-1',
      event: { readings: { temperature: 6, power: false } },
    });
    expect(body).toMatchObject({ truth: 'true', opens: true, state: 'open' });
    expect(body.open.parts[0]).toMatchObject({ threshold: 5, value: 6 });
    expect(body.transitions).toMatchObject([{ kind: 'opened', message: 'fz-1: temperature 6 > 5' }]);
  });

  test('several events show holds and windows, and until lets time pass after the last', async () => {
    const window = { kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40, minSamples: 2 };
    const events = [0, 1, 2].map((minute) => ({ ts: START + minute * 60_000, readings: { t: 50 + minute } }));
    const { body } = await attempt({ rule: { name: 'w', when: window, for: '5m' }, events });
    expect(body).toMatchObject({
      truth: 'true',
      state: 'pending',
      open: { param: 't', function: 'avg', value: 51, threshold: 40, truth: 'true' },
    });
    const later = await attempt({ rule: { name: 'w', when: window, for: '5m' }, events, until: START + 600_000 });
    expect(later.body.transitions).toMatchObject([{ kind: 'opened', at: new Date(START + 360_000).toISOString() }]);
    const one = await attempt({ rule: { name: 'w', when: window }, events: events.slice(0, 1) });
    expect(one.body.open).toMatchObject({ truth: 'unknown', why: 'the window does not hold enough yet' });
  });

  test('a silence and a timer say when', async () => {
    const event = { ts: START, readings: { t: 1 } };
    const nodata = await attempt({ rule: { name: 'n', when: { kind: 'nodata', after: '15m' } }, event });
    expect(nodata.body).toMatchObject({ truth: 'false', silentAt: '2026-11-24T10:15:00.000Z' });
    const timer = await attempt({
      rule: { name: 't', when: { kind: 'timer', cron: '0 0 12 * * *', tz: 'UTC' } },
      event,
    });
    expect(timer.body).toMatchObject({ truth: 'true', firesAt: '2026-11-24T12:00:00.000Z' });
  });

  test('a stored rule is tried by its id, and nothing is changed by it', async () => {
    const { body: rule } = await api.manage('POST', '/v1/rules', { ...both, approval: 'draft' });
    const { body } = await attempt({ ruleId: rule.id, event: { readings: { temperature: 9, power: false } } });
    expect(body.opens).toBe(true);
    expect((await api.manage('GET', '/v1/alerts')).body.items).toEqual([]);
  });

  test.each([
    ['no rule', { event: { readings: {} } }, 400, 'rule'],
    ['two rules', { rule: both, ruleId: 'rul_1', event: { readings: {} } }, 400, 'rule'],
    ['no event', { rule: both }, 400, 'event'],
    ['a bad rule', { rule: { name: 'x' }, event: { readings: {} } }, 400, 'rule.when'],
    ['a value that is none', { rule: both, event: { readings: { t: null } } }, 400, 'event.readings.t'],
    [
      'a parameter that is none',
      { rule: both, event: { readings: { constructor: 1 } } },
      400,
      'event.readings.constructor',
    ],
    ['a time that is none', { rule: both, event: { ts: 'soon', readings: {} } }, 400, 'event.ts'],
  ])('%s is refused', async (_, body, status, field) => {
    const answer = await attempt(body);
    expect([answer.status, answer.body.errors[0].field]).toEqual([status, field]);
  });

  test('another tenant’s rule and device do not exist', async () => {
    const { body: rule } = await api.manage('POST', '/v1/rules', both);
    const options = { tenant: 'other' };
    const event = { readings: { t: 1 } };
    expect(await api.manage('POST', '/v1/rules/test', { ruleId: rule.id, event }, options)).toMatchObject({
      status: 404,
    });
    expect(await api.manage('POST', '/v1/rules/test', { rule: both, deviceId: 'fz-1', event }, options)).toMatchObject({
      status: 404,
    });
  });
});

describe('backtest', () => {
  const backtest = (body: Record<string, unknown>, tenant?: string) =>
    api.manage('POST', '/v1/rules/backtest', body, tenant === undefined ? {} : { tenant });
  const range = { from: new Date(START).toISOString(), to: new Date(START + 86_400_000).toISOString() };
  const warm = { name: 'warm', when: { kind: 'condition', if: { param: 'temperature', op: 'gt', value: 8 } } };

  test('it says what a rule would have done: transitions, counts by day, time in alert', async () => {
    const { status, body } = await backtest({ rule: warm, deviceId: 'fz-1', ...range });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...range,
      devices: ['fz-1'],
      events: 1440,
      truncated: false,
      rules: [{ name: 'warm', opened: 2, resolved: 2, stillOpen: 0, inAlertMs: 90 * 60_000 }],
    });
    expect(body.rules[0].perDay).toEqual([{ day: '2026-11-24', opened: 2 }]);
    expect(
      body.rules[0].transitions.map(({ kind, at }: { kind: string; at: string }) => `${kind} ${at.slice(11, 16)}`),
    ).toEqual(['opened 12:00', 'resolved 13:00', 'opened 20:00', 'resolved 20:30']);
  });

  test('several rules at once, on the devices they are for, over a part of the history', async () => {
    const rules = [warm, { ...warm, name: 'held', for: '45m' }];
    const { body } = await backtest({ rules, from: range.from, to: new Date(START + 4 * 3_600_000).toISOString() });
    expect(body).toMatchObject({ devices: ['fz-1'], events: 240, rules: [{ opened: 1 }, { name: 'held', opened: 1 }] });
  });

  test.each([
    ['upside down', { rule: warm, from: range.to, to: range.from }, 400],
    ['too long', { rule: warm, from: '2026-01-01T00:00:00Z', to: '2026-11-01T00:00:00Z' }, 400],
    ['no such device', { rule: warm, deviceId: 'none', ...range }, 404],
    ['no such rule', { ruleId: 'rul_none', deviceId: 'fz-1', ...range }, 404],
    ['nothing to try', { deviceId: 'fz-1', ...range }, 400],
    ['for no device', { rule: { ...warm, scope: { groups: ['none'] } }, ...range }, 422],
  ])('%s is refused', async (_, body, status) => {
    expect(await backtest(body)).toMatchObject({ status });
  });

  test('another tenant’s history is out of reach', async () => {
    expect(await backtest({ rule: warm, deviceId: 'fz-1', ...range }, 'other')).toMatchObject({ status: 404 });
  });
});

test('the API describes the new routes, with every reference resolving', async () => {
  const { body, text } = await api.call('GET', '/v1/openapi.json');
  for (const path of [
    '/v1/rules/test',
    '/v1/rules/backtest',
    '/v1/rules/{ruleId}/approve',
    '/v1/device-profiles/{id}',
  ]) {
    expect(Object.keys(body.paths)).toContain(path);
  }
  const references = new Set([...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name));
  for (const name of references) expect(Object.keys(body.components.schemas)).toContain(name);
  const rule = JSON.stringify(body.paths['/v1/rules'].post.requestBody);
  for (const word of ['tumbling', 'nodata', 'anomaly', 'dayMatch', 'approval', 'escalate'])
    expect(rule + text).toContain(word);
});
