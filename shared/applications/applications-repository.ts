/** External Applications in the store: documents by client id, and one reservation per name so that names stay unique. */
import { setTimeout as delay } from 'node:timers/promises';
import { FreshReads } from '../store/fresh-reads.ts';
import { RecentReads } from '../store/recent-reads.ts';
import type { Stored, Store } from '../store/store.ts';
import type { ClientId, TenantId } from '../identity/ids.ts';
import { noteUse, type UsedCredential } from './record-use.ts';
import { inOrder, type ApplicationSort, type Listed, type Place } from './sort-applications.ts';
import { nameKey, type Application, type Tombstone } from './applications.ts';

/** Age at which a name reservation without its application is taken over: its creator died half-way. */
const ABANDONED_AFTER_MS = 60_000;
/** Times a change is tried again when somebody else wrote meanwhile. */
const CHANGE_TRIES = 8;
/** Times the note of a use is tried again when somebody else wrote meanwhile. */
const NOTE_TRIES = 3;
/** Milliseconds for which a document that was read serves again where it says yes. */
const RECENT_MS = 100;
/** Documents that an instance remembers for so long. */
const RECENT_MAX = 1_000;

interface NameReservation {
  id: string;
  kind: 'name';
  tenantId: TenantId;
  clientId: ClientId;
  applicationId: string;
  reservedAt: string;
}

/** Which applications a list holds. */
export interface ApplicationFilter {
  search?: string | undefined;
  status?: 'enabled' | 'disabled' | 'expired' | undefined;
}

/** Which part of the list, in which order. */
export interface ListPage {
  sort: ApplicationSort;
  /** The place of the last application of the page before. */
  after?: Place | undefined;
  limit: number;
}

/** Access to the documents. */
export class ApplicationsRepository {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #documents: FreshReads<Stored<Application | Tombstone> | undefined>;
  readonly #recent = new RecentReads<Stored<Application | Tombstone> | undefined>({
    maxAgeMs: RECENT_MS,
    entriesMax: RECENT_MAX,
  });

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
    this.#documents = new FreshReads((clientId) => store.read('applications', clientId, clientId));
  }

  /** The document as it is now, by a point read that those who ask at once share; undefined when there is none or it was deleted. */
  async byClientId(clientId: string): Promise<Stored<Application> | undefined> {
    return applicationIn(await this.#recent.remember(clientId, () => this.#documents.get(clientId)));
  }

  /**
   * The document, if somebody here read it in the last RECENT_MS and nobody here changed it since; costs nothing. Enough
   * to say yes: whoever would say no by it asks `byClientId`. A change at another instance counts here RECENT_MS later,
   * so the other instance waits that long (`lapse`) before it calls the change done.
   */
  recentByClientId(clientId: string): Stored<Application> | undefined {
    return applicationIn(this.#recent.get(clientId));
  }

  /** Forgets what was read of an application: it was changed elsewhere. */
  forget(clientId: string): void {
    this.#recent.forget(clientId);
  }

  /** Resolves when no instance goes by a document any more that was read before now. */
  lapse(): Promise<void> {
    return delay(RECENT_MS);
  }

  /** The tenant's application with this id. */
  async find(tenantId: TenantId, applicationId: string): Promise<Stored<Application> | undefined> {
    const [application] = await this.#store.all<Application>('applications', {
      query:
        "SELECT * FROM c WHERE c.kind = 'application' AND c.tenantId = @tenantId AND c.applicationId = @applicationId",
      parameters: [
        { name: '@tenantId', value: tenantId },
        { name: '@applicationId', value: applicationId },
      ],
    });
    return application;
  }

  /** The tenant's applications in the order asked for, at most `limit`. */
  async list(tenantId: TenantId, filter: ApplicationFilter, page: ListPage): Promise<Stored<Application>[]> {
    const conditions = ["c.kind = 'application'", 'c.tenantId = @tenantId'];
    const parameters: { name: string; value: string }[] = [{ name: '@tenantId', value: tenantId }];
    const restrict = (condition: string, name?: string, value?: string) => {
      conditions.push(condition);
      if (name !== undefined && value !== undefined) parameters.push({ name, value });
    };
    if (filter.search !== undefined) restrict('CONTAINS(c.name, @search, true)', '@search', filter.search);
    if (filter.status === 'enabled') restrict('c.enabled = true');
    if (filter.status === 'disabled') restrict('c.enabled = false');
    if (filter.status === 'expired') restrict('c.expiresAt <= @now', '@now', new Date(this.#now()).toISOString());
    const { sort, after, limit } = page;
    if (sort === '-createdAt') {
      // The order that nearly everybody asks for is that of the index.
      if (after !== undefined) restrict('c.applicationId < @before', '@before', after[1]);
      const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.applicationId DESC OFFSET 0 LIMIT ${limit}`;
      return this.#store.all<Application>('applications', { query, parameters });
    }
    const columns = 'c.id, c.applicationId, c.name, c.enabled, c.expiresAt, c.lastUsedAt';
    const query = `SELECT ${columns} FROM c WHERE ${conditions.join(' AND ')}`;
    const all = await this.#store.all<Listed>('applications', { query, parameters });
    const wanted = inOrder(all, sort, after).slice(0, limit);
    const found = await Promise.all(wanted.map(({ id }) => this.byClientId(id)));
    return found.filter((application) => application !== undefined);
  }

  /** Names of applications whose policy names the group, at most ten. */
  async namesUsingGroup(tenantId: TenantId, groupId: string): Promise<string[]> {
    const users = await this.#store.all<{ name: string }>('applications', {
      query:
        "SELECT c.name FROM c WHERE c.kind = 'application' AND c.tenantId = @tenantId AND ARRAY_CONTAINS(c.groups, @groupId) OFFSET 0 LIMIT 10",
      parameters: [
        { name: '@tenantId', value: tenantId },
        { name: '@groupId', value: groupId },
      ],
    });
    return users.map(({ name }) => name);
  }

  /** Whether any application, of whatever tenant, lets pages of this origin in. */
  async isOriginUsed(origin: string): Promise<boolean> {
    const users = await this.#store.all<{ id: string }>('applications', {
      query:
        "SELECT c.id FROM c WHERE c.kind = 'application' AND ARRAY_CONTAINS(c.allowedOrigins, @origin) OFFSET 0 LIMIT 1",
      parameters: [{ name: '@origin', value: origin }],
    });
    return users.length > 0;
  }

  /** Whether any application of any tenant was opted into the password grant. */
  async anyWithUserAuthentication(): Promise<boolean> {
    const found = await this.#store.all<{ id: string }>('applications', {
      query:
        "SELECT c.id FROM c WHERE c.kind = 'application' AND c.enabled = true AND c.userAuthentication IN ('password', 'external_authentication_token') OFFSET 0 LIMIT 1",
    });
    return found.length > 0;
  }

  /** Stores a new application under its name; says what was taken. */
  async create(application: Application): Promise<Stored<Application> | 'name-taken' | 'id-taken'> {
    if (!(await this.#reserveName(application))) return 'name-taken';
    return (await this.#store.create('applications', application)) ?? 'id-taken';
  }

  /**
   * Changes an application under its etag, again when somebody else wrote meanwhile.
   * @param change returns the next document, or the same one when there is nothing to change; may throw a Problem
   */
  async change(
    tenantId: TenantId,
    applicationId: string,
    change: (application: Application) => Application,
  ): Promise<Application | 'not-found' | 'name-taken'> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.find(tenantId, applicationId);
      if (!current) return 'not-found';
      const { _etag, _ts, ...application } = current;
      const next = change(application);
      if (next === application) return application;
      const renamed = nameKey(tenantId, next.name) !== nameKey(tenantId, application.name);
      if (renamed && !(await this.#reserveName(next))) return 'name-taken';
      const written = await this.#replace(next, _etag);
      if (written) {
        if (renamed) await this.#releaseName(application);
        return written;
      }
    }
    throw Object.assign(new Error(`Application ${applicationId} is being changed too often.`), { code: 449 });
  }

  /** Leaves a tombstone and frees the name. False when there is no such application. */
  async remove(tenantId: TenantId, applicationId: string, check: (application: Application) => void): Promise<boolean> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.find(tenantId, applicationId);
      if (!current) return false;
      check(current);
      const deletedAt = new Date(this.#now()).toISOString();
      const tombstone: Tombstone = { id: current.id, kind: 'deleted-application', tenantId, applicationId, deletedAt };
      if (await this.#replace(tombstone, current._etag)) {
        await this.#releaseName(current);
        return true;
      }
    }
    throw Object.assign(new Error(`Application ${applicationId} is being changed too often.`), { code: 449 });
  }

  /** Records the use of a credential. Gives up when others go on writing: the next minute notes it. */
  async recordUse(application: Stored<Application>, used: UsedCredential, at: string): Promise<void> {
    let current: Stored<Application> | undefined = application;
    for (let tries = 0; tries < NOTE_TRIES && current; tries++) {
      const { _etag, _ts, ...document } = current;
      if (await this.#replace(noteUse(document, used, at), _etag)) return;
      current = await this.byClientId(application.id);
    }
  }

  /** Writes, and whoever asks here goes by what was written. */
  async #replace<T extends Application | Tombstone>(document: T, etag: string): Promise<Stored<T> | undefined> {
    try {
      return await this.#store.replace('applications', document, etag);
    } finally {
      this.#recent.forget(document.id);
    }
  }

  async #reserveName({ tenantId, name, id: clientId, applicationId }: Application): Promise<boolean> {
    const id = nameKey(tenantId, name);
    const reservedAt = new Date(this.#now()).toISOString();
    const mine: NameReservation = { id, kind: 'name', tenantId, clientId, applicationId, reservedAt };
    if (await this.#store.create('applications', mine)) return true;
    const taken = await this.#store.read<NameReservation>('applications', id, id);
    if (!taken) return (await this.#store.create('applications', mine)) !== undefined;
    if (taken.clientId === clientId) return true;
    if (this.#now() - Date.parse(taken.reservedAt) < ABANDONED_AFTER_MS) return false;
    const holder = await this.byClientId(taken.clientId);
    const held = holder !== undefined && nameKey(tenantId, holder.name) === id;
    return !held && (await this.#store.replace('applications', mine, taken._etag)) !== undefined;
  }

  async #releaseName({ tenantId, name, id: clientId }: Application): Promise<void> {
    const id = nameKey(tenantId, name);
    const reservation = await this.#store.read<NameReservation>('applications', id, id);
    if (reservation?.clientId === clientId) await this.#store.delete('applications', id, id, reservation._etag);
  }
}

function applicationIn(document: Stored<Application | Tombstone> | undefined): Stored<Application> | undefined {
  return document?.kind === 'application' ? document : undefined;
}
