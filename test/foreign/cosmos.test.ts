/**
 * Clients of Cosmos DB in other languages against the stand-in, unchanged: `npm run test:foreign`. The .NET client is what
 * the real Functions host uses. Without the .NET SDK and Debian's packages they are skipped, in CI that fails.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { startCosmos } from '../../local/cosmos/cosmos.ts';
import { dotnetProgram, pythonClients } from '../../scripts/foreign-clients.ts';
import { failures } from './run-checks.ts';

const dotnet = dotnetProgram('dotnet-cosmos', 'CosmosChecks');
const python = pythonClients();
if (process.env['CI'] && (dotnet === undefined || python === undefined))
  throw new Error('CI must have Debian’s packages and the .NET SDK.');
const withDotnet = dotnet === undefined ? describe.skip : describe;
const withPython = python === undefined ? describe.skip : describe;

withDotnet('.NET', () => {
  test.each([1, 3])('the client, in gateway mode, over %d physical partition(s)', async (partitions) => {
    const server = await startCosmos({ partitions });
    const { count, failed } = await failures('dotnet', [dotnet ?? ''], {
      ENDPOINT: server.endpoint,
      KEY: server.key,
    });
    await server.close();
    expect(failed).toEqual([]);
    expect(count).toBe(9);
  });
});

withPython('Python', () => {
  test.each([1, 3])('Microsoft’s SDK, over %d physical partition(s)', async (partitions) => {
    const server = await startCosmos({ partitions });
    const program = fileURLToPath(new URL('cosmos_sdk.py', import.meta.url));
    const { count, failed } = await failures('python3', ['-W', 'ignore', program], {
      ...python,
      ENDPOINT: server.endpoint,
      KEY: server.key,
    });
    await server.close();
    expect(failed).toEqual([]);
    expect(count).toBe(6);
  });
});
