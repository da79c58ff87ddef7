/**
 * The .NET client of Cosmos DB, which the real Functions host uses, against the stand-in: `npm run test:foreign`. Without
 * the .NET SDK it is skipped, in CI that fails.
 */
import { describe, expect, test } from '@jest/globals';
import { startCosmos } from '../../local/cosmos/cosmos.ts';
import { dotnetProgram } from '../../scripts/foreign-clients.ts';
import { failures } from './run-checks.ts';

const dotnet = dotnetProgram('dotnet-cosmos', 'CosmosChecks');
if (process.env['CI'] && dotnet === undefined) throw new Error('CI must have the .NET SDK.');
const withDotnet = dotnet === undefined ? describe.skip : describe;

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
