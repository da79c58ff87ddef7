import { createConnection } from 'node:net';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { app } from '@azure/functions';
import { metrics } from '@opentelemetry/api';
import { beforeEach, expect, test } from '@jest/globals';
import { appFolder } from '../../support/app-folder.ts';
import { emptyApp, runApp } from '../../support/functions-app.ts';

beforeEach(emptyApp);

const says = (body: string) => ({ handler: () => ({ body }) });
const text = async (url: string, init?: RequestInit): Promise<string> => (await fetch(url, init)).text();
const status = async (url: string, init?: RequestInit): Promise<number> => {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
};

test('the first function by name wins, not the most specific route', async () => {
  app.http('b-special', { route: 'things/special', ...says('special') });
  app.http('A-any', { route: 'things/{id}', ...says('any') });
  await using running = await runApp();
  expect(await text(`${running.host.url}/api/things/special`)).toBe('any');
});

test('names are ordered without case, by their characters: - before _', async () => {
  app.http('a_one', { route: 'x', ...says('_') });
  app.http('A-one', { route: 'x', ...says('-') });
  await using running = await runApp();
  expect(await text(`${running.host.url}/api/x`)).toBe('-');
  expect(running.host.functions).toEqual(['A-one', 'a_one']);
});

test('literals match in any case, a wrong verb is 404, an unknown path is 404', async () => {
  app.http('post-only', { route: 'Items/New', methods: ['POST'], ...says('made') });
  await using running = await runApp();
  expect(await text(`${running.host.url}/API/iTEMS/nEW/`, { method: 'POST' })).toBe('made');
  expect(await status(`${running.host.url}/api/items/new`)).toBe(404);
  expect(await status(`${running.host.url}/api/nothing`)).toBe(404);
  expect(await status(`${running.host.url}/items/new`, { method: 'POST' })).toBe(404);
});

test('another function with the same route answers the other verb', async () => {
  app.http('a-get', { route: 'both', methods: ['GET'], ...says('get') });
  app.http('b-put', { route: 'both', methods: ['PUT'], ...says('put') });
  await using running = await runApp();
  expect(await text(`${running.host.url}/api/both`)).toBe('get');
  expect(await text(`${running.host.url}/api/both`, { method: 'PUT' })).toBe('put');
});

test('the request has its parts; repeated query values are joined by a comma', async () => {
  app.http('echo', {
    route: 'echo/{id:int}/{*rest}',
    methods: ['POST'],
    handler: async (request) => ({
      status: 201,
      jsonBody: {
        method: request.method,
        url: request.url,
        params: request.params,
        query: [...request.query],
        custom: request.headers.get('x-custom'),
        body: await request.json(),
      },
      headers: { 'x-answer': 'yes' },
      cookies: [
        { name: 'sid', value: 'a b', httpOnly: true, secure: true, sameSite: 'Strict', maxAge: 60, path: '/x' },
      ],
    }),
  });
  await using running = await runApp();
  const url = `${running.host.url}/api/echo/42/a/b%20c?x=1&x=2&y=`;
  const response = await fetch(url, { method: 'POST', body: '{"n":1}', headers: { 'x-custom': 'v' } });
  expect(response.status).toBe(201);
  expect(response.headers.get('x-answer')).toBe('yes');
  expect(response.headers.getSetCookie()).toEqual([
    'sid=a%20b; max-age=60; path=/x; secure; samesite=strict; httponly',
  ]);
  expect(await response.json()).toEqual({
    method: 'POST',
    url,
    params: { id: '42', rest: 'a/b c' },
    query: [
      ['x', '1,2'],
      ['y', ''],
    ],
    custom: 'v',
    body: { n: 1 },
  });
  expect(await status(`${running.host.url}/api/echo/no-number/a`, { method: 'POST', body: '{}' })).toBe(404);
});

test('nothing returned is 204, something thrown is an empty 500', async () => {
  app.http('nothing', { handler: () => undefined as never });
  app.http('throws', { handler: () => Promise.reject(new Error('secret detail')) });
  await using running = await runApp();
  expect(await status(`${running.host.url}/api/nothing`)).toBe(204);
  const response = await fetch(`${running.host.url}/api/throws`);
  expect([response.status, await response.text()]).toEqual([500, '']);
  expect(running.log.join('\n')).toContain("Executed 'Functions.throws' (Failed");
});

test('a body above the limit is 413, announced or not; the function does not run', async () => {
  let ran = 0;
  app.http('eats', {
    methods: ['POST'],
    handler: async (request) => {
      ran += 1;
      return { body: String((await request.text()).length) };
    },
  });
  await using running = await runApp({ environment: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '1000' } });
  const url = `${running.host.url}/api/eats`;
  expect(await text(url, { method: 'POST', body: 'x'.repeat(1000) })).toBe('1000');
  expect(await status(url, { method: 'POST', body: 'x'.repeat(1001) })).toBe(413);
  const chunked = httpRequest(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
  chunked.write('x'.repeat(800));
  chunked.end('x'.repeat(800));
  const [response] = (await once(chunked, 'response')) as [IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(413);
  expect(ran).toBe(1);
});

test('keys are asked for only with enableAuth, by header or ?code=, by level', async () => {
  app.http('anonymous', { authLevel: 'anonymous', ...says('ok') });
  app.http('function', { authLevel: 'function', ...says('ok') });
  app.http('admin-only', { authLevel: 'admin', ...says('ok') });
  {
    await using open = await runApp();
    expect(await status(`${open.host.url}/api/admin-only`)).toBe(200);
  }
  using folder = appFolder();
  await using running = await runApp({ enableAuth: true, folder });
  const file = join(folder.dataFolder, 'keys.json');
  const keys = JSON.parse(readFileSync(file, 'utf8')) as { masterKey: string; hostKeys: { default: string } };
  expect(statSync(file).mode & 0o077).toBe(0);
  const url = `${running.host.url}/api`;
  const withKey = (key: string) => ({ headers: { 'x-functions-key': key } });
  expect(await status(`${url}/anonymous?code=whatever`)).toBe(200);
  expect(await status(`${url}/function`)).toBe(401);
  expect(await status(`${url}/function?code=wrong`)).toBe(401);
  expect(await status(`${url}/function?code=${keys.hostKeys.default}`)).toBe(200);
  expect(await status(`${url}/function`, withKey(keys.masterKey))).toBe(200);
  expect(await status(`${url}/admin-only`, withKey(keys.hostKeys.default))).toBe(401);
  expect(await status(`${url}/admin-only`, withKey(keys.masterKey))).toBe(200);
});

test('CORS of local.settings.json: preflights are answered, origins echoed, others left alone', async () => {
  app.http('one', { methods: ['GET'], ...says('ok') });
  using folder = appFolder({}, { Host: { CORS: 'https://a.example, https://b.example', CORSCredentials: true } });
  await using running = await runApp({ folder });
  const url = `${running.host.url}/api/one`;
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://b.example',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
  });
  expect(preflight.status).toBe(204);
  expect(Object.fromEntries(preflight.headers)).toMatchObject({
    'access-control-allow-origin': 'https://b.example',
    'access-control-allow-methods': 'GET',
    'access-control-allow-headers': 'authorization',
    'access-control-allow-credentials': 'true',
  });
  const other = await fetch(url, { headers: { origin: 'https://evil.example' } });
  expect(other.headers.get('access-control-allow-origin')).toBeNull();
});

test('maxOutstandingRequests answers 429, maxConcurrentRequests makes others wait', async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  app.http('slow', {
    handler: async () => {
      running += 1;
      most = Math.max(most, running);
      await gate.promise;
      running -= 1;
      return { body: 'ok' };
    },
  });
  const hostJson = { extensions: { http: { maxOutstandingRequests: 3, maxConcurrentRequests: 1 } } };
  await using living = await runApp({ hostJson });
  const url = `${living.host.url}/api/slow`;
  const answers = [1, 2, 3, 4].map(() => status(url));
  expect(await Promise.race(answers)).toBe(429);
  gate.resolve();
  expect((await Promise.all(answers)).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 429]);
  expect(most).toBe(1);
});

test('settings of host.json can be overridden and name other settings', async () => {
  app.http('one', says('ok'));
  using folder = appFolder({
    extensions: { http: { routePrefix: '%PREFIX%', customHeaders: { 'x-from': '%NAME%' } } },
  });
  const environment = {
    PREFIX: 'ignored',
    NAME: 'settings',
    AzureFunctionsJobHost__extensions__http__routePrefix: 'v2',
  };
  await using running = await runApp({ folder, environment });
  const response = await fetch(`${running.host.url}/v2/one`);
  expect([response.status, response.headers.get('x-from')]).toEqual([200, 'settings']);
});

test.each([
  ['items/{id', 'a brace without its partner'],
  ['items/{id}/{ID}', 'the parameter {id} appears twice'],
  ['items/{*rest}/more', 'must be the whole last segment'],
  ['items/{id:nonsense}', 'the constraint "nonsense" is not known'],
  ['a//b', 'an empty segment'],
  ['admin/things', 'conflicts with routes of the host'],
])('the route %s is refused at the start: %s', async (route, message) => {
  app.http('bad', { route, ...says('no') });
  await expect(runApp({ hostJson: { extensions: { http: { routePrefix: '' } } } })).rejects.toThrow(message);
});

test('GET /metrics gives what the app measured through the OpenTelemetry API', async () => {
  app.http('counts', {
    handler: () => {
      metrics.getMeter('test').createCounter('things_seen', { description: 'Things' }).add(2, { kind: 'a' });
      return { body: 'ok' };
    },
  });
  await using running = await runApp();
  await fetch(`${running.host.url}/api/counts`);
  expect(await text(`${running.host.url}/metrics`)).toMatch(/^things_seen_total\{.*kind="a".*\} 2$/m);
});

test.each([
  ['random bytes', '\u0001\u0002\u0003\r\n\r\n'],
  ['a header that is none', 'GET /api/one HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n'],
  ['a Host that is no host', 'GET /api/one HTTP/1.1\r\nHost: a b{}\r\n\r\n'],
  ['two lengths', 'POST /api/one HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
])('%s are answered with 400 and the host lives on', async (_, bytes) => {
  app.http('one', says('ok'));
  await using running = await runApp();
  const socket = createConnection(Number(new URL(running.host.url).port), '127.0.0.1');
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
  expect(await text(`${running.host.url}/api/one`)).toBe('ok');
});

test('hsts goes to HTTPS callers by a name, never to loopback or an excluded host', async () => {
  app.http('web', { handler: () => ({}) });
  const hsts = { isEnabled: true, maxAge: '365', includeSubDomains: true, excludedHosts: ['plain.example'] };
  await using running = await runApp({ hostJson: { extensions: { http: { hsts } } } });
  const header = async (host: string, proto: string) => {
    const headers = { host, 'x-forwarded-proto': proto };
    const request = httpRequest(`${running.host.url}/api/web`, { headers }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    return response.headers['strict-transport-security'];
  };
  expect(await header('api.example:443', 'https')).toBe('max-age=31536000; includeSubDomains');
  expect(await header('api.example', 'http')).toBeUndefined();
  expect(await header('localhost:7071', 'https')).toBeUndefined();
  expect(await header('Plain.Example', 'https')).toBeUndefined();
});
