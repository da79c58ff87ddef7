import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { EventHubProducerClient } from '@azure/event-hubs';
import { app } from '@azure/functions';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import { appFolder } from '../../support/app-folder.ts';
import { type RunningApp, emptyApp, runApp, until } from '../../support/functions-app.ts';
import { hostChild } from '../../support/host-child.ts';

const hubs = await startEventHubs({
  hubs: ['a', 'b', 'c'].map((name) => ({ name, partitionCount: 1, retentionHours: 1, consumerGroups: [] })),
});

beforeEach(emptyApp);
afterAll(() => hubs.close());

const faults = async (running: { host: { url: string } }, body?: unknown, init: RequestInit = {}) => {
  const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`${running.host.url}/$faults`, { ...post, ...init });
  const answer = (await response.json()) as { message?: string; rules: unknown[]; counts: object };
  return { status: response.status, ...answer };
};
const status = async (running: RunningApp, name: string) => {
  const response = await fetch(`${running.host.url}/api/${name}`);
  await response.arrayBuffer();
  return response.status;
};

async function send(hub: string, count: number): Promise<void> {
  const producer = new EventHubProducerClient(hubs.connectionString, hub);
  await producer.sendBatch(Array.from({ length: count }, (_, n) => ({ body: { n } })));
  await producer.close();
}

/** A function that writes down its batches, tried again without end. */
function reader(hub: string): number[][] {
  const batches: number[][] = [];
  app.eventHub('reader', {
    connection: 'HUB',
    eventHubName: hub,
    cardinality: 'many',
    retry: { strategy: 'fixedDelay', delayInterval: { seconds: 0 }, maxRetryCount: -1 },
    handler: (messages) => void batches.push((messages as { n: number }[]).map(({ n }) => n)),
  });
  return batches;
}

describe('invocations', () => {
  test('the next of one function fail, as often as was asked, and no other', async () => {
    let runs = 0;
    app.http('struck', { handler: () => ({ body: `${(runs += 1)}` }) });
    app.http('spared', { handler: () => ({}) });
    await using running = await runApp();
    await faults(running, { kind: 'fail', function: 'Struck', after: 1, count: 2 });
    const seen = [];
    for (let call = 0; call < 4; call += 1) seen.push(await status(running, 'struck'));
    expect(seen).toEqual([200, 500, 500, 200]);
    expect(await status(running, 'spared')).toBe(200);
    expect(runs).toBe(2);
    expect(await faults(running)).toMatchObject({ rules: [], counts: { fail: 2 } });
  });

  test('the same seed strikes the same invocations', async () => {
    app.http('web', { handler: () => ({}) });
    await using running = await runApp();
    const run = async (seed: number) => {
      await faults(running, undefined, { method: 'DELETE' });
      await faults(running, { kind: 'throttle', probability: 0.5, count: -1, seed });
      const seen = [];
      for (let call = 0; call < 20; call += 1) seen.push(await status(running, 'web'));
      return seen.join();
    };
    const first = await run(7);
    expect(first).toContain('429');
    expect(first).toContain('200');
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
  });

  test('a lost result: the batch was done, counts as failed, and is done again', async () => {
    const batches = reader('a');
    await using running = await runApp({ environment: { HUB: hubs.connectionString } });
    await faults(running, { kind: 'lose-result', function: 'reader' });
    await send('a', 3);
    await until(() => batches.length === 2);
    expect(batches).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });

  test('a batch is delivered twice, and late, on request', async () => {
    const batches = reader('b');
    await using running = await runApp({ environment: { HUB: hubs.connectionString } });
    await faults(running, [
      { kind: 'delay', delayMs: 600_000, function: 'reader' },
      { kind: 'duplicate', function: 'reader' },
    ]);
    await send('b', 2);
    await until(async () => (await faults(running)).rules.length === 0);
    expect(batches).toEqual([]);
    await faults(running, { kind: 'clock', advanceMs: 600_000 });
    await until(() => batches.length === 2);
    expect(batches).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });
});

describe('HTTP', () => {
  test('a throttled request is told when to come back, and the function does not run', async () => {
    let runs = 0;
    app.http('web', { handler: () => ({ body: `${(runs += 1)}` }) });
    await using running = await runApp();
    await faults(running, { kind: 'throttle', retryAfterSeconds: 3 });
    const refused = await fetch(`${running.host.url}/api/web`);
    expect([refused.status, refused.headers.get('retry-after'), runs]).toEqual([429, '3', 0]);
    expect(await status(running, 'web')).toBe(200);
  });

  test('a dropped answer: the function ran, its caller cannot know', async () => {
    let runs = 0;
    app.http('web', { handler: () => ({ body: `${(runs += 1)}` }) });
    await using running = await runApp();
    await faults(running, { kind: 'drop' });
    await expect(fetch(`${running.host.url}/api/web`)).rejects.toThrow('fetch failed');
    expect(runs).toBe(1);
    expect(await status(running, 'web')).toBe(200);
  });

  test('every connection is cut, also one that waits for its answer', async () => {
    let reached = false;
    app.http('web', {
      handler: async () => {
        reached = true;
        await until(() => !reached);
        return {};
      },
    });
    await using running = await runApp();
    const request = httpRequest(`${running.host.url}/api/web`).end();
    const broken = once(request, 'error');
    await until(() => reached);
    // Its own connection goes with the others.
    await faults(running, { kind: 'cut' }).catch(() => {});
    expect(await broken).toMatchObject([{ code: 'ECONNRESET' }]);
    reached = false;
  });

  test('a timer comes due when the clock is moved', async () => {
    let runs = 0;
    app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => void (runs += 1) });
    await using running = await runApp();
    await until(async () => {
      await faults(running, { kind: 'clock', advanceMs: 366 * 24 * 60 * 60 * 1000 });
      return runs > 0;
    });
    expect(runs).toBeGreaterThan(0);
  });
});

describe('the process', () => {
  test('kill: at once, and between the handler and the answer', async () => {
    using folder = appFolder({ extensions: { http: { routePrefix: '' } } });
    const main = fileURLToPath(new URL('apps/recorder.ts', import.meta.url));
    const child = () => hostChild({ folder, main, env: { NOTES: `${folder.path}/notes` } });
    await using first = await child();
    await fetch(`${first.url}/$faults`, { method: 'POST', body: '{"kind":"kill"}' }).catch(() => {});
    expect(await first.exited).toBe('SIGKILL');
    await using second = await child();
    const rule = { kind: 'kill-after', function: 'hello', after: 1 };
    await fetch(`${second.url}/$faults`, { method: 'POST', body: JSON.stringify(rule) });
    expect((await fetch(`${second.url}/hello`)).status).toBe(200);
    await expect(fetch(`${second.url}/hello`)).rejects.toThrow('fetch failed');
    expect(await second.exited).toBe('SIGKILL');
  });
});

describe('what makes no sense is refused, naming field and rule', () => {
  test.each([
    ['an unknown kind', { kind: 'burn' }, /kind: .*of cut, kill, clock, fail, lose-result/],
    ['no kind', {}, /kind: /],
    ['nothing', null, /A fault: /],
    ['a chance above 1', { kind: 'fail', probability: 2 }, /probability: /],
    ['a negative count', { kind: 'fail', count: -2 }, /count: /],
    ['an unknown field', { kind: 'fail', Function: 'x' }, /Function/],
    ['a clock without a distance', { kind: 'clock' }, /advanceMs: /],
    ['a delay of days', { kind: 'delay', delayMs: 1e9 }, /delayMs: /],
    ['too many rules', Array.from({ length: 1001 }, () => ({ kind: 'fail' })), /1000 rules/],
  ])('%s', async (_, body, message) => {
    await using running = await runApp();
    const refused = await faults(running, body);
    expect(refused.status).toBe(400);
    expect(refused.message).toMatch(message);
    expect((await faults(running)).rules).toEqual([]);
  });

  test('not JSON, another verb, a web page', async () => {
    await using running = await runApp();
    expect(await faults(running, undefined, { method: 'POST', body: '{' })).toMatchObject({ status: 400 });
    expect(await faults(running, undefined, { method: 'PUT' })).toMatchObject({ status: 405 });
    expect(await faults(running, { kind: 'kill' }, { headers: { origin: 'http://evil.example' } })).toMatchObject({
      status: 403,
    });
  });
});
