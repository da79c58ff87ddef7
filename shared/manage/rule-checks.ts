/** What a rule is checked against beside itself: the tenant's devices, groups and profiles, and what one device bears. */
import { DEVICE_STATE, checkDeviceLoad } from '../rules/device-load.ts';
import { invalidInput, type FieldFault } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { actorOf } from '../identity/principal.ts';
import type { RuleContent } from '../rules/rule-definition.ts';
import { runningOf, type ApprovalPolicy, type RuleDocument } from '../rules/rule-document.ts';
import { checkParameters } from '../rules/check-parameters.ts';
import type { ManageCall, ManageServices } from './manage-services.ts';

/** Faults that one answer lists. */
const FAULTS_MAX = 20;

/** How the tenant wants rules approved. */
export async function approvalPolicy({ rules }: ManageServices, tenantId: TenantId): Promise<ApprovalPolicy> {
  return (await rules.settings(tenantId))?.approval ?? 'optional';
}

/** The caller as an actor, now. */
export function actBy({ now }: ManageServices, { caller }: Pick<ManageCall, 'caller'>): { by: string; at: string } {
  return { by: actorOf(caller), at: new Date(now()).toISOString() };
}

/**
 * Refuses a scope that names what the tenant does not have, and parameters or limits that the profiles named rule out.
 * @param before the rule as it was: what it named already is not asked for again
 * @throws Problem 422
 */
export async function requireReferences(
  services: ManageServices,
  tenantId: TenantId,
  rule: RuleContent,
  before?: RuleContent,
): Promise<void> {
  const { devices, groups, profiles = [], exclude } = rule.scope;
  const fresh = (ids: readonly string[], known: readonly string[] = []) => ids.filter((id) => !known.includes(id));
  const named = fresh([...devices, ...exclude], before && [...before.scope.devices, ...before.scope.exclude]);
  const [knownDevices, knownGroups, knownProfiles] = await Promise.all([
    named.length > 0 ? services.devices.existing(tenantId, named) : new Set<string>(),
    services.groups.existing(tenantId, fresh(groups, before?.scope.groups)),
    services.profiles.existing(tenantId, profiles),
  ]);
  const unknown = (
    field: string,
    ids: readonly string[],
    known: { has(id: string): boolean },
    old: readonly string[],
    what: string,
  ) =>
    ids.flatMap((id, index): FieldFault[] =>
      known.has(id) || old.includes(id)
        ? []
        : [{ field: `scope.${field}.${index}`, rule: `no such ${what} in this tenant`, got: id }],
    );
  const was = before?.scope;
  const faults = [
    ...unknown('devices', devices, knownDevices, [...(was?.devices ?? []), ...(was?.exclude ?? [])], 'device'),
    ...unknown('groups', groups, knownGroups, was?.groups ?? [], 'device group'),
    ...unknown('profiles', profiles, knownProfiles, [], 'device profile'),
    ...unknown('exclude', exclude, knownDevices, [...(was?.devices ?? []), ...(was?.exclude ?? [])], 'device'),
    ...checkParameters(rule, [...knownProfiles.values()]).map(({ path, message }) => ({
      field: path.join('.'),
      rule: message,
    })),
  ];
  if (faults.length > 0) throw invalidInput('body', faults.slice(0, FAULTS_MAX), 422);
}

/**
 * Refuses a rule that tells actions which the tenant does not have.
 * @param before the rule as it was: what it named already is not asked for again
 * @throws Problem 400
 */
export async function requireActions(
  { actions }: ManageServices,
  tenantId: TenantId,
  rule: RuleContent,
  before?: RuleContent,
): Promise<void> {
  const named = actionsOf(rule);
  const old = new Set(before ? actionsOf(before).map(({ id }) => id) : []);
  const fresh = named.filter(({ id }) => !old.has(id));
  if (fresh.length === 0) return;
  const known = new Set((await actions.list(tenantId)).map(({ id }) => id));
  const faults = fresh.flatMap(({ field, id }): FieldFault[] =>
    known.has(id) ? [] : [{ field, rule: 'no such action in this tenant: GET /v1/actions lists them', got: id }],
  );
  if (faults.length > 0) throw invalidInput('body', faults.slice(0, FAULTS_MAX));
}

function actionsOf({ notify }: RuleContent): { field: string; id: string }[] {
  const listed = (ids: readonly string[], field: string) =>
    ids.map((id, index) => ({ field: `${field}.${index}`, id }));
  return [
    ...listed(notify?.actions ?? [], 'notify.actions'),
    ...(notify?.escalate ?? []).flatMap(({ actions }, step) => listed(actions, `notify.escalate.${step}.actions`)),
  ];
}

/**
 * Refuses a rule under which some device would carry more than one may: windows, and bytes of state.
 * @throws Problem 422
 */
export async function requireFit(services: ManageServices, document: RuleDocument): Promise<void> {
  const { tenantId, rule } = document;
  const definition = runningOf(document) ?? { ...rule, id: document.id };
  const others = (await services.rules.running(tenantId)).filter(({ id, enabled }) => id !== document.id && enabled);
  const together = [...others, definition];
  // All of them on one device would still fit: no need to ask which device has which.
  if (!checkDeviceLoad(together)) return;
  let after: string | undefined;
  do {
    const page = await services.devices.list(tenantId, { after, limit: DEVICE_STATE.devicesPerPage });
    for (const { deviceId, groups, profile } of page) {
      const fault = checkDeviceLoad(together, { id: deviceId, groups, profile });
      if (fault) throw invalidInput('body', [{ field: 'when', rule: `${fault} (device ${deviceId})` }], 422);
    }
    after = page.length < DEVICE_STATE.devicesPerPage ? undefined : page.at(-1)?.deviceId;
  } while (after !== undefined);
}
