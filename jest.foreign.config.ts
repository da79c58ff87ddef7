/** Clients in other languages: `npm run test:foreign`. They need Debian's packages and the .NET SDK. */
import type { Config } from 'jest';
import base from './jest.config.ts';

const config: Config = {
  ...base,
  roots: ['<rootDir>/test/foreign'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 180_000,
  // They unpack and build the clients in one folder.
  maxWorkers: 1,
};
export default config;
