import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { functionsHostTarget } from '../target.ts';

const { url, key, bufferedUrl } = functionsHostTarget();

const text = async (path: string, init?: RequestInit) => (await fetch(`${url}/api/${path}`, init)).text();
const status = async (path: string, init?: RequestInit, base = url) => {
  const response = await fetch(`${base}/api/${path}`, init);
  const body = await response.text();
  return [response.status, body];
};

interface Echo {
  method: string;
  params: Record<string, string>;
  query: [string, string][];
  authorization: string | null;
  trace: string;
  body: string | null;
}
const echo = async (path: string, init?: RequestInit, base = url) =>
  (await (await fetch(`${base}/api/echo/${path}`, init)).json()) as Echo;

describe('routes', () => {
  test('a route binds its parameters, below /api', async () => {
    expect(await text('hello/you')).toBe('hello you');
    expect((await fetch(`${url}/hello/you`)).status).toBe(404);
  });

  test('the first function by name answers, not the most specific', async () => {
    expect(await text('order/special')).toBe('any');
  });

  test('a verb that no function has is 404, not 405; another function of the route has it', async () => {
    expect(await status('order/special', { method: 'DELETE' })).toEqual([404, '']);
    expect(await text('order/special', { method: 'PUT' })).toBe('put');
  });

  test('literals match in any case', async () => {
    expect(await text('HELLO/You')).toBe('hello You');
  });

  test('constraints decide whether a route matches', async () => {
    expect(await text('number/5')).toBe('n=5');
    expect((await status('number/4'))[0]).toBe(404);
    expect((await status('number/five'))[0]).toBe(404);
  });

  test('defaults fill in, and the rest is taken whole', async () => {
    expect(JSON.parse(await text('rest'))).toMatchObject({ first: 'none' });
    expect(JSON.parse(await text('rest/a/b/c'))).toMatchObject({ first: 'a', rest: 'b/c' });
  });
});

describe('keys', () => {
  test('the level function wants a key, by header or query', async () => {
    expect(await status('keyed')).toEqual([401, '']);
    expect(await status('keyed', { headers: { 'x-functions-key': 'wrong' } })).toEqual([401, '']);
    expect(await status('keyed', { headers: { 'x-functions-key': key } })).toEqual([200, 'opened']);
    expect(await status(`keyed?code=${encodeURIComponent(key)}`)).toEqual([200, 'opened']);
  });

  test('the level admin wants the master key', async () => {
    expect(await status('guarded', { headers: { 'x-functions-key': key } })).toEqual([401, '']);
  });

  test('the host’s own status wants the master key as well', async () => {
    expect((await fetch(`${url}/admin/host/status`, { headers: { 'x-functions-key': key } })).status).toBe(401);
    expect((await fetch(`${url}/admin/host/ping`)).status).toBe(200);
  });
});

describe('streamed', () => {
  test('an answer keeps its status, own headers and cookies; hop-by-hop headers are dropped', async () => {
    const response = await fetch(`${url}/api/echo`);
    await response.text();
    expect(response.status).toBe(201);
    expect(response.headers.get('x-own')).toBe('kept');
    expect(response.headers.getSetCookie().map((cookie) => cookie.split(';')[0])).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('te')).toBeNull();
    expect(response.headers.get('x-ms-invocation-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('the first bytes arrive while the function still runs', async () => {
    const name = randomUUID();
    const response = await fetch(`${url}/api/drip/${name}`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe('data: first\n\n');
    await fetch(`${url}/api/go-on/${name}`, { method: 'POST' });
    expect((await reader?.read())?.value).toBe('data: second\n\n');
    expect((await reader?.read())?.done).toBe(true);
  });

  test('params carry every query value and every scalar of a JSON body; a route value wins', async () => {
    const { params } = await echo('7?id=8&q=9', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"id":"10","b":11,"o":{}}',
    });
    expect(params).toMatchObject({ id: '7', q: '9', b: '11' });
    expect(params).not.toHaveProperty('o');
  });

  test('?Headers= replaces every header that the function sees', async () => {
    const forged = encodeURIComponent('{"authorization":"forged"}');
    expect((await echo(`?Headers=${forged}`, { headers: { authorization: 'true' } })).authorization).toBe('forged');
    expect((await echo('', { headers: { authorization: 'true' } })).authorization).toBe('true');
  });

  test('repeated query values stay apart', async () => {
    expect((await echo('?a=1&a=2')).query).toEqual([
      ['a', '1'],
      ['a', '2'],
    ]);
  });

  test('a chunked body is read by the function and becomes no parameter', async () => {
    const body = new Blob(['{"b":1}']).stream();
    const got = await echo('', { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(got.body).toBe('{"b":1}');
    expect(got.params).not.toHaveProperty('b');
  });

  test('an invocation id of the client’s own does no harm', async () => {
    const headers = { 'x-ms-invocation-id': randomUUID() };
    const response = await fetch(`${url}/api/echo`, { headers });
    await response.text();
    expect(response.status).toBe(201);
    expect(response.headers.get('x-ms-invocation-id')).not.toBe(headers['x-ms-invocation-id']);
  });

  test('an invocation goes on with the trace of its caller', async () => {
    const trace = 'ab'.repeat(16);
    const { trace: got } = await echo('', { headers: { traceparent: `00-${trace}-${'cd'.repeat(8)}-01` } });
    expect(got).toContain(trace);
  });

  test('hooks run around the handler and may replace its result', async () => {
    expect(await text('hooked')).toBe('before, handler, after');
  });
});

describe('buffered', () => {
  test('nothing returned is 204, something thrown an empty 500', async () => {
    expect(await status('nothing', {}, bufferedUrl)).toEqual([204, '']);
    expect(await status('throws', {}, bufferedUrl)).toEqual([500, '']);
  });

  test('params are those of the route alone', async () => {
    const { params, authorization } = await echo(
      '7?q=9&Headers={}',
      { headers: { authorization: 'true' } },
      bufferedUrl,
    );
    expect([params, authorization]).toEqual([{ id: '7' }, 'true']);
  });

  test('repeated query values are joined', async () => {
    expect((await echo('?a=1&a=2', {}, bufferedUrl)).query).toEqual([['a', '1,2']]);
  });
});

test('a body above the limit of 100 MB is 413', async () => {
  const make = url.startsWith('https') ? httpsRequest : httpRequest;
  const request = make(`${url}/api/echo`, { method: 'POST', headers: { 'content-length': 104_857_601 } });
  const answer = new Promise<number | undefined>((resolve, reject) => {
    request.on('response', ({ statusCode }) => resolve(statusCode));
    request.on('error', reject);
  });
  request.write('x');
  expect(await answer).toBe(413);
  request.destroy();
});
