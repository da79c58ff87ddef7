/** What a service principal may do: roles are given, permissions are asked for. */

/** Roles of a principal. All are within its tenant; `platform-admin` acts in any, which it names by a header. */
export const ROLES = ['owner', 'admin', 'operator', 'viewer', 'platform-admin'] as const;
export type Role = (typeof ROLES)[number];

/** What the management API asks for. */
export type Permission =
  /** Devices, groups, rules, alerts and anomalies of the tenant. */
  | 'read'
  | 'read-applications'
  | 'manage-rules'
  | 'manage-devices'
  | 'manage-applications'
  /** What belongs to no tenant, such as the quarantine. */
  | 'operate-platform';

const VIEWER: Permission[] = ['read'];
const OPERATOR: Permission[] = [...VIEWER, 'read-applications', 'manage-rules'];
const ADMIN: Permission[] = [...OPERATOR, 'manage-devices', 'manage-applications'];

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: VIEWER,
  operator: OPERATOR,
  admin: ADMIN,
  owner: ADMIN,
  'platform-admin': [...ADMIN, 'operate-platform'],
};

/** Whether one of the roles gives the permission. */
export function permits(roles: readonly Role[], permission: Permission): boolean {
  return roles.some((role) => GRANTS[role].includes(permission));
}
