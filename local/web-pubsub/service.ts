/** What the endpoints of one server share: its key, clock, faults and hubs. */
import type { Connection } from './connection.ts';
import type { Faults } from './faults.ts';
import { Hub, type Target } from './hub.ts';
import type { Message } from './message.ts';
import { isHubName } from './names.ts';
import { badRequest, ServiceError } from './service-error.ts';

/** One Web PubSub resource. */
export class Service {
  readonly key: string;
  readonly now: () => number;
  readonly faults: Faults;
  readonly log: (line: string) => void;
  readonly #allowed: Set<string> | undefined;
  readonly #hubs = new Map<string, Hub>();

  constructor(options: {
    key: string;
    now: () => number;
    faults: Faults;
    log: (line: string) => void;
    hubs: string[] | undefined;
  }) {
    this.key = options.key;
    this.now = options.now;
    this.faults = options.faults;
    this.log = options.log;
    for (const name of options.hubs ?? []) if (!isHubName(name)) throw new TypeError(hubRule(name));
    this.#allowed = options.hubs && new Set(options.hubs.map((name) => name.toLowerCase()));
  }

  /**
   * A hub by its name, in any case; it comes into being with its first use.
   * @throws ServiceError 400 for a name that no hub can have, 404 for a hub this server was not started with
   */
  hub(name: string): Hub {
    if (!isHubName(name)) throw badRequest('hub', hubRule(name));
    const key = name.toLowerCase();
    if (this.#allowed && !this.#allowed.has(key)) {
      const known = [...this.#allowed].join(', ');
      throw new ServiceError(404, 'HubNotFound', `There is no hub '${name}' here, only: ${known}.`, { target: 'hub' });
    }
    const hub = this.#hubs.get(key) ?? new Hub(key);
    this.#hubs.set(key, hub);
    return hub;
  }

  /** Publishes a message, as far as the faults let it. */
  publish(hub: Hub, target: Target, message: Message, wanted: (connection: Connection) => boolean = () => true): void {
    this.faults.pass(() => hub.publish(target, message, this.now(), wanted));
  }

  /** Ends the sessions whose clients did not come back in time. */
  endAbandoned(): void {
    const now = this.now();
    for (const connection of this.#connections()) {
      if (connection.isAbandoned(now)) connection.close(1001, 'The session was not recovered in time.');
    }
  }

  #connections(): Connection[] {
    return [...this.#hubs.values()].flatMap((hub) => hub.select({ kind: 'all' }));
  }
}

function hubRule(name: string): string {
  return `'${name}' is not a hub name: a letter, then up to 127 letters, digits, or any of _ \` , . [ ].`;
}
