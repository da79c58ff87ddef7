/** The hook after deploying, as a process: against the local system the same script goes the same road. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { administrator } from '../../support/api-client.ts';
import { startLocalSystem } from '../../support/local-system.ts';
import { Machine } from './machine.ts';

test('a token is issued, an event arrives at its stream, and the application is gone again', async () => {
  await using system = await startLocalSystem();
  using machine = new Machine({});
  const { api, eventHubs } = system.connection();
  const admin = await administrator(system.connection());
  const variables = {
    SERVICE_API_URI: api,
    SLUICE_SMOKE_TOKEN: admin.token,
    EVENT_HUBS_CONNECTION_STRING: eventHubs.connectionString,
    SLUICE_SMOKE_SECONDS: '60',
  };
  // Twice: the device is there the second time.
  for (let round = 0; round < 2; round++) {
    expect(await machine.run('smoke.js', variables)).toEqual({
      code: 0,
      stdout: `A token was issued, and an event arrived at its stream.\nSluice answers at ${api}.\n`,
      stderr: '',
    });
  }
  const { body } = await admin.send<{ items: { name: string }[] }>('GET', '/v1/external-applications');
  expect(body.items.filter(({ name }) => name.startsWith('Smoke test'))).toEqual([]);

  const refused = await machine.run('smoke.js', { ...variables, SLUICE_SMOKE_TOKEN: 'not-a-token' });
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/^POST \/v1\/devices answers 401: [^\n]+\n$/),
  ]);

  const hopeless = { ...variables, EVENT_HUBS_CONNECTION_STRING: eventHubs.connectionString.replace(/:\d+/, ':1') };
  const unsent = await machine.run('smoke.js', { ...hopeless, SLUICE_SMOKE_SECONDS: '5' });
  expect([unsent.code, unsent.stderr.trim().split('\n')]).toEqual([1, [expect.stringMatching(/./)]]);

  // Without an administrator: what can be seen from outside, and a line that says what was not.
  const outside = await machine.run('smoke.js', { SERVICE_API_URI: api });
  expect([outside.code, outside.stdout]).toEqual([
    0,
    expect.stringMatching(/^No token and no event: .*\nSluice answers/),
  ]);
}, 120_000);

test.each([
  ['/readyz', 503, 'readyz answers 503'],
  ['/.well-known/oauth-authorization-server', 404, 'the metadata answers 404'],
  ['/v1/stream/telemetry', 200, 'the stream answers a stranger with 200'],
])('%s answering %i is found', async (broken, status, line) => {
  const server = createServer((request, response) => {
    const good = request.url === '/v1/stream/telemetry' ? 401 : 200;
    response.writeHead(request.url === broken ? status : good).end('{"token_endpoint":"https://x/connect/token"}');
  });
  const api = await listen(server);
  try {
    using machine = new Machine({});
    const { code, stderr } = await machine.run('smoke.js', { SERVICE_API_URI: api, SLUICE_SMOKE_SECONDS: '1' });
    expect([code, stderr]).toEqual([1, `The deployment does not answer as it should: ${line}.\n`]);
  } finally {
    server.close();
  }
});

test('a deployment that takes requests and never answers is given up', async () => {
  const server = createServer(() => {});
  const api = await listen(server);
  try {
    using machine = new Machine({});
    const { code, stderr } = await machine.run('smoke.js', { SERVICE_API_URI: api, SLUICE_SMOKE_SECONDS: '1' });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^The deployment does not answer as it should: .*timeout\.\n$/),
    ]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('without a deployment it says what to do', async () => {
  using machine = new Machine({});
  expect(await machine.run('smoke.js', {})).toMatchObject({
    code: 1,
    stderr: 'SERVICE_API_URI is not set: run azd provision first.\n',
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
