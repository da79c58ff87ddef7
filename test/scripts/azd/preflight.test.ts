/** The hook before provisioning, as a process: each bad deployment is one line and exit code 1 before anything is made. */
import { describe, expect, test } from '@jest/globals';
import { Machine } from './machine.ts';

const FLEX = ['westeurope', 'eastus', 'swedencentral'];
const ALL = 'App DocumentDB EventHub Insights KeyVault ManagedIdentity OperationalInsights SignalRService Storage Web';

/** What the Azure CLI answers. */
function azure({ registered = ALL.split(' '), flex = FLEX, zones = ['eastus'] } = {}) {
  return {
    'functionapp list-flexconsumption-locations --output': JSON.stringify(flex.map((name) => ({ name }))),
    'functionapp list-flexconsumption-locations --zone-redundant': JSON.stringify(zones.map((name) => ({ name }))),
    provider: JSON.stringify(registered.map((name) => ({ namespace: `Microsoft.${name}`, state: 'Registered' }))),
  };
}

const DEV = { AZURE_ENV_NAME: 'my-sluice', AZURE_LOCATION: 'westeurope', AZURE_SUBSCRIPTION_ID: 'a-subscription' };

test('a good environment passes, and gets a master key, once', async () => {
  using machine = new Machine({ az: azure(), azd: { env: '' } });
  const first = await machine.run('preflight.js', DEV);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const [call = ''] = machine.calls('azd');
  const key = /^env set SLUICE_MASTER_KEY (.+)$/.exec(call)?.[1] ?? '';
  expect(Buffer.from(key, 'base64')).toHaveLength(32);
  expect(first.stdout).not.toContain(key);
  for (const has of [{ SLUICE_MASTER_KEY: key }, { SLUICE_MASTER_KEY_STORED: 'true' }])
    expect(await machine.run('preflight.js', { ...DEV, ...has })).toMatchObject({ code: 0 });
  expect(machine.calls('azd')).toHaveLength(1);
});

const LIVING = {
  ...DEV,
  SLUICE_MASTER_KEY_STORED: 'true',
  DEPLOYED_PROFILE: 'dev',
  DEPLOYED_COSMOS_MODE: 'serverless',
  DEPLOYED_ZONE_REDUNDANT: 'false',
  DEPLOYED_LOCATION: 'westeurope',
};

describe('one line and nothing made', () => {
  test.each([
    [
      'a region without Flex Consumption',
      { AZURE_LOCATION: 'polandcentral' },
      /^polandcentral does not offer Flex Consumption\. .*westeurope/,
    ],
    [
      'a region without zones, where they are asked for',
      { SLUICE_ZONE_REDUNDANT: 'true' },
      /^westeurope does not offer Flex Consumption over zones\. Regions that do: eastus\./,
    ],
    ['a name of 64 characters', { AZURE_ENV_NAME: 'a'.repeat(64) }, /^AZURE_ENV_NAME has 64 characters/],
    ['a name of 64 odd characters', { AZURE_ENV_NAME: "ü'$(x)&|;".repeat(8).slice(0, 64) }, /^AZURE_ENV_NAME has 64 /],
    ['no name', { AZURE_ENV_NAME: '' }, /^AZURE_ENV_NAME has 0 characters/],
    ['a name that ends with a dot', { AZURE_ENV_NAME: 'mine.' }, /^AZURE_ENV_NAME .* not end with a dot/],
    ['a bad e-mail address', { SLUICE_ALERT_EMAIL: 'nobody' }, /^SLUICE_ALERT_EMAIL must be an e-mail address/],
    ['a bad profile', { SLUICE_PROFILE: 'production' }, /^SLUICE_PROFILE must be dev or prod/],
    ['a bad flag', { SLUICE_VNET: 'yes' }, /^SLUICE_VNET must be true or false/],
    ['a bad number', { SLUICE_JOURNAL_HOURS: '169' }, /^SLUICE_JOURNAL_HOURS must be from 1 to 168/],
    ['a short master key', { SLUICE_MASTER_KEY: 'c2hvcnQ=' }, /^SLUICE_MASTER_KEY must be 32 or more bytes/],
    [
      'two ways to mail',
      { SLUICE_EMAIL: 'true', SLUICE_SMTP_URL: 'smtp://m' },
      /^SLUICE_EMAIL and SLUICE_SMTP_URL are/,
    ],
    [
      'free and zones',
      { SLUICE_ZONE_REDUNDANT: 'true', SLUICE_COSMOS_MODE: 'free' },
      /^SLUICE_COSMOS_MODE=free has no zones/,
    ],
    [
      'private endpoints, and their provider missing',
      { SLUICE_VNET: 'true' },
      /^Not registered .*: Microsoft\.Network\./,
    ],
    ['mail, and its provider missing', { SLUICE_EMAIL: 'true' }, /^Not registered .*: Microsoft\.Communication\./],
    [
      'a profile switched on a living environment',
      { ...LIVING, SLUICE_PROFILE: 'prod' },
      /^This environment lives, and profile dev to prod, cosmos mode serverless to autoscale cannot be changed in place/,
    ],
    [
      'the free tier on a living environment',
      { ...LIVING, SLUICE_COSMOS_MODE: 'free' },
      /cosmos mode serverless to free/,
    ],
    [
      'zones on a living environment',
      { ...LIVING, AZURE_LOCATION: 'westeurope', SLUICE_ZONE_REDUNDANT: 'true' },
      /zone redundant false to true/,
    ],
    [
      'another region for a living environment',
      { ...LIVING, AZURE_LOCATION: 'eastus' },
      /location westeurope to eastus/,
    ],
  ] satisfies [string, Record<string, string>, RegExp][])('%s', async (_what, variables, line) => {
    using machine = new Machine({ az: azure(), azd: { env: '' } });
    const { code, stdout, stderr } = await machine.run('preflight.js', { ...DEV, ...variables });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.trim()).toMatch(line);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(machine.calls('azd')).toEqual([]);
  });

  test('a provider that is not registered is named', async () => {
    using machine = new Machine({
      az: azure({ registered: ALL.replace('EventHub ', '').replace('App ', '').split(' ') }),
    });
    const { code, stderr } = await machine.run('preflight.js', DEV);
    expect([code, stderr]).toEqual([1, expect.stringContaining('subscription: Microsoft.App, Microsoft.EventHub.')]);
  });

  test('without the Azure CLI a dated list says which regions, and may be overruled', async () => {
    using machine = new Machine({ azd: { env: '' } });
    const { code, stderr } = await machine.run('preflight.js', { ...DEV, AZURE_LOCATION: 'polandcentral' });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^polandcentral did not offer Flex Consumption in 20\d\d-\d\d/),
    ]);
    const zones = await machine.run('preflight.js', {
      ...DEV,
      AZURE_LOCATION: 'westus',
      SLUICE_ZONE_REDUNDANT: 'true',
    });
    expect(zones.stderr).toMatch(/^westus did not offer Flex Consumption over zones/);
    for (const more of [{}, { AZURE_LOCATION: 'polandcentral', SLUICE_REGION_CHECKED: 'true' }]) {
      const passed = await machine.run('preflight.js', { ...DEV, ...more });
      expect([passed.code, passed.stdout]).toEqual([0, expect.stringContaining('is not checked')]);
    }
  });

  test('a CLI that hangs is given up', async () => {
    using machine = new Machine({ az: 'hangs' });
    const { code, stderr } = await machine.run('preflight.js', { ...DEV, SLUICE_HOOK_SECONDS: '1' });
    expect([code, stderr]).toEqual([1, 'az functionapp list-flexconsumption-locations did not answer within 1 s.\n']);
  });

  test('a CLI that fails says why', async () => {
    using machine = new Machine({ az: 'fails' });
    const { code, stderr } = await machine.run('preflight.js', DEV);
    expect([code, stderr]).toEqual([
      1,
      'az functionapp list-flexconsumption-locations failed: ERROR: Please run az login\n',
    ]);
  });

  test('without azd there is nowhere to put the master key', async () => {
    using machine = new Machine({ az: azure() });
    expect(await machine.run('preflight.js', DEV)).toMatchObject({
      code: 1,
      stderr: 'azd is not on the PATH: the master key cannot be put into its environment.\n',
    });
  });
});

test('no address for alerts is safe, and said in prod', async () => {
  using machine = new Machine({ az: azure(), azd: { env: '' } });
  const { code, stdout } = await machine.run('preflight.js', { ...DEV, SLUICE_PROFILE: 'prod' });
  expect([code, stdout]).toEqual([0, 'SLUICE_ALERT_EMAIL is not set: the alert rules are made, and nobody is told.\n']);
});

test('new resources beside living ones are made when that is meant, with a master key of their own', async () => {
  using machine = new Machine({ az: azure(), azd: { env: '' } });
  const meant = {
    ...LIVING,
    SLUICE_PROFILE: 'prod',
    SLUICE_ALERT_EMAIL: 'a@example.com',
    SLUICE_NEW_RESOURCES: 'true',
  };
  expect(await machine.run('preflight.js', meant)).toMatchObject({ code: 0, stderr: '' });
  expect(machine.calls('azd')).toEqual([expect.stringMatching(/^env set SLUICE_MASTER_KEY ./)]);
  expect(await machine.run('preflight.js', LIVING)).toMatchObject({ code: 0, stderr: '' });
  expect(machine.calls('azd')).toHaveLength(1);
});
