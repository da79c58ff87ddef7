import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { subscribe } from 'node:diagnostics_channel';
import { app } from '@azure/functions';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type FunctionsHost, startHost } from '../../../local/host/host.ts';
import { appFolder } from '../../support/app-folder.ts';

const folder = appFolder({ extensions: { http: { customHeaders: { 'x-content-type-options': 'nosniff' } } } });
const log: string[] = [];
let host: FunctionsHost;
let feed = Promise.withResolvers<void>();

app.setup({ enableHttpStream: true });
app.http('echo', {
  methods: ['GET', 'POST'],
  route: 'echo/{id?}',
  handler: async (request) => ({
    jsonBody: {
      url: request.url,
      params: request.params,
      headers: [...request.headers.keys()],
      authorization: request.headers.get('authorization'),
      query: [...request.query],
      body: request.method === 'POST' ? await request.text() : undefined,
    },
  }),
});
app.http('throws', { handler: () => Promise.reject(new Error('no luck')) });
app.http('silent', { handler: () => undefined as never });
app.http('text', { handler: () => 'just a text' as never });
app.http('fed', {
  handler: () => ({
    headers: {
      'content-type': 'text/event-stream',
      te: 'trailers',
      'keep-alive': 'timeout=1',
      connection: 'x-listed',
      'x-listed': 'of the hop alone',
    },
    cookies: [
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ],
    body: ReadableStream.from(
      (async function* () {
        yield ': ok\n\n';
        await feed.promise;
        yield 'data: fed\n\n';
      })(),
    ),
  }),
});
app.http('traced', { handler: (_, context) => ({ jsonBody: context.traceContext }) });
app.http('hesitates', {
  handler: () => ({
    body: ReadableStream.from(
      (async function* () {
        await feed.promise;
        yield 'at last';
      })(),
    ),
  }),
});
app.http('breaks', {
  handler: () => ({
    body: ReadableStream.from(
      (async function* () {
        yield 'first';
        await feed.promise;
        throw new Error('broke in the middle');
      })(),
    ),
  }),
});

beforeAll(async () => {
  host = await startHost({
    appFolder: folder.path,
    dataFolder: folder.dataFolder,
    writeLog: (line) => log.push(line),
    activityTimeoutMs: 60_000,
  });
});
afterAll(async () => {
  await host.close();
  folder[Symbol.dispose]();
});

test('bytes flow as soon as they are written, headers with the first of them', async () => {
  feed = Promise.withResolvers();
  const response = await fetch(`${host.url}/api/fed`);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(new TextDecoder().decode(first?.value)).toBe(': ok\n\n');
  feed.resolve();
  const second = await reader?.read();
  expect(new TextDecoder().decode(second?.value)).toBe('data: fed\n\n');
  expect((await reader?.read())?.done).toBe(true);
});

test('hop-by-hop headers of the function are dropped, cookies stay apart, host.json headers and the id are added', async () => {
  feed = Promise.withResolvers();
  feed.resolve();
  const response = await fetch(`${host.url}/api/fed`);
  await response.text();
  expect(response.headers.get('te')).toBeNull();
  expect(response.headers.get('x-listed')).toBeNull();
  expect(response.headers.getSetCookie()).toHaveLength(2);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('x-ms-invocation-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test('a client that leaves is seen at the socket of the hop within a second', async () => {
  feed = Promise.withResolvers();
  const closed = Promise.withResolvers<void>();
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: NodeJS.EventEmitter };
    if (request.headers['x-ms-invocation-id'] !== undefined) response.once('close', () => closed.resolve());
  });
  const abort = new AbortController();
  const response = await fetch(`${host.url}/api/fed`, { signal: abort.signal });
  await response.body?.getReader().read();
  const leftAt = performance.now();
  abort.abort();
  await closed.promise;
  expect(performance.now() - leftAt).toBeLessThan(1000);
  feed.resolve();
});

test.each(['throws', 'silent', 'text'])('a handler that %s is answered with 500 at once, and loudly', async (name) => {
  log.length = 0;
  const response = await fetch(`${host.url}/api/${name}`);
  expect(response.status).toBe(500);
  expect(await response.text()).toBe('');
  expect(log.join('\n')).toContain('On the platform its caller now hangs');
});

test('a body that breaks in the middle cuts the connection', async () => {
  feed = Promise.withResolvers();
  const response = await fetch(`${host.url}/api/breaks`);
  feed.resolve();
  await expect(response.text()).rejects.toThrow('terminated');
});

test('params carry every query value and every scalar of a JSON body; a route value wins, in the spelling of the first', async () => {
  const response = await fetch(`${host.url}/api/echo/7?role=admin&ID=forged`, {
    method: 'POST',
    body: JSON.stringify({ tenant: 'x', deep: { no: 1 }, list: [1], on: true }),
  });
  const { params, body } = (await response.json()) as { params: object; body: string };
  expect(params).toEqual({ tenant: 'x', on: 'True', role: 'admin', ID: '7' });
  expect(JSON.parse(body)).toEqual({ tenant: 'x', deep: { no: 1 }, list: [1], on: true });
});

test('?Headers= replaces every header that the function sees; in another casing all vanish', async () => {
  const forged = encodeURIComponent(JSON.stringify({ authorization: 'Bearer forged' }));
  const options = { headers: { authorization: 'Bearer real' } };
  const replaced = await (await fetch(`${host.url}/api/echo?Headers=${forged}`, options)).json();
  expect(replaced).toMatchObject({ authorization: 'Bearer forged', headers: ['authorization'] });
  const vanished = await (await fetch(`${host.url}/api/echo?headers=x`, options)).json();
  expect(vanished).toMatchObject({ authorization: null, headers: [] });
});

test('repeated query values stay apart, the URL is the one the client used', async () => {
  const answer = (await (await fetch(`${host.url}/api/echo?a=1&a=2`)).json()) as { url: string; query: unknown };
  expect(answer.query).toEqual([
    ['a', '1'],
    ['a', '2'],
  ]);
  expect(answer.url).toBe(`${host.url}/api/echo?a=1&a=2`);
});

test('an invocation id sent by a client does not reach the hop', async () => {
  const response = await fetch(`${host.url}/api/echo`, { headers: { 'x-ms-invocation-id': 'mine' } });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-ms-invocation-id')).not.toBe('mine');
});

test('a chunked body is passed on as it comes and does not become binding data', async () => {
  const request = httpRequest(`${host.url}/api/echo`, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
  request.write('{"a":');
  request.end('1}');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await response.toArray()).toString();
  expect(JSON.parse(text)).toMatchObject({ body: '{"a":1}', params: {} });
});

test('an invocation continues the trace of its caller', async () => {
  const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const response = await fetch(`${host.url}/api/traced`, { headers: { traceparent: caller, tracestate: 'a=1' } });
  const { traceParent, traceState } = (await response.json()) as { traceParent: string; traceState: string };
  expect(traceParent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  expect(traceParent).not.toBe(caller);
  expect(traceState).toBe('a=1');
});

test('headers leave only with the first chunk of the body', async () => {
  feed = Promise.withResolvers();
  let answered = false;
  const response = fetch(`${host.url}/api/hesitates`).then((answer) => {
    answered = true;
    return answer;
  });
  await fetch(`${host.url}/api/echo`);
  expect(answered).toBe(false);
  feed.resolve();
  expect((await response).status).toBe(200);
});
