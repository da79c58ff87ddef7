import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/(browser|clients|foreign|infra|chaos/stream)/',
    '<rootDir>/test/conformance/.+/',
  ],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {},
  moduleNameMapper: { '^@azure/functions-core$': '<rootDir>/test/support/functions-core.ts' },
  setupFilesAfterEnv: ['<rootDir>/test/support/emitted-metrics.ts'],
  globalTeardown: '<rootDir>/test/support/every-metric.ts',
  testTimeout: 30_000,
  // Suites mostly wait for sockets: two at a time, also on two cores, where Jest would run one.
  maxWorkers: 2,
  coverageProvider: 'v8',
  coverageDirectory: '<rootDir>/build/coverage',
  cacheDirectory: '<rootDir>/build/jest-cache',
};
export default config;
