import { compileGroupPattern, type GroupPattern } from './group-pattern.ts';
import { isGroupName } from './names.ts';

/** The two things a client may do with groups. */
export type Permission = 'joinLeaveGroup' | 'sendToGroup';

/**
 * What one connection may do with groups, from the roles of its token and from later grants and revocations.
 * Literal roles name one group, `webpubsub.<permission>s.<pattern>` roles many.
 */
export class GroupPermissions {
  #every = false;
  readonly #groups = new Set<string>();
  #patterns: GroupPattern[] = [];

  constructor(roles: string[], permission: Permission) {
    const literal = `webpubsub.${permission}.`;
    const pattern = `webpubsub.${permission}s.`;
    for (const role of roles) {
      if (role === `webpubsub.${permission}`) this.#every = true;
      else if (role.startsWith(literal) && isGroupName(role.slice(literal.length))) {
        this.#groups.add(role.slice(literal.length));
      } else if (role.startsWith(pattern)) {
        const compiled = compileGroupPattern(role.slice(pattern.length));
        if (compiled) this.#patterns.push(compiled);
      }
    }
  }

  /** True when the group is allowed; without a group, when every group is. */
  allows(group?: string): boolean {
    if (this.#every) return true;
    if (group === undefined) return false;
    return this.#groups.has(group) || this.#patterns.some((matches) => matches(group));
  }

  /** Allows one group, or every group. */
  grant(group?: string): void {
    if (group === undefined) this.#every = true;
    else this.#groups.add(group);
  }

  /** Takes back one group that was named, or everything. */
  revoke(group?: string): void {
    if (group !== undefined) {
      this.#groups.delete(group);
      return;
    }
    this.#every = false;
    this.#groups.clear();
    this.#patterns = [];
  }
}
