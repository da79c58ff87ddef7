/** The connections of one hub, found by id, by user and by group. */
import type { Connection } from './connection.ts';
import type { Message } from './message.ts';

/** Whom a message is for. */
export type Target =
  | { kind: 'all' }
  | { kind: 'group'; group: string }
  | { kind: 'user'; userId: string }
  | { kind: 'connection'; connectionId: string };

/** A hub. */
export class Hub {
  readonly name: string;
  readonly #connections = new Map<string, Connection>();
  readonly #groups = new Map<string, Set<Connection>>();

  constructor(name: string) {
    this.name = name;
  }

  /** Adds a new connection and puts it into the groups of its token. */
  add(connection: Connection, groups: string[]): void {
    this.#connections.set(connection.id, connection);
    for (const group of groups) this.join(connection, group);
    connection.onEnd = () => this.#remove(connection);
  }

  get(connectionId: string): Connection | undefined {
    return this.#connections.get(connectionId);
  }

  /** The connections a target means, in the order they came. */
  select(target: Target): Connection[] {
    switch (target.kind) {
      case 'all':
        return [...this.#connections.values()];
      case 'group':
        return [...(this.#groups.get(target.group) ?? [])];
      case 'user':
        return this.select({ kind: 'all' }).filter(({ userId }) => userId === target.userId);
      case 'connection':
        return [this.get(target.connectionId) ?? []].flat();
    }
  }

  join(connection: Connection, group: string): void {
    if (connection.ended) return;
    const members = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, members.add(connection));
    connection.groups.add(group);
  }

  leave(connection: Connection, group: string): void {
    const members = this.#groups.get(group);
    members?.delete(connection);
    if (members?.size === 0) this.#groups.delete(group);
    connection.groups.delete(group);
  }

  /** Delivers a message to the connections a target means now, but to those that are unwanted. */
  publish(target: Target, message: Message, nowMs: number, wanted: (connection: Connection) => boolean): void {
    for (const connection of this.select(target)) if (wanted(connection)) connection.deliver(message, nowMs);
  }

  #remove(connection: Connection): void {
    for (const group of connection.groups) this.leave(connection, group);
    this.#connections.delete(connection.id);
  }
}
