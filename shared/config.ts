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

const secureUrl = url.refine(
  (text) => /^https:/i.test(text) || /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:|\/|$)/i.test(text),
  'must be an https URL',
);

/** An OpenID provider that the deployment trusts. */
const openIdProvider = z.strictObject({
  /** Part of the path it sends people back to: `/oauth/callback/{id}`. */
  id: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 of a-z 0-9 -'),
  /** What the button says. */
  name: z.string().min(1).max(64),
  /** Compared as it stands with what tokens say. */
  issuer: z.string().refine((text) => secureUrl.safeParse(text).success, 'must be an https URL'),
  /** Our client id there. Without it people are not sent there, and only its access tokens are taken. */
  clientId: z.string().min(1).optional(),
  clientSecret: z.string().min(1).optional(),
  /** `aud` of its access tokens for us. Without it they are not taken. */
  audience: z.string().min(1).optional(),
  /** The claim that names a person for good: `oid` at Entra ID, where `sub` differs by application. */
  subjectClaim: z.enum(['sub', 'oid']).default('sub'),
  /** The tenant of people who name none. */
  tenant: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be a tenant id')
    .default('default'),
});
export type OpenIdProviderSettings = z.output<typeof openIdProvider>;

const openIdProviders = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON array of providers' });
      return z.NEVER;
    }
  })
  .pipe(z.array(openIdProvider).max(16, 'must hold at most 16 providers'))
  .refine((list) => new Set(list.map(({ id }) => id)).size === list.length, 'must not repeat an id')
  .refine((list) => new Set(list.map(({ issuer }) => issuer)).size === list.length, 'must not repeat an issuer')
  .default([]);

/** Every setting the product reads, by its name in the environment. */
export const settings = z.object({
  COSMOS_ENDPOINT: url,
  COSMOS_DATABASE: z.string().min(1).default('sluice'),
  /** Only where there is no managed identity: the local cloud and Microsoft's emulator. */
  COSMOS_KEY: z.string().min(1).optional(),
  TELEMETRY_HUB: z.string().min(1),
  /** Read by the trigger itself, and for asking the hub how far it goes. */
  EventHubConnection: z.string().min(1).optional(),
  EventHubConnection__fullyQualifiedNamespace: z.string().min(1).optional(),
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
  /** What turns the first person into the first administrator, once; for the local cloud only. */
  SETUP_CODE: z.string().min(16).optional(),
  /** The Entra ID directory whose people may manage. */
  ENTRA_TENANT_ID: z.guid('must be the id of a directory').optional(),
  /** `aud` of their tokens: the application id of this API in that directory. */
  ENTRA_AUDIENCE: z.string().min(1).optional(),
  /** Object id in that directory of the first administrator: who deploys. */
  ENTRA_ADMIN_OBJECT_ID: z.guid('must be an object id').optional(),
  /** Further OpenID providers, as JSON. */
  OPENID_PROVIDERS: openIdProviders,
  /** Hours a stream can resume: the TTL of journal entries. */
  JOURNAL_HOURS: whole(1, 168, 24),
  /** Days that readings are kept. */
  READINGS_DAYS: whole(1, 400, 30),
  /** How mail is sent, such as smtps://user:password@mail.example.com; absent: not at all. */
  SMTP_URL: z
    .string()
    .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
    .optional(),
  MAIL_FROM: z.string().min(3).default('Sluice <sluice@localhost>'),
  /** Mail by Azure Communication Services, as this identity: `https://<name>.<region>.communication.azure.com`. */
  ACS_ENDPOINT: secureUrl.optional(),
  /** The sender there: an address of a domain that is connected to it. */
  ACS_SENDER: z.email('must be an e-mail address').optional(),
  /** The hub that commands to devices are sent to, in the namespace of the telemetry. */
  COMMAND_HUB: z.string().min(1).default('commands'),
  /** Names of commands that actions may send, comma-separated; absent: none. */
  COMMANDS_ALLOWED: z
    .string()
    .transform((text) => new Set(text.split(',').map((part) => part.trim())))
    .refine(
      (names) => [...names].every((name) => /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name)),
      'must be names of 1 to 64 letters, digits or _ . -, comma-separated',
    )
    .optional(),
  /** `host:port` of webhooks that may be called although they are not public, comma-separated: for a laptop. */
  WEBHOOK_TARGETS_ALLOWED: z
    .string()
    .transform((text) => new Set(text.split(',').map((part) => part.trim())))
    .optional(),
  /** Where metrics and traces go; absent: nowhere. The host reads it as well. */
  APPLICATIONINSIGHTS_CONNECTION_STRING: z
    .string()
    .regex(/InstrumentationKey=[^;]/i, 'must hold InstrumentationKey=…')
    .optional(),
  /** The app's name there. */
  OTEL_SERVICE_NAME: z.string().min(1).default('sluice'),
  /** Part of the traces that begin here which is kept, 0 to 1. A trace that a device or caller keeps is kept. */
  TRACES_SAMPLED: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .default(0.05),
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
  for (const [name, other] of [
    ['ENTRA_AUDIENCE', 'ENTRA_TENANT_ID'],
    ['ENTRA_ADMIN_OBJECT_ID', 'ENTRA_TENANT_ID'],
    ['ACS_ENDPOINT', 'ACS_SENDER'],
  ] as const) {
    if (environment[name] && !environment[other]) faults.push(`${name} needs ${other}`);
  }
  if (environment['ACS_ENDPOINT'] && environment['SMTP_URL']) {
    faults.push('ACS_ENDPOINT and SMTP_URL are two ways to send mail: set one of them');
  }
  if (environment['SETUP_CODE'] && environment['WEBSITE_INSTANCE_ID']) {
    faults.push('SETUP_CODE is refused on Azure: set ENTRA_ADMIN_OBJECT_ID');
  }
  // Credentials travel to this address, and cookies and the `iss` of tokens follow it.
  if (environment['WEBSITE_INSTANCE_ID'] && /^http:/i.test(environment['TOKEN_ISSUER'] ?? '')) {
    faults.push('TOKEN_ISSUER must be https on Azure');
  }
  // The bootstrap secret is for a laptop: on Azure a leaked setting would be the whole platform.
  if (environment['BOOTSTRAP_CLIENT_ID'] && environment['WEBSITE_INSTANCE_ID']) {
    faults.push('BOOTSTRAP_CLIENT_ID is refused on Azure: it is for the local cloud only');
  }
  return faults;
}
