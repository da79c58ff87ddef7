/**
 * Keeps what an application may see up to date while its streams are open: one check per token for all streams that
 * opened with it, every AUTHORITY_CHECK_MS.
 */
import type { Cancel, Timing } from './timing.ts';

/** What an application may see. */
export interface Authority {
  readonly devices: ReadonlySet<string>;
  readonly includeAnomalies: boolean;
}

/** The answer of the authority of a caller. */
export type Decision =
  | { allowed: true; devices: ReadonlySet<string>; includeAnomalies: boolean }
  | { allowed: false; reason: string };

/** Who opened a stream, as far as streams care. */
export interface StreamCaller {
  readonly tenantId: string;
  /** The application, for caps and shared views. */
  readonly applicationId: string;
  /** The token, for checks: one token may be revoked alone. */
  readonly tokenId: string;
  /** When the token expires, epoch milliseconds. */
  readonly expiresAtMs: number;
  /** The ticket it came with instead of the token, which has its own end. */
  readonly ticket?: { readonly connection: string };
}

/** What is checked: one for all streams of a token that ask for the same groups. */
export interface Scope<Caller extends StreamCaller> {
  readonly caller: Caller;
  /** Narrows the application's devices to those in any of the groups, and `devices`. */
  readonly groups?: ReadonlySet<string>;
  /** Looked at only together with `groups`: these as well. */
  readonly devices?: ReadonlySet<string>;
}

/**
 * Milliseconds between two checks. The application's document that answers is 2 s old at most, so that a disabled
 * application's streams end within 5 s at worst.
 */
const AUTHORITY_CHECK_MS = 1_000;
/** Milliseconds without an answer after which streams are closed. The answering side has its own patience before. */
const AUTHORITY_TRUST_MS = 10_000;

/** View scopes whose last answer is remembered for sharing: a client may ask for other groups each time. */
const SCOPES_REMEMBERED = 10_000;

/** What a watched stream is told. */
export interface Watcher {
  authorityChanged(authority: Authority): void;
  authorityEnded(reason: string): void;
}

interface Watch<Caller extends StreamCaller> {
  scope: Scope<Caller>;
  watchers: Set<Watcher>;
  authority: Authority;
  /** When the authority last answered, epoch milliseconds. */
  answeredAt: number;
  checking: boolean;
  /** Something changed while it was checked: what the check saw may be older. */
  again: boolean;
}

/** Watches the authority behind open streams. */
export class AuthorityWatch<Caller extends StreamCaller> {
  readonly #watches = new Map<string, Watch<Caller>>();
  readonly #check: (scope: Scope<Caller>) => Promise<Decision>;
  readonly #timing: Timing;
  /** By view scope: the last answer, and the object that stands for it. */
  readonly #known = new Map<string, { answer: Authority; authority: Authority }>();
  #cancel: Cancel | undefined;

  constructor(check: (scope: Scope<Caller>) => Promise<Decision>, timing: Timing) {
    this.#check = check;
    this.#timing = timing;
  }

  /** Asks once. Equal answers for one application are the same object, so that its streams share views. */
  async decide(
    scope: Scope<Caller>,
  ): Promise<{ allowed: true; authority: Authority } | { allowed: false; reason: string }> {
    const decision = await this.#check(scope);
    return decision.allowed ? { allowed: true, authority: this.#shared(scope, decision) } : decision;
  }

  /** Watches on for a stream; `authority` is what `decide` answered. Returns what ends the watch. */
  watch(scope: Scope<Caller>, authority: Authority, watcher: Watcher): Cancel {
    const key = `${viewScope(scope)} ${scope.caller.tokenId} ${scope.caller.ticket?.connection ?? ''}`;
    const watch = this.#watches.get(key) ?? {
      scope,
      watchers: new Set(),
      authority,
      answeredAt: this.#timing.now(),
      checking: false,
      again: false,
    };
    this.#watches.set(key, watch);
    watch.watchers.add(watcher);
    // The answer may be older than the last check of this watch.
    if (watch.authority !== authority) watcher.authorityChanged(watch.authority);
    this.#cancel ??= this.#timing.every(AUTHORITY_CHECK_MS, () => this.checkAll());
    return () => {
      watch.watchers.delete(watcher);
      if (watch.watchers.size === 0 && this.#watches.get(key) === watch) this.#watches.delete(key);
      if (this.#watches.size > 0) return;
      this.#known.clear();
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  /** Checks every watch now. */
  checkAll(): void {
    for (const watch of this.#watches.values()) {
      // A check that hangs must not keep a revoked stream open: it counts as no answer.
      if (watch.checking) this.#unanswered(watch);
      else void this.#recheck(watch);
    }
  }

  /** Checks the watches of an application now, because something of it has changed. */
  checkNow(isConcerned: (caller: Caller) => boolean): void {
    for (const watch of this.#watches.values()) {
      if (!isConcerned(watch.scope.caller)) continue;
      if (watch.checking) watch.again = true;
      else void this.#recheck(watch);
    }
  }

  async #recheck(watch: Watch<Caller>): Promise<void> {
    watch.checking = true;
    try {
      this.#apply(watch, await this.#check(watch.scope));
    } catch {
      // No answer is no refusal: the last one holds for a while.
      this.#unanswered(watch);
    } finally {
      watch.checking = false;
      if (watch.again && watch.watchers.size > 0) {
        watch.again = false;
        void this.#recheck(watch);
      }
    }
  }

  #apply(watch: Watch<Caller>, decision: Decision): void {
    watch.answeredAt = this.#timing.now();
    if (!decision.allowed) {
      for (const watcher of watch.watchers) watcher.authorityEnded(decision.reason);
      return;
    }
    const authority = this.#shared(watch.scope, decision);
    if (authority === watch.authority) return;
    watch.authority = authority;
    for (const watcher of watch.watchers) watcher.authorityChanged(authority);
  }

  #unanswered(watch: Watch<Caller>): void {
    if (this.#timing.now() - watch.answeredAt < AUTHORITY_TRUST_MS) return;
    for (const watcher of watch.watchers) watcher.authorityEnded('authority_unavailable');
  }

  #shared(scope: Scope<Caller>, { devices, includeAnomalies }: Authority): Authority {
    const key = viewScope(scope);
    const known = this.#known.get(key);
    if (known !== undefined && isEqual(known.answer, { devices, includeAnomalies })) {
      // The next answer is probably the same object again: then it need not be compared.
      known.answer = { devices, includeAnomalies };
      return known.authority;
    }
    const authority = { devices, includeAnomalies };
    if (this.#known.size >= SCOPES_REMEMBERED) this.#known.clear();
    this.#known.set(key, { answer: authority, authority });
    return authority;
  }
}

/** Whose policy it is: the application, narrowed by the groups that were asked for. */
export function viewScope({ caller, groups, devices }: Scope<StreamCaller>): string {
  if (groups === undefined) return caller.applicationId;
  return `${caller.applicationId} ${[...groups].toSorted().join()} ${[...(devices ?? [])].toSorted().join()}`;
}

function isEqual(a: Authority, b: Authority): boolean {
  if (a.includeAnomalies !== b.includeAnomalies) return false;
  if (a.devices === b.devices) return true;
  return a.devices.size === b.devices.size && [...a.devices].every((device) => b.devices.has(device));
}
