/** The hook after provisioning, as a process. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { Machine } from './machine.ts';

const OUTPUTS = {
  EVENT_HUBS_NAMESPACE: 'hubs.servicebus.windows.net',
  COSMOS_ENDPOINT: 'https://cosmos.documents.azure.com:443/',
  WEBPUBSUB_ENDPOINT: 'https://live.webpubsub.azure.com',
  KEY_VAULT_NAME: 'kvsluice',
};

test('local.settings.json names the endpoints, holds no secret, and only its owner may read it', async () => {
  using machine = new Machine({ azd: { env: '' } });
  const result = await machine.run('write-local-settings.js', {
    ...OUTPUTS,
    SLUICE_MASTER_KEY: 'the-master-key',
    SLUICE_ENTRA_AUDIENCE: 'the-api',
    AZURE_TENANT_ID: 'the-directory',
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  const file = path.join(machine.folder, 'local.settings.json');
  const text = readFileSync(file, 'utf8');
  expect((JSON.parse(text) as { Values: Record<string, string> }).Values).toMatchObject({
    EventHubConnection__fullyQualifiedNamespace: OUTPUTS.EVENT_HUBS_NAMESPACE,
    COSMOS_ENDPOINT: OUTPUTS.COSMOS_ENDPOINT,
    CosmosConnection__accountEndpoint: OUTPUTS.COSMOS_ENDPOINT,
    WEBPUBSUB_ENDPOINT: OUTPUTS.WEBPUBSUB_ENDPOINT,
    ENTRA_TENANT_ID: 'the-directory',
    ENTRA_AUDIENCE: 'the-api',
  });
  expect(text).not.toMatch(/the-master-key|<account>|<namespace>/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  // The mark first: a run that ends between the two keeps the key.
  expect(machine.calls('azd')).toEqual(['env set SLUICE_MASTER_KEY_STORED true', 'env set SLUICE_MASTER_KEY ']);
});

test('a file that is there stays as it is', async () => {
  using machine = new Machine({});
  const file = path.join(machine.folder, 'local.settings.json');
  writeFileSync(file, 'mine');
  expect(await machine.run('write-local-settings.js', OUTPUTS)).toMatchObject({ code: 0 });
  expect(readFileSync(file, 'utf8')).toBe('mine');
});

test.each(['EVENT_HUBS_NAMESPACE', 'COSMOS_ENDPOINT', 'WEBPUBSUB_ENDPOINT'])(
  'without %s nothing is written',
  async (name) => {
    using machine = new Machine({ azd: { env: '' } });
    const result = await machine.run('write-local-settings.js', { ...OUTPUTS, [name]: '', SLUICE_MASTER_KEY: 'key' });
    expect(result).toEqual({ code: 1, stdout: '', stderr: `${name} is not set: azd provision gives it.\n` });
    expect([existsSync(path.join(machine.folder, 'local.settings.json')), machine.calls('azd')]).toEqual([false, []]);
  },
);

test('an azd that fails is one line', async () => {
  using machine = new Machine({ azd: 'fails' });
  const result = await machine.run('write-local-settings.js', { ...OUTPUTS, SLUICE_MASTER_KEY: 'key' });
  expect([result.code, result.stderr]).toEqual([1, 'azd env set failed: ERROR: Please run az login\n']);
});
