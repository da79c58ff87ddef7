import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InvocationContext, type Timer, app } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { appFolder } from '../../support/app-folder.ts';
import { type RunningApp, emptyApp, runApp, until } from '../../support/functions-app.ts';

// Nothing listens there: what runs by hand needs no service.
const HUB = 'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true';
const STORE = 'AccountEndpoint=http://127.0.0.1:1/;AccountKey=YQ==;';

beforeEach(emptyApp);

const get = (running: RunningApp, path: string, init?: RequestInit) => fetch(`${running.host.url}${path}`, init);
const runByHand = (running: RunningApp, name: string, body: unknown, type = 'application/json') =>
  get(running, `/admin/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: JSON.stringify(body),
  });

test('host status says that it runs, since when, and as which version', async () => {
  await using running = await runApp();
  expect((await get(running, '/admin/host/ping')).status).toBe(200);
  expect(await (await get(running, '/admin/host/status')).json()).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    state: 'Running',
    version: expect.stringMatching(/^4\./),
    processUptime: expect.any(Number),
  });
  expect((await get(running, '/admin/host/nothing')).status).toBe(404);
});

test('functions are listed in the platform’s order, with their bindings and URLs', async () => {
  app.http('web', { route: 'things/{id}', handler: () => ({}) });
  app.timer('Tick', { schedule: '0 0 * * * *', handler: () => {} });
  await using running = await runApp({ environment: { 'AzureWebJobs.Tick.Disabled': 'true' } });
  expect(await (await get(running, '/admin/functions')).json()).toMatchObject([
    { name: 'Tick', isDisabled: true, config: { bindings: [{ type: 'timerTrigger', schedule: '0 0 * * * *' }] } },
    { name: 'web', isDisabled: false, invoke_url_template: `${running.host.url}/api/things/{id}` },
  ]);
  expect(await (await get(running, '/admin/functions/WEB')).json()).toMatchObject({ name: 'web' });
  expect(await (await get(running, '/admin/functions/web/status')).json()).toEqual({ errors: [] });
  expect((await get(running, '/admin/functions/nobody')).status).toBe(404);
});

test('a timer is run by hand: not past due, without a history', async () => {
  const timers: Timer[] = [];
  app.timer('tick', { schedule: '0 0 0 1 1 *', handler: (timer) => void timers.push(timer) });
  await using running = await runApp();
  expect((await runByHand(running, 'tick', {})).status).toBe(202);
  await until(() => timers.length === 1);
  expect(timers[0]).toMatchObject({ isPastDue: false, scheduleStatus: { last: '0001-01-01T00:00:00+00:00' } });
});

test('an Event Hubs function gets one event with the input as its body', async () => {
  const calls: { messages: unknown; context: InvocationContext }[] = [];
  const connection = { connection: 'HUB', eventHubName: 'hub' } as const;
  app.eventHub('many', {
    ...connection,
    cardinality: 'many',
    handler: (messages, context) => void calls.push({ messages, context }),
  });
  await using running = await runApp({ environment: { HUB, 'AzureWebJobs.many.Disabled': 'true' } });
  expect((await runByHand(running, 'many', { input: '{"t":1}' })).status).toBe(202);
  await until(() => calls.length === 1);
  expect(calls[0]?.messages).toEqual([{ t: 1 }]);
  expect(calls[0]?.context.triggerMetadata).toMatchObject({
    sequenceNumberArray: [{ low: 0, high: -(2 ** 31), unsigned: false }],
  });
});

test('a Cosmos DB function gets the documents of the input, and nothing else will do', async () => {
  const batches: unknown[] = [];
  app.cosmosDB('feed', {
    connection: 'STORE',
    databaseName: 'd',
    containerName: 'c',
    handler: (documents: unknown[]) => void batches.push(documents),
  });
  await using running = await runApp({ environment: { STORE, 'AzureWebJobs.feed.Disabled': 'true' } });
  expect((await runByHand(running, 'feed', { input: '[{"id":"1"}]' })).status).toBe(202);
  await until(() => batches.length === 1);
  expect(batches).toEqual([[{ id: '1' }]]);
  const refused = await runByHand(running, 'feed', { input: '{"id":"1"}' });
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { message: 'input must be the text of a JSON array of documents.' },
  ]);
});

test('what cannot be run by hand is refused with the reason', async () => {
  app.http('web', { handler: () => ({}) });
  app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => {} });
  await using running = await runApp();
  const http = await runByHand(running, 'web', { input: '' });
  expect([http.status, await http.json()]).toEqual([400, { message: "'web' is an HTTP function: call its own URL." }]);
  expect((await runByHand(running, 'tick', { input: { not: 'a text' } })).status).toBe(400);
  expect((await runByHand(running, 'tick', 'input', 'text/plain')).status).toBe(415);
  expect((await runByHand(running, 'tick', { input: 'x'.repeat(2 * 1024 * 1024) })).status).toBe(413);
});

test('with keys on it asks for the master key; the ping does not', async () => {
  app.http('web', { handler: () => ({}) });
  await using running = await runApp({ enableAuth: true });
  const { masterKey, hostKeys } = JSON.parse(readFileSync(join(running.folder.dataFolder, 'keys.json'), 'utf8')) as {
    masterKey: string;
    hostKeys: { default: string };
  };
  const status = async (key?: string) =>
    (await get(running, '/admin/functions', key === undefined ? {} : { headers: { 'x-functions-key': key } })).status;
  expect([await status(), await status(hostKeys.default), await status(masterKey)]).toEqual([401, 401, 200]);
  expect((await get(running, '/admin/host/ping')).status).toBe(200);
});

test('a disabled function has no route and no trigger, but runs by hand; host.json may name those that run at all', async () => {
  let runs = 0;
  app.http('web', { handler: () => ({ body: 'hello' }) });
  app.timer('tick', { schedule: '* * * * * *', runOnStartup: true, handler: () => void (runs += 1) });
  app.http('other', { handler: () => ({ body: 'hello' }) });
  using folder = appFolder({ functions: ['Web', 'tick'] });
  await using running = await runApp({
    folder,
    environment: { 'AzureWebJobs.web.Disabled': '1', AzureWebJobs__tick__Disabled: 'True' },
  });
  expect(running.host.functions).toEqual(['tick', 'web']);
  expect((await get(running, '/api/web')).status).toBe(404);
  expect((await get(running, '/api/other')).status).toBe(404);
  expect(runs).toBe(0);
  await runByHand(running, 'tick', {});
  await until(() => runs === 1);
});
