/** Rules of a tenant in the store: documents for people, and the set that runs for ingest. */
import type { TenantId } from '../identity/ids.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Stored, Store } from '../store/store.ts';
import type { RuleContent, RuleDefinition } from './rule-definition.ts';

/** Milliseconds after which a change of a rule is applied by every instance. */
const FRESH_MS = 5_000;
/** Milliseconds for which ingest goes on with the rules it knows while the store does not answer. */
const LAST_KNOWN_MS = 60_000;
/** Tenants whose rules an instance keeps. */
const TENANTS_MAX = 5_000;

/** Rules of one tenant: each is compiled for each device in its scope. */
export const RULES_PER_TENANT_MAX = 1_000;

/** The document: container `rules`. Times are ISO 8601. */
export interface RuleDocument {
  id: string;
  tenantId: TenantId;
  /** Counts changes, from 1. */
  version: number;
  /** Only approved rules run. */
  approval: 'approved';
  rule: RuleContent;
  createdAt: string;
  updatedAt: string;
}

/** Which rules a list holds. */
interface RuleFilter {
  search?: string | undefined;
  enabled?: boolean | undefined;
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
  /** Creates a rule; undefined when its id is taken. */
  create(document: RuleDocument): Promise<Stored<RuleDocument> | undefined>;
  /** Replaces a rule; undefined when somebody else wrote meanwhile. */
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
    create: async (document) => changed(document.tenantId, await store.create('rules', document)),
    replace: async (document, etag) => changed(document.tenantId, await store.replace('rules', document, etag)),
    remove: async ({ id, tenantId, _etag }) => changed(tenantId, await store.delete('rules', id, tenantId, _etag)),
    active: async (tenantId) => (await cache.get(tenantId)).rules,
  };
}

function all(store: Store, tenantId: string): Promise<Stored<RuleDocument>[]> {
  const parameters = [{ name: '@tenantId', value: tenantId }];
  return store.all('rules', { query: 'SELECT * FROM c WHERE c.tenantId = @tenantId', parameters }, tenantId);
}

function list(store: Store, tenantId: TenantId, filter: RuleFilter): Promise<Stored<RuleDocument>[]> {
  const conditions = ['c.tenantId = @tenantId'];
  const parameters: { name: string; value: string | boolean }[] = [{ name: '@tenantId', value: tenantId }];
  const restrict = (condition: string, name: string, value: string | boolean | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    parameters.push({ name, value });
  };
  restrict('CONTAINS(c.rule.name, @search, true)', '@search', filter.search);
  restrict('c.rule.enabled = @enabled', '@enabled', filter.enabled);
  restrict('c.id > @after', '@after', filter.after);
  const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.id ASC OFFSET 0 LIMIT ${filter.limit}`;
  return store.all<RuleDocument>('rules', { query, parameters }, tenantId);
}

function toActive(documents: Stored<RuleDocument>[], before: ActiveRules | undefined): ActiveRules {
  const running = documents
    .filter(({ approval, rule }) => approval === 'approved' && rule.enabled)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const fingerprint = running.map(({ id, _etag }) => `${id} ${_etag}`).join('\n');
  if (before?.fingerprint === fingerprint) return before;
  const byEtag = new Map(
    running.map(({ id, version, rule, _etag }) => {
      const key = `${id} ${_etag}`;
      return [key, before?.byEtag.get(key) ?? { ...rule, id, version }];
    }),
  );
  return { fingerprint, byEtag, rules: [...byEtag.values()] };
}
