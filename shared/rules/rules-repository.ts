/** Rules of a tenant in the store: documents for people, and the set that runs for ingest. */
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Stored, Store } from '../store/store.ts';
import type { RuleDefinition } from './rule-definition.ts';
import {
  runningOf,
  type ApprovalState,
  type RuleDocument,
  type RuleSettingsDocument,
  type RuleVersionDocument,
} from './rule-document.ts';

/** Milliseconds after which a change of a rule is applied by every instance. */
const FRESH_MS = 5_000;
/** Milliseconds for which ingest goes on with the rules it knows while the store does not answer. */
const LAST_KNOWN_MS = 60_000;
/** Tenants whose rules an instance keeps. */
const TENANTS_MAX = 5_000;

/** Rules of one tenant: each is compiled for each device in its scope. */
export const RULES_PER_TENANT_MAX = 1_000;

/** Versions of a rule that are kept; older ones go. */
export const VERSIONS_KEPT = 100;

/** Which rules a list holds. */
interface RuleFilter {
  search?: string | undefined;
  enabled?: boolean | undefined;
  approval?: ApprovalState | undefined;
  /** Lists what comes after this rule id. */
  after?: string | undefined;
  limit: number;
}

/** Access to the rules. */
export interface RulesRepository {
  find(tenantId: TenantId, ruleId: string): Promise<Stored<RuleDocument> | undefined>;
  /** Rules in the order of their ids. */
  list(tenantId: TenantId, filter: RuleFilter): Promise<Stored<RuleDocument>[]>;
  /** How many rules the tenant has. */
  count(tenantId: TenantId): Promise<number>;
  /** Versions of a rule that are kept, the newest first. */
  versions(tenantId: TenantId, ruleId: string): Promise<Stored<RuleVersionDocument>[]>;
  version(tenantId: TenantId, ruleId: string, version: number): Promise<Stored<RuleVersionDocument> | undefined>;
  settings(tenantId: TenantId): Promise<Stored<RuleSettingsDocument> | undefined>;
  /** Replaces the settings, or creates them without an etag; undefined when somebody else wrote meanwhile. */
  saveSettings(
    document: RuleSettingsDocument,
    etag: string | undefined,
  ): Promise<Stored<RuleSettingsDocument> | undefined>;
  /** Everything that runs now, for checks across rules. */
  running(tenantId: TenantId): Promise<RuleDefinition[]>;
  /** Creates a rule; undefined when its id is taken. */
  create(document: RuleDocument): Promise<Stored<RuleDocument> | undefined>;
  /** Replaces a rule, and keeps its version where that is a new one; undefined when somebody else wrote meanwhile. */
  replace(document: RuleDocument, etag: string): Promise<Stored<RuleDocument> | undefined>;
  /** Removes a rule; false when it changed meanwhile. */
  remove(document: Stored<RuleDocument>): Promise<boolean>;
  /**
   * The rules that run, as they were at most 5 s ago. The array is the same object until a rule changes, and so is each
   * unchanged definition: compile once per identity.
   */
  active(tenantId: TenantId): Promise<readonly RuleDefinition[]>;
}

interface ActiveRules {
  /** Ids with their etags: tells whether anything changed. */
  fingerprint: string;
  rules: readonly RuleDefinition[];
  byEtag: ReadonlyMap<string, RuleDefinition>;
}

/** Makes the repository over the store. */
export function createRulesRepository(store: Store, now: () => number = Date.now): RulesRepository {
  const last = new Map<string, ActiveRules>();
  const readActive = async (tenantId: string): Promise<ActiveRules> => {
    const active = toActive(await all(store, tenantId), last.get(tenantId));
    last.set(tenantId, active);
    if (last.size > TENANTS_MAX) last.delete([...last.keys()][0] ?? tenantId);
    return active;
  };
  const cache = new CachedReads(readActive, {
    freshMs: FRESH_MS,
    lastKnownMs: LAST_KNOWN_MS,
    entriesMax: TENANTS_MAX,
    now,
  });
  const changed = <T>(tenantId: TenantId, result: T): T => {
    cache.forget(tenantId);
    return result;
  };
  return {
    find: (tenantId, ruleId) => store.read<RuleDocument>('rules', ruleId, tenantId),
    list: (tenantId, filter) => list(store, tenantId, filter),
    count: async (tenantId) => (await all(store, tenantId)).length,
    versions: (tenantId, ruleId) => versions(store, tenantId, ruleId),
    version: (tenantId, ruleId, version) => store.read<RuleVersionDocument>('rules', `${ruleId}@${version}`, tenantId),
    settings: (tenantId) => store.read<RuleSettingsDocument>('rules', 'settings', tenantId),
    saveSettings: (document, etag) =>
      etag === undefined ? store.create('rules', document) : store.replace('rules', document, etag),
    running: async (tenantId) => (await all(store, tenantId)).flatMap((document) => runningOf(document) ?? []),
    create: async (document) => changed(document.tenantId, await write(store, document, undefined)),
    replace: async (document, etag) => changed(document.tenantId, await write(store, document, etag)),
    remove: async ({ id, tenantId, _etag }) => changed(tenantId, await store.delete('rules', id, tenantId, _etag)),
    active: async (tenantId) => (await cache.get(tenantId)).rules,
  };
}

/** Beside the rules stand their versions and the tenant's settings. */
const RULES_ONLY = 'c.tenantId = @tenantId AND NOT IS_DEFINED(c.kind)';

function all(store: Store, tenantId: string): Promise<Stored<RuleDocument>[]> {
  const parameters = [{ name: '@tenantId', value: tenantId }];
  return store.all('rules', { query: `SELECT * FROM c WHERE ${RULES_ONLY}`, parameters }, tenantId);
}

/** A rule and its version, in one batch: there is no version without a trace. */
async function write(
  store: Store,
  document: RuleDocument,
  etag: string | undefined,
): Promise<Stored<RuleDocument> | undefined> {
  const { id: ruleId, tenantId, version, rule, author = '', updatedAt: at } = document;
  const kept: RuleVersionDocument = {
    id: `${ruleId}@${version}`,
    kind: 'version',
    tenantId,
    ruleId,
    version,
    rule,
    author,
    at,
  };
  const outcome = await store.batch('rules', tenantId, [
    etag === undefined ? { kind: 'create', document } : { kind: 'replace', document, etag },
    { kind: 'upsert', document: kept },
  ]);
  if (outcome.kind === 'conflict') return undefined;
  if (outcome.kind === 'refused') {
    throw new Problem('rule-too-large', 413, 'The store refuses a rule of this size: name groups instead of devices.');
  }
  const old = version - VERSIONS_KEPT;
  if (old > 0) await store.delete('rules', `${ruleId}@${old}`, tenantId);
  return store.read<RuleDocument>('rules', ruleId, tenantId);
}

async function versions(store: Store, tenantId: TenantId, ruleId: string): Promise<Stored<RuleVersionDocument>[]> {
  const query = "SELECT * FROM c WHERE c.tenantId = @tenantId AND c.kind = 'version' AND c.ruleId = @ruleId";
  const parameters = [
    { name: '@tenantId', value: tenantId as string },
    { name: '@ruleId', value: ruleId },
  ];
  const found = await store.all<RuleVersionDocument>('rules', { query, parameters }, tenantId);
  return found.toSorted((a, b) => b.version - a.version);
}

function list(store: Store, tenantId: TenantId, filter: RuleFilter): Promise<Stored<RuleDocument>[]> {
  const conditions = [RULES_ONLY];
  const parameters: { name: string; value: string | boolean }[] = [{ name: '@tenantId', value: tenantId }];
  const restrict = (condition: string, name: string, value: string | boolean | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    parameters.push({ name, value });
  };
  restrict('CONTAINS(c.rule.name, @search, true)', '@search', filter.search);
  restrict('c.rule.enabled = @enabled', '@enabled', filter.enabled);
  restrict('c.approval = @approval', '@approval', filter.approval);
  restrict('c.id > @after', '@after', filter.after);
  const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.id ASC OFFSET 0 LIMIT ${filter.limit}`;
  return store.all<RuleDocument>('rules', { query, parameters }, tenantId);
}

function toActive(documents: Stored<RuleDocument>[], before: ActiveRules | undefined): ActiveRules {
  const running = documents
    .flatMap((document) => {
      const definition = runningOf(document);
      return definition?.enabled ? [{ id: document.id, etag: document._etag, definition }] : [];
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const fingerprint = running.map(({ id, etag }) => `${id} ${etag}`).join('\n');
  if (before?.fingerprint === fingerprint) return before;
  const byEtag = new Map(
    running.map(({ id, etag, definition }) => {
      const key = `${id} ${etag}`;
      return [key, before?.byEtag.get(key) ?? definition];
    }),
  );
  return { fingerprint, byEtag, rules: [...byEtag.values()] };
}
