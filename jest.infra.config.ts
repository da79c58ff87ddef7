/** The checks of infra/: `npm run test:infra`. They need the Bicep compiler; see scripts/infra.ts. */
import type { Config } from 'jest';
import base from './jest.config.ts';

const config: Config = {
  ...base,
  roots: ['<rootDir>/test/infra'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
};
export default config;
