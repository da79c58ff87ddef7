/**
 * Clients in other languages against the Event Hubs stand-in, unchanged: `npm run test:foreign`. Each is a program of
 * checks that prints one line of JSON per check. Without Debian's packages or the .NET SDK they are skipped, in CI they fail.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { dotnetProgram, pythonClients } from '../../scripts/foreign-clients.ts';
import { DEFAULT_KEY, HUB, type LivingHubs, livingHubs, temporaryFolder } from '../support/event-hubs.ts';
import { failures } from './run-checks.ts';

/** What a program of checks has to know of the hub. */
const lead = (hubs: LivingHubs): Record<string, string> => ({
  PORT: String(hubs.server.port),
  HUB,
  KEY_NAME: DEFAULT_KEY.name,
  KEY: DEFAULT_KEY.value,
});

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** A certificate for localhost, made on the spot. */
function certificate(folder: string): { cert: string; key: string; file: string } {
  const file = path.join(folder, 'cert.pem');
  const keyFile = path.join(folder, 'key.pem');
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost ' +
    '-addext subjectAltName=DNS:localhost,IP:127.0.0.1';
  const { status, stderr } = spawnSync('openssl', [...args.split(' '), '-keyout', keyFile, '-out', file], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`openssl failed: ${stderr}`);
  return { cert: readFileSync(file, 'utf8'), key: readFileSync(keyFile, 'utf8'), file };
}

const python = pythonClients();
const dotnet = dotnetProgram('dotnet', 'ForeignClient');
if (process.env['CI'] && (python === undefined || dotnet === undefined)) {
  throw new Error('CI must have Debian’s packages and the .NET SDK.');
}
const withPython = python === undefined ? describe.skip : describe;
const withDotnet = dotnet === undefined ? describe.skip : describe;

withPython('clients in Python', () => {
  test('Microsoft’s SDK, over TLS', async () => {
    using folder = temporaryFolder();
    const { cert, key, file } = certificate(folder.path);
    await using hubs = await livingHubs({ tls: { cert, key } });
    const environment = { ...lead(hubs), ...python, CA_FILE: file };
    const { count, failed } = await failures('python3', ['-W', 'ignore', here('python_sdk.py')], environment);
    expect(failed).toEqual([]);
    expect(count).toBe(7);
  });

  test('Apache Qpid Proton', async () => {
    await using hubs = await livingHubs();
    const { count, failed } = await failures('python3', [here('proton_client.py')], {
      ...lead(hubs),
      ...python,
    });
    expect(failed).toEqual([]);
    expect(count).toBe(5);
  });
});

withDotnet('.NET', () => {
  test('the client, and its processor', async () => {
    await using hubs = await livingHubs();
    const { count, failed } = await failures('dotnet', [dotnet ?? ''], lead(hubs));
    expect(failed).toEqual([]);
    expect(count).toBe(12);
  });
});
