/** What testing and backtesting a rule share: which rule, which device, and how transitions are shown. */
import { inheritAttributes } from '../devices/device-profiles.ts';
import type { Device } from '../devices/devices.ts';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import type { RuleDevice } from '../rules/compile-rules.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { RuleTransition } from '../rules/rule-transition.ts';
import { ownRule, type RuleBody } from './manage-rules.ts';
import type { ManageServices } from './manage-services.ts';

/** Bytes of a request that brings events or rules to try. */
export const TRIAL_BODY_BYTES_MAX = 1024 * 1024;

/** The rule for whatever device it is tried on. */
export function everywhere(definition: RuleDefinition): RuleDefinition {
  return { ...definition, enabled: true, scope: { devices: [], groups: [], exclude: [] } };
}

/** A rule that came in the request. */
export function inline(body: RuleBody, id: string): RuleDefinition {
  const { approval: _, ...content } = body;
  return { ...content, id };
}

/** The newest version of a stored rule. @throws Problem 404 */
export async function storedRule(
  services: ManageServices,
  tenantId: TenantId,
  ruleId: string,
): Promise<RuleDefinition> {
  const { rule, version, id } = await ownRule(services, tenantId, ruleId);
  return { ...rule, id, version };
}

/** A device of the tenant. @throws Problem 404 */
export async function ownDevice({ devices }: ManageServices, tenantId: TenantId, id: string): Promise<Device> {
  const device = await devices.read('direct', id);
  if (device?.tenantId === tenantId) return device;
  throw new Problem('device-not-found', 404, `There is no device ${id}.`);
}

/** A device as rules see it, attributes and all. */
export async function ruleDevice({ profiles }: ManageServices, device: Device): Promise<RuleDevice> {
  const { deviceId: id, name, groups, profile, tenantId } = device;
  return { id, name, groups, profile, attributes: inheritAttributes(device, await profiles.inheritance(tenantId)) };
}

/** A transition as the API shows it; `at` is the moment it counts from. */
export function viewOfTransition(transition: RuleTransition) {
  const iso = (ms: number) => new Date(ms).toISOString();
  const times = { noticedAt: iso(transition.ts), openedAt: iso(transition.openedAt) };
  const { ts: _, ...rest } = transition;
  switch (rest.kind) {
    case 'opened':
      return { ...rest, ...times, at: times.openedAt };
    case 'raised':
      return { ...rest, ...times, at: iso(rest.raisedAt), raisedAt: iso(rest.raisedAt) };
    case 'resolved':
      return { ...rest, ...times, at: iso(rest.resolvedAt), resolvedAt: iso(rest.resolvedAt) };
  }
}
