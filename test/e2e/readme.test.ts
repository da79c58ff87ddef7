/**
 * The documentation, taken at its word: every command of it is run against one local system, in the order in which a
 * reader meets it, and must do what the text around it says. A command that no chapter here knows fails.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { METRICS } from '../../shared/observability.ts';
import { CLOUD_USAGE, START_USAGE } from '../../local/options.ts';
import { COST_USAGE } from '../../scripts/cost/report.ts';
import { SIMULATE_USAGE } from '../simulation/usage.ts';
import { codeBlocks, type CodeBlock } from '../support/code-blocks.ts';
import { startLocalSystem, temporaryFolder, type LocalSystem } from '../support/local-system.ts';
import { Shell } from '../support/shell.ts';
import { streamedEvents, type StreamedEvent } from '../support/streamed-events.ts';
import { readStream, type TrackingReader } from '../support/tracking-reader.ts';
import { fetchToken } from '../support/api-client.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const inRoot = (page: string) => path.join(root, page);
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(inRoot('docs'), { recursive: true, encoding: 'utf8' })
    .filter((page) => page.endsWith('.md'))
    .map((page) => `docs/${page}`)
    .toSorted(),
];

/** Commands that need an Azure subscription: the only ones that nobody runs here. */
const NOT_RUN = new Set([
  'azd auth login',
  'azd env new my-sluice',
  'azd up',
  'azd down --purge',
  'az cosmosdb restore --target-database-account-name NEW --account-name OLD --resource-group RG --restore-timestamp 2026-11-24T12:00:00Z --location REGION',
  'az ad app create --display-name sluice-api --sign-in-audience AzureADMyOrg --requested-access-token-version 2',
  'az ad app update --id APP_ID --identifier-uris api://APP_ID',
  'azd env set SLUICE_ENTRA_AUDIENCE APP_ID',
  'TOKEN=$(az account get-access-token --scope api://APP_ID/.default --query accessToken -o tsv)',
  'curl -s -H "Authorization: Bearer $TOKEN" $API/v1/me',
  'cd build/app && func azure functionapp publish NAME --no-build',
]);

/** Languages of blocks that are no commands. */
const NO_COMMANDS = new Set(['mermaid', 'json', 'text', 'http', 'js', 'ts', 'html', 'python', 'kusto', 'ini', 'yaml']);

/** What a reader of the stream keeps: everything up to the last id, because what follows it comes again. */
const TELEMETRY_ENOUGH = 25;

let folder: string;
let system: LocalSystem;
let shell: Shell;
/** The application that the README makes, reading its stream from then on. */
let dashboard: { reader: TrackingReader; form: Record<string, string> } | undefined;

/** What a block must do. `has` is text that only this block has. */
interface Chapter {
  has: string;
  run(block: CodeBlock): Promise<void>;
}

const telemetryIn = (events: StreamedEvent[]) => events.filter(({ type }) => type === 'message');
const enoughTelemetry = (output: string) => telemetryIn(streamedEvents(output)).length >= TELEMETRY_ENOUGH;

/** Runs commands that end by themselves and must succeed. @returns what they printed, as JSON, line by line */
async function answers(block: CodeBlock, ...statuses: number[]): Promise<Record<string, unknown>[]> {
  const run = await shell.run(block.text);
  expect([run.code, run.statuses, run.errors]).toEqual([0, statuses, expect.any(String)]);
  return run.output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** What was delivered before and after a resume, for the comparison. */
const seen: StreamedEvent[] = [];

const chapters: Chapter[] = [
  {
    has: 'CLIENT_SECRET=${demo.clientSecret}',
    async run({ text }) {
      expect((await shell.run(text)).code).toBe(0);
      const { api, demo, admin } = system.connection();
      expect(shell.variables).toMatchObject({
        API: api,
        CLIENT_ID: demo.clientId,
        CLIENT_SECRET: demo.clientSecret,
        ADMIN_ID: admin['client_id'],
        ADMIN_SECRET: admin['client_secret'],
      });
    },
  },
  {
    has: 'curl -N -H "Authorization: Bearer $TOKEN" $API/v1/stream/telemetry\n',
    async run({ text }) {
      const run = await shell.run(text, { enough: enoughTelemetry });
      const events = streamedEvents(run.output);
      expect(run.statuses).toEqual([200]);
      expect(events[0]).toMatchObject({ type: 'ready', data: { resumed: false } });
      seen.push(...telemetryIn(events));
      shell.variables['LAST_ID'] = events.at(-1)?.id ?? '';
    },
  },
  {
    has: 'Last-Event-ID: $LAST_ID',
    async run({ text }) {
      const run = await shell.run(text, { enough: enoughTelemetry });
      const events = streamedEvents(run.output);
      expect(events[0]).toMatchObject({ type: 'ready', data: { resumed: true } });
      expect(events.map(({ type }) => type)).not.toContain('gap');
      seen.push(...telemetryIn(events));
      expectNoHole(seen.map(({ data }) => String(data['eventId'])));
    },
  },
  {
    has: 'types=telemetry&parameters=temperature',
    async run({ text }) {
      const run = await shell.run(text, { enough: enoughTelemetry });
      const telemetry = telemetryIn(streamedEvents(run.output));
      expect(telemetry.length).toBeGreaterThan(0);
      for (const { data } of telemetry) expect(Object.keys(data['readings'] as object)).toEqual(['temperature']);
    },
  },
  {
    has: 'telemetry?since=1m',
    async run({ text }) {
      const run = await shell.run(text, { enough: enoughTelemetry });
      expect(telemetryIn(streamedEvents(run.output)).length).toBeGreaterThan(0);
    },
  },
  {
    has: '/v1/stream/tickets',
    async run({ text }) {
      const run = await shell.run(text);
      expect(run.statuses).toEqual([201]);
    },
  },
  {
    has: 'application/x-ndjson',
    async run({ text }) {
      const run = await shell.run(text, { enough: (output) => output.split('\n').length > TELEMETRY_ENOUGH });
      expect([run.statuses, run.output]).toEqual([[], expect.stringContaining('"ready"')]);
      const lines = run.output
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string; data: { deviceId: string; readings: object } });
      expect(lines[0]?.type).toBe('ready');
      const telemetry = lines.filter(({ type }) => type === 'telemetry');
      expect(telemetry.length).toBeGreaterThan(10);
      for (const { data } of telemetry) {
        expect(data.deviceId).toMatch(/^seattle-[1-4]$/);
        expect(Object.keys(data.readings).toSorted()).toEqual(['temp_max', 'wind']);
      }
    },
  },
  {
    has: 'curl -s $API/metrics',
    async run({ text }) {
      const run = await shell.run(text);
      expect([run.code, run.statuses]).toEqual([0, [200]]);
      expect(run.output).toMatch(/^sluice_ingest_accepted_total\S* [1-9]/m);
    },
  },
  {
    has: 'ADMIN_TOKEN=$(',
    async run({ text }) {
      const run = await shell.run(text);
      expect([run.code, run.statuses]).toEqual([0, [200]]);
      expect(shell.variables['ADMIN_TOKEN']).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    },
  },
  {
    has: '/v1/device-groups',
    async run(block) {
      const [group, device] = await answers(block, 201, 201);
      expect(group).toMatchObject({ id: 'boilers', name: 'Boilers' });
      expect(device).toMatchObject({ deviceId: 'boiler-1', groups: ['boilers'], enabled: true });
    },
  },
  {
    has: '/v1/users',
    async run(block) {
      const [user, list] = await answers(block, 201, 200);
      expect(user).toMatchObject({ login: 'ada@example.com', roles: ['operator'], hasPassword: true });
      expect(list).toMatchObject({ items: [{ login: 'ada@example.com' }] });
    },
  },
  {
    has: '/v1/rules',
    async run(block) {
      const [rule] = await answers(block, 201);
      expect(rule).toMatchObject({ name: 'Boiler too hot', enabled: true, for: 60_000 });
    },
  },
  {
    has: '"name": "Boiler dashboard"',
    async run(block) {
      const [application] = await answers(block, 201);
      const { id, clientId, clientSecret } = application as { id: string; clientId: string; clientSecret: string };
      shell.variables['APP_ID'] = id;
      const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
      const { api } = system.connection();
      const reader = readStream(`${api}/v1/stream/telemetry`, () => fetchToken(api, form));
      dashboard = { reader, form };
      await until(() => reader.taken.some(({ type }) => type === 'ready'));

      const shown = await fetch(`${api}/v1/external-applications/${id}`, {
        headers: { authorization: `Bearer ${shell.variables['ADMIN_TOKEN']}` },
      });
      expect(await shown.text()).not.toContain(clientSecret);
    },
  },
  {
    has: 'SharedAccessSignature',
    async run({ text }) {
      const run = await shell.run(text);
      expect([run.code, run.statuses]).toEqual([0, [201]]);
      await until(() => boilerReadings().length === 1);
      expect(boilerReadings()).toEqual([{ temperature: 71.5, burning: true }]);

      // One reading set lacks a parameter on the way: that neither opens nor clears.
      await sendAsDevice([
        [10, { temperature: 95, burning: true }],
        [40, { temperature: 96 }],
        [75, { temperature: 97, burning: true }],
        [80, { temperature: 85, burning: true }],
      ]);
      await until(() => alertStates().length > 0);
      expect(alertStates()).toEqual(['opened']);
      // Only the group's devices, of all that the simulator sends.
      expect(new Set(dashboard?.reader.taken.flatMap(({ data }) => data['deviceId'] ?? []))).toEqual(
        new Set(['boiler-1']),
      );
    },
  },
  {
    has: '/v1/quarantine',
    async run(block) {
      // The list is made by the projection, a moment after the stream has told.
      await until(alertIsListed);
      const lists = await answers(block, 200, 200, 200);
      for (const list of lists) expect(Object.keys(list)).toEqual(['items', 'nextCursor']);
      const [alerts, , quarantine] = lists as { items: Record<string, unknown>[] }[];
      expect(alerts?.items).toMatchObject([{ ruleName: 'Boiler too hot', condition: 'active', severity: 'critical' }]);
      expect(quarantine?.items).toEqual([]);

      await sendAsDevice([[90, { temperature: 79, burning: true }]]);
      await until(() => alertStates().length > 1);
      expect(alertStates()).toEqual(['opened', 'resolved']);
    },
  },
  {
    has: '/disable',
    async run(block) {
      const began = performance.now();
      const [application] = await answers(block, 200);
      expect(application).toMatchObject({ status: 'disabled' });
      await until(() => dashboard?.reader.taken.some(({ type }) => type === 'close'), 5_000);
      expect(performance.now() - began).toBeLessThan(5_000);
      dashboard?.reader.close();
      await expect(fetchToken(system.connection().api, dashboard?.form ?? {})).rejects.toThrow('invalid_client');
    },
  },
  {
    has: '/v1/openapi.json',
    async run(block) {
      const [description] = await answers(block, 200);
      expect(description).toMatchObject({ openapi: '3.1.0' });
      expect(Object.keys(description?.['paths'] as object).length).toBeGreaterThan(20);
    },
  },
  // Names of scripts, which are checked below: what they start is started here or in other tests.
  { has: 'npm ci && npm start', run: async () => undefined },
  { has: 'npm run check', run: async () => undefined },
  { has: 'npm run bench -- system', run: async () => undefined },
  { has: 'npm run build\n', run: async () => undefined },
  { has: 'npm run simulate', run: async () => undefined },
  {
    has: 'npm run cost -- ',
    async run({ text }) {
      const { code, output } = await shell.run(text, { cwd: root });
      expect([code, output]).toEqual([0, expect.stringMatching(/^Cosmos DB[^]*^total +[\d,]+$[^]*^To lower it: /m)]);
    },
  },
  {
    has: 'npm run cloud -- cosmos --port 0',
    async run({ text }) {
      const [, one = '', help = ''] = text.trim().split('\n');
      const cloud = await shell.run(one, { cwd: root, enough: (output) => output.includes('connectionString') });
      const ready = JSON.parse(cloud.output.split('\n').find((line) => line.startsWith('{')) ?? '') as object;
      expect(ready).toMatchObject({ service: 'cosmos', connectionString: expect.stringContaining('AccountEndpoint=') });
      const usage = await shell.run(help, { cwd: root });
      expect(usage.output).toContain(START_USAGE);
    },
  },
];

/** The telemetry that the dashboard's stream has delivered. */
function boilerReadings(): unknown[] {
  return (dashboard?.reader.taken ?? []).filter(({ type }) => type === 'message').map(({ data }) => data['readings']);
}

async function alertIsListed(): Promise<boolean> {
  const response = await fetch(`${system.connection().api}/v1/alerts?device=boiler-1`, {
    headers: { authorization: `Bearer ${shell.variables['ADMIN_TOKEN']}` },
  });
  return ((await response.json()) as { items: unknown[] }).items.length > 0;
}

function alertStates(): unknown[] {
  return (dashboard?.reader.taken ?? []).filter(({ type }) => type === 'alert').map(({ data }) => data['change']);
}

/** Sends an array of reading sets as the README's device does; times are seconds from now. */
async function sendAsDevice(sets: [atSeconds: number, readings: object][]): Promise<void> {
  const body = sets.map(([seconds, readings]) => ({
    deviceId: 'boiler-1',
    ts: new Date(Date.now() + seconds * 1000).toISOString(),
    readings,
  }));
  const response = await fetch(`${shell.variables['EVENT_HUB']}/messages`, {
    method: 'POST',
    headers: { authorization: shell.variables['SAS'] ?? '', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(201);
}

/** Every lane's sequence numbers follow one another: nothing is missing and nothing came twice. */
function expectNoHole(eventIds: string[]): void {
  const next = new Map<string, number>();
  for (const eventId of eventIds) {
    const [lane = '', sequence] = eventId.split(':');
    const expected = next.get(lane) ?? Number(sequence);
    expect(`${lane}:${sequence}`).toBe(`${lane}:${expected}`);
    next.set(lane, expected + 1);
  }
  expect(next.size).toBeGreaterThan(1);
}

const blocks = PAGES.flatMap((page) => codeBlocks(inRoot(page)).map((block) => ({ ...block, page })));
const commands = blocks.filter(({ language }) => language === 'sh');
const isNotRun = ({ text }: CodeBlock) =>
  text
    .trim()
    .split('\n')
    .every((line) => NOT_RUN.has(line));

describe('the commands of the documentation', () => {
  beforeAll(async () => {
    folder = temporaryFolder();
    system = await startLocalSystem({ data: path.join(folder, '.sluice'), flags: ['--speed', '5'] });
    shell = new Shell(folder);
  }, 90_000);

  afterAll(async () => {
    dashboard?.reader.close();
    await system?.[Symbol.asyncDispose]();
    shell?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  test.each(
    commands.filter((block) => !isNotRun(block)).map((block) => [`${block.page}:${block.line}`, block] as const),
  )(
    '%s',
    async (_place, block) => {
      const fitting = chapters.filter(({ has }) => block.text.includes(has));
      expect([block.text, fitting.length]).toEqual([block.text, 1]);
      await fitting[0]?.run(block);
    },
    60_000,
  );
});

describe('what the documentation says', () => {
  test('every block is of a known language, and every chapter is of a block', () => {
    const unknown = blocks.filter(({ language }) => language !== 'sh' && !NO_COMMANDS.has(language));
    expect(unknown.map(({ page, line }) => `${page}:${line}`)).toEqual([]);
    const unused = chapters.filter(({ has }) => !commands.some(({ text }) => text.includes(has)));
    expect(unused.map(({ has }) => has)).toEqual([]);
    const lines = commands.flatMap(({ text }) => text.split('\n'));
    expect([...NOT_RUN].filter((line) => !lines.includes(line))).toEqual([]);
  });

  test('every npm script and flag exists', () => {
    const texts = PAGES.map((page) => readFileSync(inRoot(page), 'utf8')).join('\n');
    const calls = [...texts.matchAll(/\bnpm (ci|start|test|run [a-z:]+)(?: -- ([^`\n#]*))?/g)];
    expect(calls.length).toBeGreaterThan(10);
    const scripts = new Set([...Object.keys(packageJson.scripts), 'ci']);
    const usages: Record<string, string> = {
      start: START_USAGE,
      cloud: CLOUD_USAGE,
      cost: COST_USAGE,
      simulate: SIMULATE_USAGE,
    };
    for (const [call, name = '', args = ''] of calls) {
      const script = name.replace('run ', '');
      expect([call, scripts.has(script)]).toEqual([call, true]);
      const flags = args.match(/--[a-z-]+/g) ?? [];
      expect([call, flags.filter((flag) => !usages[script]?.includes(flag))]).toEqual([call, []]);
    }
  });

  test('every metric exists', () => {
    const named = PAGES.flatMap((page) => [...readFileSync(inRoot(page), 'utf8').matchAll(/`(sluice\.[a-z.]+)`/g)]);
    expect(named.length).toBeGreaterThan(5);
    expect(named.map(([, name = '']) => name).filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
  });

  test('every link leads to a page that exists', () => {
    for (const page of PAGES) {
      const links = [...readFileSync(inRoot(page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)];
      const broken = links.filter(([, to = '']) => !existsSync(path.join(path.dirname(inRoot(page)), to)));
      expect([page, broken.map(([, to]) => to)]).toEqual([page, []]);
    }
  });
});
