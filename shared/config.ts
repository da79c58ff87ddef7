/**
 * Settings: the one contract between the code, the Bicep app settings and local.settings.sample.json.
 * Nothing else reads process.env. Every bad setting is named in one message, so that a deployment is mended in one go.
 */
import { z } from 'zod';

const url = z
  .url({ protocol: /^https?$/, error: 'must be a URL such as https://example.com' })
  .transform((value) => value.replace(/\/+$/, ''));
const whole = (min: number, max: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(fallback);

/** 32 random bytes in base64; a comma-separated list while the key is being replaced, the current one first. */
const masterKeys = z
  .string()
  .transform((text) => text.split(',').map((part) => Buffer.from(part.trim(), 'base64')))
  .refine((keys) => keys.every((key) => key.length >= 32), 'must be 32 or more bytes in base64');

/** Every setting the product reads, by its name in the environment. */
export const settings = z.object({
  COSMOS_ENDPOINT: url,
  COSMOS_DATABASE: z.string().min(1).default('sluice'),
  /** Only where there is no managed identity: the local cloud and Microsoft's emulator. */
  COSMOS_KEY: z.string().min(1).optional(),
  TELEMETRY_HUB: z.string().min(1),
  WEBPUBSUB_ENDPOINT: url.optional(),
  /** Only where there is no managed identity; it wins over WEBPUBSUB_ENDPOINT. */
  WEBPUBSUB_CONNECTION_STRING: z.string().min(1).optional(),
  /** The service's own rule for hub names. */
  WEBPUBSUB_HUB: z
    .string()
    .regex(
      /^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$/,
      'must start with a letter and go on with letters, digits or _ ` , . [ ]',
    ),
  /** Client id of the user-assigned identity; absent where a connection string or key is used. */
  AZURE_CLIENT_ID: z.string().min(1).optional(),
  /** Public base URL; the `iss` of every token. Never taken from the Host header. */
  TOKEN_ISSUER: url,
  TOKEN_ALG: z.enum(['ES256', 'RS256', 'EdDSA']).default('ES256'),
  SLUICE_MASTER_KEY: masterKeys,
  /** A service principal with the platform-admin role that only the local bootstrap creates. */
  BOOTSTRAP_CLIENT_ID: z.string().min(8).optional(),
  BOOTSTRAP_CLIENT_SECRET: z.string().min(24).optional(),
  BOOTSTRAP_TENANT: z.string().min(1).default('default'),
  /** Hours a stream can resume: the TTL of journal entries. */
  JOURNAL_HOURS: whole(1, 168, 24),
  /** Days that readings are kept. */
  READINGS_DAYS: whole(1, 400, 30),
  /** Longest life of one stream, in seconds; jittered, and always below host.json's functionTimeout. */
  STREAM_MAX_SECONDS: whole(5, 1500, 900),
  /** Streams of one instance; above it the answer is 503 with Retry-After. */
  STREAMS_PER_INSTANCE: whole(1, 10_000, 1000),
});

/** The settings, read and checked. */
export type Config = z.output<typeof settings>;

/**
 * Reads and checks the settings.
 * @throws Error naming every bad or missing setting and its rule in one message; values are never echoed
 */
export function loadConfig(environment: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(
    Object.keys(settings.shape)
      .map((name) => [name, environment[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = settings.safeParse(given);
  const faults = [...(parsed.error?.issues ?? []).map(explain), ...crossChecks(environment)];
  if (!parsed.success || faults.length > 0) {
    throw new Error(`Settings are not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
  return parsed.data;
}

function explain(issue: z.core.$ZodIssue): string {
  const name = issue.path.join('.');
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return missing ? `${name} is missing` : `${name}: ${issue.message}`;
}

/** What no single setting can say. */
function crossChecks(environment: Record<string, string | undefined>): string[] {
  const faults: string[] = [];
  // Read by the trigger itself, named here so that it is not found missing after the others were mended.
  if (!environment['EventHubConnection'] && !environment['EventHubConnection__fullyQualifiedNamespace']) {
    faults.push('EventHubConnection or EventHubConnection__fullyQualifiedNamespace is missing: one of them is needed');
  }
  if (!environment['WEBPUBSUB_ENDPOINT'] && !environment['WEBPUBSUB_CONNECTION_STRING']) {
    faults.push('WEBPUBSUB_ENDPOINT or WEBPUBSUB_CONNECTION_STRING is missing: one of them is needed');
  }
  if (Boolean(environment['BOOTSTRAP_CLIENT_ID']) !== Boolean(environment['BOOTSTRAP_CLIENT_SECRET'])) {
    faults.push('BOOTSTRAP_CLIENT_ID and BOOTSTRAP_CLIENT_SECRET go together');
  }
  // The bootstrap secret is for a laptop: on Azure a leaked setting would be the whole platform.
  if (environment['BOOTSTRAP_CLIENT_ID'] && environment['WEBSITE_INSTANCE_ID']) {
    faults.push('BOOTSTRAP_CLIENT_ID is refused on Azure: it is for the local cloud only');
  }
  return faults;
}
