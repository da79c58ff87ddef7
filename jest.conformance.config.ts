/** The conformance suites; `npm run conformance` starts what they talk to and runs this. */
import type { Config } from 'jest';
import base from './jest.config.ts';

const config: Config = {
  ...base,
  roots: ['<rootDir>/test/conformance'],
  testMatch: ['**/test/conformance/*/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // One file at a time: the tests of a suite share one hub, whose partitions they read from where they found them.
  maxWorkers: 1,
};
export default config;
