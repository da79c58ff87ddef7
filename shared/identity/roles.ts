/** What a principal may do: roles are given, permissions are asked for. */

/** Roles of a principal. All are within its tenant; `platform-admin` acts in any, which it names by a header. */
export const ROLES = ['owner', 'admin', 'operator', 'viewer', 'platform-admin'] as const;
export type Role = (typeof ROLES)[number];

/** What the management API asks for. */
export type Permission =
  /** Devices, groups, rules, alerts and anomalies of the tenant. */
  | 'read'
  | 'read-applications'
  | 'manage-rules'
  /** Acknowledge, snooze, comment and resolve alerts. */
  | 'handle-alerts'
  /** Whom alerts are told, and maintenance windows. */
  | 'manage-actions'
  | 'manage-devices'
  | 'manage-applications'
  /** Who else may manage the tenant. */
  | 'manage-users'
  /** The tenant itself. */
  | 'manage-tenant'
  /** What belongs to no tenant, such as the quarantine, and tenants themselves. */
  | 'operate-platform';

const VIEWER: Permission[] = ['read'];
const OPERATOR: Permission[] = [...VIEWER, 'read-applications', 'manage-rules', 'handle-alerts', 'manage-actions'];
const ADMIN: Permission[] = [...OPERATOR, 'manage-devices', 'manage-applications', 'manage-users'];
const OWNER: Permission[] = [...ADMIN, 'manage-tenant'];

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: VIEWER,
  operator: OPERATOR,
  admin: ADMIN,
  owner: OWNER,
  'platform-admin': [...OWNER, 'operate-platform'],
};

const DESCRIPTIONS: Readonly<Record<Role, string>> = {
  viewer: 'Sees devices, groups, rules, alerts and anomalies of the tenant.',
  operator: 'Also changes rules and handles alerts, and sees external applications.',
  admin: 'Also manages devices, external applications and users, up to administrators.',
  owner: 'Also manages owners and the tenant itself.',
  'platform-admin': 'An owner of every tenant, who also makes tenants and operates the platform.',
};

/** Each role contains those before it. */
const RANKS: readonly Role[] = ['viewer', 'operator', 'admin', 'owner', 'platform-admin'];

/** Whether one of the roles gives the permission. */
export function permits(roles: readonly Role[], permission: Permission): boolean {
  return roles.some((role) => GRANTS[role].includes(permission));
}

/** Whether the holder of `own` may give, take or act on `other`: nobody reaches above what they hold themselves. */
export function outranks(own: readonly Role[], other: readonly Role[]): boolean {
  return rankOf(other) <= rankOf(own);
}

/** The roles with what they allow, for people who choose among them. */
export function describeRoles(): { id: Role; description: string; permissions: readonly Permission[] }[] {
  return RANKS.map((id) => ({ id, description: DESCRIPTIONS[id], permissions: GRANTS[id] }));
}

function rankOf(roles: readonly Role[]): number {
  return Math.max(-1, ...roles.map((role) => RANKS.indexOf(role)));
}
