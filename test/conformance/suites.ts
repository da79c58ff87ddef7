/** The conformance suites: one folder each, one service each. */

export const SUITES = ['event-hubs', 'cosmos', 'web-pubsub', 'functions-host'] as const;

export type Suite = (typeof SUITES)[number];

export const isSuite = (name: string): name is Suite => SUITES.some((suite) => suite === name);
