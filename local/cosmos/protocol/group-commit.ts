/**
 * Requests that arrive together share one commit: SQLite writes a page that several of them changed once instead of each
 * time, which is most of what a small write costs. Each is still all or nothing by itself, and none is answered before
 * the commit. When that fails, all of it is undone and they run one by one, as if they had arrived so.
 */
import type { CosmosRequest, CosmosResponse, OperationKind } from './message.ts';
import type { Engine } from './engine.ts';

/** Requests that share a commit at most: the first is answered only after the last has run. */
const GROUP_MAX = 16;

/** What changes definitions in memory, too, which an undone commit would not take back. */
const ALONE: ReadonlySet<OperationKind | undefined> = new Set([
  undefined,
  'account',
  'database',
  'container',
  'offer',
  'function',
]);

interface Waiting {
  request: CosmosRequest;
  kind: OperationKind | undefined;
  answered: (response: CosmosResponse) => void;
}

/** The commit of a group was undone by SQLite while its requests ran. */
class GroupUndone extends Error {
  override readonly name = 'GroupUndone';
}

/** See the top of the file. */
export class GroupCommit {
  readonly #engine: Engine;
  readonly #handle: (request: CosmosRequest) => CosmosResponse;
  #waiting: Waiting[] = [];

  /** @param handle runs one request; must not throw */
  constructor(engine: Engine, handle: (request: CosmosRequest) => CosmosResponse) {
    this.#engine = engine;
    this.#handle = handle;
  }

  /** Runs a request with those that arrive in the same turn; resolves once it is committed. */
  run(request: CosmosRequest, kind: OperationKind | undefined): Promise<CosmosResponse> {
    return new Promise((answered) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#runWaiting());
      this.#waiting.push({ request, kind, answered });
    });
  }

  #runWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length;) {
      let to = from + 1;
      if (!ALONE.has(waiting[from]?.kind))
        while (to < waiting.length && to - from < GROUP_MAX && !ALONE.has(waiting[to]?.kind)) to++;
      const group = waiting.slice(from, to);
      const responses = this.#runGroup(group.map(({ request }) => request));
      for (const [index, response] of responses.entries()) group[index]?.answered(response);
      from = to;
    }
  }

  #runGroup(requests: CosmosRequest[]): CosmosResponse[] {
    const { file, account } = this.#engine;
    if (requests.length === 1) return requests.map(this.#handle);
    try {
      return file.transaction(() =>
        requests.map((request) => {
          const response = this.#handle(request);
          // A full disk, for example: SQLite has then undone what ran before as well.
          if (!file.inTransaction) throw new GroupUndone();
          return response;
        }),
      );
    } catch {
      for (const container of account.containers()) container.forgetReservation();
      return requests.map(this.#handle);
    }
  }
}
