import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../shared/config.ts';

const USABLE = {
  EventHubConnection__fullyQualifiedNamespace: 'name.servicebus.windows.net',
  COSMOS_ENDPOINT: 'https://account.documents.azure.com:443/',
  TELEMETRY_HUB: 'telemetry',
  WEBPUBSUB_ENDPOINT: 'https://name.webpubsub.azure.com',
  WEBPUBSUB_HUB: 'sluice',
  TOKEN_ISSUER: 'https://api.example.com/',
  SLUICE_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
};

describe('settings', () => {
  test('are read with their defaults, and URLs lose their last slash', () => {
    expect(loadConfig(USABLE)).toMatchObject({
      COSMOS_ENDPOINT: 'https://account.documents.azure.com:443',
      COSMOS_DATABASE: 'sluice',
      TOKEN_ISSUER: 'https://api.example.com',
      TOKEN_ALG: 'ES256',
      JOURNAL_HOURS: 24,
    });
  });

  test('every fault is named in one message, and no value is echoed', () => {
    const secret = 'dG9vIHNob3J0';
    const {
      TELEMETRY_HUB: _,
      WEBPUBSUB_ENDPOINT: __,
      EventHubConnection__fullyQualifiedNamespace: ___,
      ...rest
    } = USABLE;
    const load = () =>
      loadConfig({
        ...rest,
        COSMOS_ENDPOINT: 'cosmos',
        SLUICE_MASTER_KEY: secret,
        JOURNAL_HOURS: 'many',
        TOKEN_ALG: 'HS256',
      });
    expect(load).toThrow(/COSMOS_ENDPOINT: must be a URL/);
    expect(load).toThrow(/TELEMETRY_HUB is missing/);
    expect(load).toThrow(/EventHubConnection or EventHubConnection__fullyQualifiedNamespace is missing/);
    expect(load).toThrow(/WEBPUBSUB_ENDPOINT or WEBPUBSUB_CONNECTION_STRING is missing/);
    expect(load).toThrow(/SLUICE_MASTER_KEY: must be 32 or more bytes in base64/);
    expect(load).toThrow(/JOURNAL_HOURS: must be a whole number/);
    expect(load).toThrow(/TOKEN_ALG/);
    expect(load).not.toThrow(new RegExp(secret));
  });

  test('an empty setting is a missing one', () => {
    expect(() => loadConfig({ ...USABLE, TOKEN_ISSUER: '' })).toThrow('TOKEN_ISSUER is missing');
  });

  test('Web PubSub needs an endpoint or a connection string', () => {
    expect(() => loadConfig({ ...USABLE, WEBPUBSUB_ENDPOINT: undefined })).toThrow(
      /WEBPUBSUB_ENDPOINT or WEBPUBSUB_CONNECTION_STRING is missing/,
    );
  });

  test('the bootstrap administrator is refused on Azure', () => {
    const bootstrap = { BOOTSTRAP_CLIENT_ID: 'local-administrator', BOOTSTRAP_CLIENT_SECRET: 'x'.repeat(32) };
    expect(() => loadConfig({ ...USABLE, ...bootstrap })).not.toThrow();
    expect(() => loadConfig({ ...USABLE, ...bootstrap, WEBSITE_INSTANCE_ID: 'i' })).toThrow(
      /BOOTSTRAP_CLIENT_ID is refused on Azure/,
    );
    expect(() => loadConfig({ ...USABLE, BOOTSTRAP_CLIENT_ID: 'local-administrator' })).toThrow(/go together/);
  });

  test('numbers have bounds', () => {
    expect(() => loadConfig({ ...USABLE, STREAM_MAX_SECONDS: '100000' })).toThrow(/STREAM_MAX_SECONDS/);
    expect(() => loadConfig({ ...USABLE, STREAM_MAX_SECONDS: '4' })).toThrow(/STREAM_MAX_SECONDS/);
  });
});

test('[B3] on Azure the public address is https, so that credentials never travel in the clear', () => {
  const azure = { ...USABLE, WEBSITE_INSTANCE_ID: 'one' };
  expect(() => loadConfig({ ...azure, TOKEN_ISSUER: 'http://api.example.com' })).toThrow(/must be https on Azure/);
  expect(loadConfig({ ...azure, TOKEN_ISSUER: 'https://api.example.com' }).TOKEN_ISSUER).toBe(
    'https://api.example.com',
  );
});

test('OpenID providers are read from JSON, and every fault is named', () => {
  const one = { id: 'corporate', name: 'Corporate', issuer: 'https://id.example.com', clientId: 'sluice' };
  const read = (value: unknown) => loadConfig({ ...USABLE, OPENID_PROVIDERS: JSON.stringify(value) });
  expect(read([one]).OPENID_PROVIDERS).toEqual([{ ...one, subjectClaim: 'sub', tenant: 'default' }]);
  expect(() => read([{ ...one, issuer: 'http://id.example.com' }])).toThrow(/must be an https URL/);
  expect(() => read([one, { ...one, issuer: 'https://other.example' }])).toThrow(/must not repeat an id/);
  expect(() => read([one, { ...one, id: 'other' }])).toThrow(/must not repeat an issuer/);
  expect(() => loadConfig({ ...USABLE, OPENID_PROVIDERS: '{' })).toThrow(/must be a JSON array/);
});

test('the setup code is for a laptop, and settings of Entra ID need its directory', () => {
  const azure = { ...USABLE, WEBSITE_INSTANCE_ID: 'one', TOKEN_ISSUER: 'https://api.example.com' };
  expect(() => loadConfig({ ...azure, SETUP_CODE: 'x'.repeat(32) })).toThrow(/SETUP_CODE is refused on Azure/);
  expect(() => loadConfig({ ...USABLE, ENTRA_AUDIENCE: 'api' })).toThrow(/ENTRA_AUDIENCE needs ENTRA_TENANT_ID/);
});

test('mail goes one way, with a sender; commands have names', () => {
  const acs = { ACS_ENDPOINT: 'https://mail.example.communication.azure.com', ACS_SENDER: 'alerts@example.com' };
  expect(() => loadConfig({ ...USABLE, ...acs })).not.toThrow();
  expect(() => loadConfig({ ...USABLE, ...acs, ACS_SENDER: undefined })).toThrow(/ACS_ENDPOINT needs ACS_SENDER/);
  expect(() => loadConfig({ ...USABLE, ...acs, SMTP_URL: 'smtp://mail.example.com' })).toThrow(/two ways to send mail/);
  expect(() => loadConfig({ ...USABLE, ...acs, ACS_ENDPOINT: 'http://mail.example.com' })).toThrow(/ACS_ENDPOINT/);
  expect([...(loadConfig({ ...USABLE, COMMANDS_ALLOWED: 'close-valve, restart' }).COMMANDS_ALLOWED ?? [])]).toEqual([
    'close-valve',
    'restart',
  ]);
  expect(() => loadConfig({ ...USABLE, COMMANDS_ALLOWED: 'close-valve,,' })).toThrow(/COMMANDS_ALLOWED/);
});
