/**
 * An External Application: a third party that may read the telemetry of some devices of a tenant for a time. It has a
 * client id, one secret (two while it is rotated) and a policy: devices, device groups and whether anomalies belong to
 * it. Tokens and open streams are caches of this document: a change of it acts on them within seconds.
 *
 * - `epoch` ends every token issued before it: disabling raises it, so enabling does not revive old tokens.
 * - `policyVersion` tells whether the claims in a token still say what the policy is.
 * - `version` counts what a person changed; it is the ETag. Housekeeping (last used) leaves it alone.
 * - A deleted application stays as a tombstone, because its client id must never be issued again.
 */
import { createHash } from 'node:crypto';
import type { ClientId, TenantId } from '../identity/ids.ts';
import type { ApplicationScope } from '../identity/principal.ts';
import { thumbprint, type ClientKey } from './client-keys.ts';
import type { SecretHash } from './client-credentials.ts';
import { clientSettingsOf, type ClientSettings } from './client-settings.ts';

/** Live secrets of one application. */
export const SECRETS_MAX = 2;
/** Devices that one application names; more belong into groups. */
export const APPLICATION_DEVICES_MAX = 10_000;
/** Groups that one application names. */
export const APPLICATION_GROUPS_MAX = 200;
/** Single tokens that are revoked before their end; above it the epoch is raised, which ends all of them. */
export const REVOKED_TOKENS_MAX = 100;

/** Days before its end in which an application is marked in the list. */
const EXPIRES_SOON_DAYS = 14;
/** Credentials that are remembered as taken back. */
const ENDED_CREDENTIALS_MAX = 20;

/** A secret as stored. Times are ISO 8601. */
export interface StoredSecret extends SecretHash {
  id: string;
  /** Its last four characters, so that a person can tell two secrets apart. */
  hint: string;
  createdAt: string;
  /** The end of its grace, once a newer secret exists. */
  endsAt?: string;
  lastUsedAt?: string;
}

/** The document: container `applications`, found by its client id. Times are ISO 8601. */
export interface Application extends Partial<ClientSettings> {
  id: ClientId;
  kind: 'application';
  tenantId: TenantId;
  /** The id in URLs; sorts by the time of creation. */
  applicationId: string;
  name: string;
  createdAt: string;
  updatedAt: string;
  expiresAt: string;
  enabled: boolean;
  includeAnomalies: boolean;
  devices: string[];
  groups: string[];
  scopes: ApplicationScope[];
  /** Origins of web pages that may use it, such as `https://app.example`; absent in documents older than the field. */
  allowedOrigins?: string[];
  version: number;
  epoch: number;
  policyVersion: number;
  /** The newest first; public clients, and those that prove themselves by a key only, have none. */
  secrets: StoredSecret[];
  /** Tokens that were revoked one by one; `exp` in epoch seconds. */
  revoked: { jti: string; exp: number }[];
  /** Secrets and keys that were taken back before their time, the newest first: tokens bought with them end as well. */
  endedCredentials?: string[];
  /** When each registered key last signed an assertion, by its `kid`. */
  keysUsedAt?: Record<string, string>;
  lastUsedAt?: string;
}

/** What remains of a deleted application. */
export interface Tombstone {
  id: ClientId;
  kind: 'deleted-application';
  tenantId: TenantId;
  applicationId: string;
  deletedAt: string;
}

/** What an administrator sees: everything but credentials. */
export interface ApplicationView extends ClientSettings {
  id: string;
  name: string;
  status: 'enabled' | 'disabled';
  expired: boolean;
  /** Whether it expires within EXPIRES_SOON_DAYS. */
  expiresSoon: boolean;
  createdAt: string;
  updatedAt: string;
  expiresAt: string;
  lastUsedAt: string | null;
  includeAnomalies: boolean;
  devices: string[];
  groups: string[];
  scopes: ApplicationScope[];
  allowedOrigins: string[];
  /** The last four characters of the client id. */
  clientIdHint: string;
  secrets: { hint: string; createdAt: string; endsAt: string | null; lastUsedAt: string | null }[];
  /** The registered keys, with when each was last used. */
  keys: { kid: string; lastUsedAt: string | null }[];
}

/** Shows an application without its credentials; secrets whose grace is over are left out. */
export function viewOf(application: Application, nowMs: number): ApplicationView {
  const { applicationId, id, enabled, name, createdAt, updatedAt, expiresAt, lastUsedAt } = application;
  return {
    id: applicationId,
    name,
    status: enabled ? 'enabled' : 'disabled',
    expired: Date.parse(expiresAt) <= nowMs,
    expiresSoon: Date.parse(expiresAt) > nowMs && Date.parse(expiresAt) - nowMs <= EXPIRES_SOON_DAYS * 24 * 3_600_000,
    createdAt,
    updatedAt,
    expiresAt,
    lastUsedAt: lastUsedAt ?? null,
    includeAnomalies: application.includeAnomalies,
    devices: application.devices,
    groups: application.groups,
    scopes: application.scopes,
    ...clientSettingsOf(application),
    allowedOrigins: application.allowedOrigins ?? [],
    clientIdHint: id.slice(-4),
    secrets: liveSecrets(application, nowMs).map((secret) => ({
      hint: secret.hint,
      createdAt: secret.createdAt,
      endsAt: secret.endsAt ?? null,
      lastUsedAt: secret.lastUsedAt ?? null,
    })),
    keys: clientSettingsOf(application).jwks.keys.map(({ kid }) => ({
      kid,
      lastUsedAt: application.keysUsedAt?.[kid] ?? null,
    })),
  };
}

/** The secrets that authenticate now, the newest first. */
export function liveSecrets({ secrets }: Application, nowMs: number): StoredSecret[] {
  return secrets.filter(({ endsAt }) => endsAt === undefined || Date.parse(endsAt) > nowMs);
}

/** What the tokens bought with a key of an application carry, so that they end with it. */
export function keyCredential(key: ClientKey): string {
  return `key:${thumbprint(key)}`;
}

/** Takes credentials back: tokens bought with them end. Beyond what is remembered, all tokens do. */
export function endCredentials(application: Application, ended: readonly string[]): Application {
  if (ended.length === 0) return application;
  const endedCredentials = [...ended, ...(application.endedCredentials ?? [])];
  return endedCredentials.length <= ENDED_CREDENTIALS_MAX
    ? { ...application, endedCredentials }
    : { ...application, endedCredentials: [], epoch: application.epoch + 1 };
}

/** Names are unique without regard to case, width and spaces at the ends. Hashed, because ids may not hold every character. */
export function nameKey(tenantId: TenantId, name: string): string {
  const normal = name.normalize('NFKC').trim().toLowerCase();
  return `name|${tenantId}|${createHash('sha256').update(normal).digest('hex')}`;
}
