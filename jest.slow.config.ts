/** Suites that take minutes or need programs of the system: `npm run test:chaos`, `test:clients`, `test:browser`. */
import type { Config } from 'jest';
import base from './jest.config.ts';

const config: Config = {
  ...base,
  roots: ['<rootDir>/test'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  // The SDKs leave timers behind that would hold the process for 40 s.
  forceExit: true,
};
export default config;
