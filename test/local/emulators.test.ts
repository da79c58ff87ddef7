/** The files for Microsoft's emulators say what the stand-ins say. Nobody runs them here. */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import resources from '../../infra/resources.json' with { type: 'json' };
import emulator from '../../infra/emulators/event-hubs.json' with { type: 'json' };
import { STAND_IN_PORTS } from '../../local/options.ts';

test('the Event Hubs emulator has the product’s hubs', () => {
  const [namespace] = emulator.UserConfig.NamespaceConfig;
  expect(namespace?.Entities).toEqual(
    resources.eventHubs.hubs.map(({ name, partitionCount, consumerGroups }) => ({
      Name: name,
      PartitionCount: String(partitionCount),
      ConsumerGroups: consumerGroups.map((group) => ({ Name: group })),
    })),
  );
});

test('every emulator listens where its stand-in does, on this machine only', () => {
  const compose = fs.readFileSync(fileURLToPath(new URL('../../compose.yaml', import.meta.url)), 'utf8');
  for (const port of Object.values(STAND_IN_PORTS)) expect(compose).toContain(`'127.0.0.1:${port}:${port}'`);
  const published = [...compose.matchAll(/'([\d.]+:)?\d+:\d+'/g)].map(([, host]) => host);
  expect(new Set(published)).toEqual(new Set(['127.0.0.1:']));
});
