/**
 * host.json, read and checked. Settings named `AzureFunctionsJobHost__a__b` override a value of the file, `%NAME%` takes
 * one from the settings. Sections that have no meaning on one machine (bundles, scaling, Application Insights) are read
 * and ignored.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from './configuration-error.ts';
import { explainIssues } from './explain-issues.ts';
import { type LevelOf, compileLogLevels, logLevelRules } from './log-levels.ts';
import { parseJson } from './parse-json.ts';
import { type Settings, substitute } from './settings.ts';
import { parseTimeSpan } from './time-span.ts';

/** Default of the Flex Consumption, Premium and Dedicated plans, in milliseconds. */
const FUNCTION_TIMEOUT_MS = 30 * 60 * 1000;

const timeSpan = z.string().transform((text, context) => {
  const milliseconds = parseTimeSpan(text);
  if (milliseconds === undefined || milliseconds < 0) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a TimeSpan such as 00:01:00` });
    return z.NEVER;
  }
  return milliseconds;
});
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
/** .NET accepts the words in any case, and overrides are always text. */
const flag = z.union([z.boolean(), z.stringbool()]);

const functionTimeout = z.string().transform((text, context) => {
  if (text === '-1') return undefined;
  const milliseconds = parseTimeSpan(text);
  if (milliseconds === undefined || milliseconds <= 0) {
    context.addIssue({ code: 'custom', message: `"${text}" is not a TimeSpan such as 00:01:00, nor -1 for no end` });
    return z.NEVER;
  }
  return milliseconds;
});

const initialOffset = z
  .looseObject({
    type: z
      .string()
      .transform((word) => word.toLowerCase())
      .pipe(z.enum(['fromstart', 'fromend', 'fromenqueuedtime'])),
    enqueuedTimeUtc: z.iso.datetime({ offset: true }).optional(),
  })
  .refine((offset) => offset.type !== 'fromenqueuedtime' || offset.enqueuedTimeUtc !== undefined, {
    error: 'enqueuedTimeUtc is needed with fromEnqueuedTime',
    path: ['enqueuedTimeUtc'],
  });

/** `Strict-Transport-Security`; a bare number of `maxAge` is days, as .NET reads it. */
const hsts = z.looseObject({
  isEnabled: flag.default(false),
  maxAge: z
    .string()
    .transform((text) => (/^\d{1,5}$/.test(text) ? `${text}.00:00:00` : text))
    .pipe(timeSpan)
    .default(30 * 24 * 60 * 60 * 1000),
  includeSubDomains: flag.default(false),
  preload: flag.default(false),
  excludedHosts: z.array(z.string()).default([]),
});

const http = z.looseObject({
  routePrefix: z.string().default('api'),
  customHeaders: z.record(z.string(), z.string()).default({}),
  /** -1 means no bound. */
  maxConcurrentRequests: whole(-1, 1_000_000).default(-1),
  maxOutstandingRequests: whole(-1, 1_000_000).default(-1),
  hsts: hsts.optional(),
});

const eventHubs = z
  .looseObject({
    maxEventBatchSize: whole(1, 100_000).default(100),
    minEventBatchSize: whole(1, 100_000).default(1),
    maxWaitTime: timeSpan.default(60_000),
    batchCheckpointFrequency: whole(1, 1_000_000).default(1),
    prefetchCount: whole(1, 100_000).default(300),
    initialOffsetOptions: initialOffset.default({ type: 'fromstart' }),
    loadBalancingUpdateInterval: timeSpan.optional(),
    partitionOwnershipExpirationInterval: timeSpan.optional(),
    enableCheckpointing: flag.default(true),
  })
  .refine((hubs) => hubs.minEventBatchSize <= hubs.maxEventBatchSize, {
    error: 'must not be above maxEventBatchSize',
    path: ['minEventBatchSize'],
  });

const hostJson = z.looseObject({
  version: z.literal('2.0', { error: 'must be "2.0"' }),
  functionTimeout: functionTimeout.optional(),
  extensions: z
    .looseObject({
      http: http.default({
        routePrefix: 'api',
        customHeaders: {},
        maxConcurrentRequests: -1,
        maxOutstandingRequests: -1,
      }),
      eventHubs: eventHubs.optional(),
    })
    .optional(),
  /** Names of the functions that run; without it, all do. */
  functions: z.array(z.string()).optional(),
  logging: z.looseObject({ logLevel: logLevelRules }).optional(),
  retry: z.undefined({ error: 'is no longer supported by the platform: set `retry` on the function' }).optional(),
});

export interface HostConfig {
  /** Milliseconds one invocation may take; `undefined` means no bound. */
  functionTimeoutMs: number | undefined;
  http: z.output<typeof http>;
  eventHubs: z.output<typeof eventHubs>;
  /** The lowest level that a log category writes. */
  levelOf: LevelOf;
  /** The functions that run, `undefined` for all. */
  functions: string[] | undefined;
}

/** What becomes of `Strict-Transport-Security`. */
export type HstsConfig = z.output<typeof hsts>;

/**
 * Reads host.json of the app folder.
 * @throws ConfigurationError naming every bad field in one message
 */
export function loadHostJson(appFolder: string, settings: Settings): HostConfig {
  const path = join(appFolder, 'host.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigurationError(`host.json is missing: it was looked for in ${appFolder}`);
  }
  const raw = parseJson('host.json', text);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new ConfigurationError('host.json must be an object');
  }
  const document = substitute(raw as Record<string, unknown>, settings.read, 'host.json');
  applyOverrides(document, settings.values);
  const parsed = hostJson.safeParse(document);
  if (!parsed.success) throw new ConfigurationError(explainIssues('host.json', parsed.error));
  const { functionTimeout: timeout, extensions, logging, functions } = parsed.data;
  return {
    functionTimeoutMs: 'functionTimeout' in document ? timeout : FUNCTION_TIMEOUT_MS,
    http: extensions?.http ?? http.parse({}),
    eventHubs: extensions?.eventHubs ?? eventHubs.parse({}),
    levelOf: compileLogLevels(logging?.logLevel ?? {}),
    functions,
  };
}

const OVERRIDE = /^AzureFunctionsJobHost__(.+)$/i;

function applyOverrides(document: Record<string, unknown>, values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    const path = OVERRIDE.exec(name)?.[1]?.split('__');
    if (path !== undefined) place(document, path, value);
  }
}

/** Sets a value by path; a member that exists in other casing is the same member, as in .NET. */
function place(target: Record<string, unknown>, [head = '', ...rest]: string[], value: string): void {
  const known = Object.keys(target).find((key) => key.toLowerCase() === head.toLowerCase()) ?? canonicalName(head);
  if (rest.length === 0) {
    target[known] = value;
    return;
  }
  const next = target[known];
  const inner = typeof next === 'object' && next !== null ? (next as Record<string, unknown>) : {};
  target[known] = inner;
  place(inner, rest, value);
}

const NAMES = [
  hostJson.shape,
  http.shape,
  hsts.shape,
  eventHubs.shape,
  { logLevel: 0, http: 0, eventHubs: 0, enqueuedTimeUtc: 0, type: 0 },
]
  .flatMap((shape) => Object.keys(shape))
  .map((name) => [name.toLowerCase(), name] as const);
const CANONICAL = new Map(NAMES);

function canonicalName(name: string): string {
  return CANONICAL.get(name.toLowerCase()) ?? name;
}
