/** The table of docs/rules-conformance.md, and the rules that documents show: every one is taken as it is written. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ruleBody } from '../../shared/manage/manage-rules.ts';
import { ruleDefinition } from '../../shared/rules/rule-definition.ts';
import { codeBlocks } from '../support/code-blocks.ts';

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = (path: string) => new URL(`../../${path}`, import.meta.url).pathname;

const ROWS = [...text('docs/rules-conformance.md').matchAll(/^\| ([^|]+) \| `([^`]+)` \| `([^`]+)` \|$/gm)].map(
  ([, behaviour = '', file = '', title = '']) => [behaviour, file, title] as const,
);

test.each(ROWS)('%s: %s has the test', (_, file, title) => {
  expect(text(file)).toContain(title);
});

test('the table has every row', () => {
  expect(ROWS.length).toBeGreaterThanOrEqual(35);
});

/** What is wrong with a rule, as `path: message`. */
function complaints(input: unknown): string[] {
  return ruleBody.safeParse(input).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
}

test('the recommended rule, as it is written', () => {
  const recommended = {
    id: 'rul_1',
    name: 'Freezer warm',
    category: 'cold-chain',
    severity: 'critical',
    scope: { devices: [], groups: ['freezers'], profiles: ['fz-2'], exclude: [] },
    schedule: { tz: 'Europe/London', days: ['MON', 'FRI'], from: '08:00', to: '18:00' },
    when: {
      kind: 'condition',
      if: {
        all: [
          { param: 'temperature', op: 'gt', value: 8 },
          {
            any: [
              { param: 'door', op: 'eq', value: 'closed' },
              { param: 'power', op: 'eq', value: false },
            ],
          },
        ],
      },
    },
    clear: { param: 'temperature', op: 'lt', value: 6 },
    for: '5m',
    times: 1,
    keepFiring: '2m',
    autoResolve: true,
    latch: false,
    notify: {
      on: ['open', 'escalate', 'resolve'],
      actions: ['act_mail', 'act_hook'],
      cooldown: '15m',
      repeatEvery: '4h',
      groupBy: ['ruleId'],
      groupWait: '10s',
      maxPerHour: 20,
      escalate: [{ after: '30m', unless: 'acknowledged', severity: 'emergency', actions: ['act_boss'] }],
    },
    message: '{{device.name}}: {{param}} {{value}} {{op}} {{threshold}}',
    enabled: true,
    version: 7,
    approval: { state: 'approved', by: 'u2', at: '2026-11-20T09:00:00Z' },
  };
  expect(complaints(recommended)).toEqual([]);
  expect(ruleBody.parse(recommended)).toMatchObject({
    approval: 'approved',
    for: 300_000,
    keepFiring: 120_000,
    notify: { cooldown: 900_000, repeatEvery: 14_400_000, groupWait: 10_000, maxPerHour: 20 },
  });
});

test.each([
  '{"kind":"condition","if":{"param":"humidity","op":"between","value":[40,60]}}',
  '{"kind":"window","param":"humidity","agg":"avg","period":"10m","op":"gt","value":40,"clearValue":38,"minSamples":5}',
  '{"kind":"timer","cron":"0 15 10 1,15 * MON,FRI","tz":"Europe/London","dayMatch":"and","if":null,"maxAge":"1h"}',
  '{"kind":"nodata","after":"15m","params":["temperature"]}',
  '{"kind":"nodata","after":"PT15M"}',
  '{"kind":"rate","param":"level","per":"1m","over":"5m","op":"lt","value":-2}',
  '{"kind":"anomaly","params":["vibration"],"minScore":0.9,"count":3,"within":"10m"}',
  '{"kind":"condition","if":{"param":"temperature","op":"gt","value":{"attr":"maxTemp","default":8}}}',
  ...['avg', 'min', 'max', 'sum', 'count', 'delta', 'stddev'].flatMap((agg) =>
    ['sliding', 'tumbling'].map((mode) =>
      JSON.stringify({ kind: 'window', param: 'h', agg, mode, period: '10m', op: 'gt', value: 40 }),
    ),
  ),
  ...['gt', 'gte', 'lt', 'lte', 'eq', 'neq'].map((op) =>
    JSON.stringify({ kind: 'condition', if: { param: 'h', op, value: 40 } }),
  ),
  '{"kind":"condition","if":{"param":"h","op":"outside","value":[40,60]}}',
  '{"kind":"condition","if":{"param":"h","op":"in","value":[40,60]}}',
  '{"kind":"condition","if":{"param":"h","op":"changed"}}',
  '{"kind":"condition","if":{"param":"h","op":"exists"}}',
])('the recommended kind %s', (when) => {
  expect(complaints({ name: 'n', when: JSON.parse(when) as unknown })).toEqual([]);
});

describe('docs/rules.md', () => {
  test('its rule is one', () => {
    const blocks = codeBlocks(page('docs/rules.md')).filter(({ language }) => language === 'json');
    expect(blocks).toHaveLength(1);
    for (const block of blocks) expect(complaints(JSON.parse(block.text))).toEqual([]);
  });

  const kinds = [...text('docs/rules.md').matchAll(/`(\{"kind":[^`]+\})`/g)].map(([, kind = '']) => kind);

  test.each(kinds)('its kind %s is one', (kind) => {
    const when = kind.replaceAll('"if":…', '"if":{"param":"t","op":"gt","value":8}');
    const { error } = ruleDefinition.safeParse({ name: 'n', when: JSON.parse(when) });
    expect(error?.issues ?? []).toEqual([]);
  });

  test('shows each kind once', () => {
    const shown = kinds.map((kind) => /"kind":"(\w+)"/.exec(kind)?.[1]);
    expect(shown).toHaveLength(6);
    expect(new Set(shown)).toEqual(new Set(['anomaly', 'condition', 'nodata', 'rate', 'timer', 'window']));
  });
});
