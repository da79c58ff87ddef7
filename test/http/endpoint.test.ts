import { describe, expect, test } from '@jest/globals';
import { HttpRequest, type HttpHandler, type HttpRequestInit } from '@azure/functions';
import { z } from 'zod';
import { jsonBody } from '../../shared/http/body.ts';
import { endpoint, endpoints, operation } from '../../shared/http/endpoint.ts';
import { Problem } from '../../shared/http/problem.ts';

const handler = endpoints('v1/things/{id}', {
  GET: operation({ query: z.object({ filter: z.string().optional() }) }, async ({ params, query }) => ({
    jsonBody: { ...params, ...query },
  })),
  POST: operation(
    { body: jsonBody(z.strictObject({ name: z.string().max(5), size: z.number().optional() }), 1000) },
    async ({ body }) => ({ status: 201, jsonBody: body }),
  ),
  DELETE: operation({}, () => Promise.reject(new Error('boom: secret-in-message'))),
  PUT: operation({}, () => Promise.reject(Object.assign(new Error('busy'), { code: 429 }))),
  // A handler that breaks its type, as plain JavaScript could.
  PATCH: operation({}, () => Promise.resolve(undefined as never)),
});

async function call(init: HttpRequestInit, serve: HttpHandler = handler) {
  const request = new HttpRequest({ method: 'GET', ...init, url: `http://localhost${init.url ?? '/v1/things/1'}` });
  const response = await serve(request, undefined as never);
  const headers = new Headers(response.headers as Headers);
  const text = typeof response.body === 'string' ? response.body : '';
  return { status: response.status ?? 200, headers, body: text === '' ? undefined : JSON.parse(text) };
}
const post = (body: string | Uint8Array, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  call({ method: 'POST', headers, body: typeof body === 'string' ? { string: body } : { bytes: body } });

describe('routing', () => {
  test('path parameters come from the real path, whatever the platform mixed into params', async () => {
    const { body } = await call({ url: '/v1/things/a%2Fb', params: { id: 'forged' } });
    expect(body).toEqual({ id: 'a/b' });
  });

  test('a verb that is not served is 405 with Allow, and HEAD and OPTIONS are', async () => {
    const only = endpoint({ route: 'x' }, async () => ({ jsonBody: { ok: true } }));
    const wrong = await call({ url: '/x', method: 'POST' }, only);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect(wrong.body.type).toBe('urn:sluice:problem:method-not-allowed');
    const head = await call({ url: '/x', method: 'HEAD' }, only);
    expect([head.status, head.body, head.headers.get('content-type')]).toEqual([200, undefined, 'application/json']);
    expect(await call({ url: '/x', method: 'OPTIONS' }, only)).toMatchObject({ status: 204 });
  });

  test.each(['constructor', '__proto__'])('the verb %s is not found on a prototype', async (method) => {
    expect(await call({ method })).toMatchObject({ status: 405 });
  });

  test.each(['/v1/things/%ff', '/v1/things/%zz'])('malformed path %s is 400', async (url) => {
    expect(await call({ url })).toMatchObject({ status: 400, body: { type: 'urn:sluice:problem:malformed-path' } });
  });
});

describe('query', () => {
  test.each(['Headers', 'headers', 'QUERY', 'he%61ders'])('the platform key %s is refused', async (key) => {
    const { status, body } = await call({ url: `/v1/things/1?${key}={}` });
    expect([status, body.type]).toEqual([400, 'urn:sluice:problem:reserved-query-key']);
  });

  test.each([
    ['filter=a&filter=b', 'repeated-query-key'],
    ['fitler=a', 'unknown-query-key'],
    ['filter=%ff', 'malformed-query'],
    ['filter=%2', 'malformed-query'],
  ])('%s is refused as %s', async (query, kind) => {
    expect(await call({ url: `/v1/things/1?${query}` })).toMatchObject({
      status: 400,
      body: { type: `urn:sluice:problem:${kind}` },
    });
  });
});

describe('body', () => {
  test('a good body arrives typed', async () => {
    expect(await post('{"name":"ok"}')).toMatchObject({ status: 201, body: { name: 'ok' } });
  });

  test('every broken rule is listed with field, rule and what came', async () => {
    const { status, body } = await post('{"name":"too long","size":"x","zzz":1}');
    expect(status).toBe(400);
    expect(body.errors).toEqual([
      { field: 'name', rule: expect.stringContaining('<=5'), got: '"too long"' },
      { field: 'size', rule: expect.stringContaining('number'), got: '"x"' },
      { field: 'zzz', rule: 'is not known here' },
    ]);
  });

  test.each([
    ['{"name":}', 'line 1, column 9'],
    ['{\n "name": tru }', 'line 2, column 13'],
    ['{"name":"a"} x', 'column 14'],
    ['{"name":"a', 'end of the body'],
    ['[1,]', 'column 4'],
    ['01', 'column 2'],
    ['{"a":"\\x"}', 'column 7'],
  ])('malformed JSON %j is told with its position', async (text, position) => {
    const { status, body } = await post(text);
    expect([status, body.type]).toEqual([400, 'urn:sluice:problem:malformed-json']);
    expect(body.detail).toContain(position);
  });

  test('deep nesting is refused before anything recurses over it', async () => {
    expect(await post('['.repeat(400) + ']'.repeat(400))).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('32 levels') },
    });
  });

  test('__proto__ pollutes nothing', async () => {
    const { status } = await post('{"name":"a","__proto__":{"polluted":true}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect([201, 400]).toContain(status);
  });

  test('invalid UTF-8 is 400, another type 415, too much 413, announced or not', async () => {
    expect(await post(new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({
      status: 400,
      body: { type: 'urn:sluice:problem:malformed-utf8' },
    });
    expect(await post('{}', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect(await post('{}', {})).toMatchObject({ status: 415 });
    expect(await post('{}', { 'content-type': 'application/json; charset=utf-16' })).toMatchObject({ status: 415 });
    expect(await post(`"${'x'.repeat(2000)}"`)).toMatchObject({ status: 413 });
    expect(await post('{}', { 'content-type': 'application/json', 'content-length': '5000' })).toMatchObject({
      status: 413,
    });
  });
});

test('a body that is too large is read to its end: left unread, it would take the connection of the forwarder down', async () => {
  let left = 50;
  const body = (async function* () {
    while (left-- > 0) yield Buffer.alloc(100, 'x');
  })();
  const request = { headers: new Headers({ 'content-type': 'application/json' }), body };
  await expect(jsonBody(z.string(), 1000)(request as unknown as HttpRequest)).rejects.toMatchObject({ status: 413 });
  expect(left).toBe(-1);
});

describe('trouble', () => {
  test('an unexpected error is a 500 that tells the caller nothing but the request id', async () => {
    const { status, body, headers } = await call({ method: 'DELETE' });
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret-in-message');
    expect(body.instance).toBe(`urn:sluice:request:${headers.get('x-request-id')}`);
  });

  test('a handler that returns nothing still answers', async () => {
    expect(await call({ method: 'PATCH' })).toMatchObject({ status: 500 });
  });

  test('a store in trouble is 503 with Retry-After', async () => {
    const { status, headers } = await call({ method: 'PUT' });
    expect([status, headers.get('retry-after')]).toEqual([503, '2']);
  });

  test('a problem keeps its headers and extensions', async () => {
    const gone = endpoint({ route: 'x' }, () =>
      Promise.reject(new Problem('gone', 410, 'Start again.', { headers: { 'x-a': '1' }, extensions: { hours: 24 } })),
    );
    const { status, headers, body } = await call({ url: '/x' }, gone);
    expect([status, headers.get('x-a'), body.hours, body.title]).toEqual([410, '1', 24, 'Gone']);
  });
});
