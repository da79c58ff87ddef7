/** What `npm run build` makes for Azure: one small file that does the same as the source. */
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { EventHubProducerClient } from '@azure/event-hubs';
import { expect, test } from '@jest/globals';
import resources from '../../infra/resources.json' with { type: 'json' };
import { localSettings } from '../../local/local-settings.ts';
import { provision } from '../../local/provision.ts';
import { startStandIns } from '../../local/stand-ins.ts';
import { administrator, fetchToken, newApplication } from '../support/api-client.ts';
import { hostChild } from '../support/host-child.ts';
import { runToEnd, temporaryFolder } from '../support/local-system.ts';
import { readStream } from '../support/tracking-reader.ts';
import { until } from '../support/until.ts';

const app = fileURLToPath(new URL('../../build/app', import.meta.url));
/** Bytes of the zipped package: a cold start fetches it. The AMQP client and the mailer are a sixth of it. */
const PACKAGE_BYTES_MAX = 600_000;
const secrets = {
  masterKey: Buffer.alloc(32, 7).toString('base64'),
  setupCode: '00000000-00000000-00000000-00000000',
  admin: { clientId: 'bundle-administrator', clientSecret: 'a-secret-of-the-bundle-test-only' },
};

test('the bundle is one small file, and a reading goes the whole road through it', async () => {
  expect(await runToEnd(['scripts/build.ts'])).toMatchObject({ code: 0 });
  expect(readdirSync(app).toSorted()).toEqual(['host.json', 'index.js', 'package.json']);
  expect(gzipSync(readFileSync(path.join(app, 'index.js'))).length).toBeLessThan(PACKAGE_BYTES_MAX);

  const dataFolder = temporaryFolder();
  const standIns = await startStandIns({ api: 0, cosmos: 0, eventHubs: 0, webPubSub: 0 }, undefined);
  const eventHub = resources.eventHubs.hubs[0]?.name ?? '';
  const producer = new EventHubProducerClient(standIns.eventHubs.connectionString, eventHub);
  try {
    await provision(standIns.cosmos);
    await using host = await hostChild({
      folder: { path: app, dataFolder, [Symbol.dispose]: () => {} },
      main: path.join(app, 'index.js'),
      env: localSettings(standIns, secrets, 'http://127.0.0.1:7071'),
    });
    expect([host.url !== '', host.stderr()]).toEqual([true, '']);
    const { clientId, clientSecret } = secrets.admin;
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    const admin = await administrator({ api: host.url, admin: form });
    const { status } = await admin.send('POST', '/v1/devices', { deviceId: 'bundled', name: 'Bundled' });
    expect(status).toBe(201);
    const application = await newApplication(admin, { name: 'Reader of the bundle', devices: ['bundled'] });
    const reader = readStream(`${host.url}/v1/stream/telemetry`, () => fetchToken(host.url, application.form));
    try {
      await until(() => reader.taken.some(({ type }) => type === 'ready'));
      await producer.sendBatch([{ body: { deviceId: 'bundled', readings: { level: 42 } } }], {
        partitionKey: 'bundled',
      });
      await until(() => reader.taken.some(({ type }) => type === 'message'));
      expect(reader.taken.at(-1)?.data).toMatchObject({ deviceId: 'bundled', readings: { level: 42 } });
    } finally {
      reader.close();
    }
  } finally {
    await producer.close();
    await standIns.close();
    rmSync(dataFolder, { recursive: true, force: true });
  }
}, 90_000);
