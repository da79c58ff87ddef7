/** The rules of a device, compiled with the limits that its attributes give: for the step and for the tick. */
import { inheritAttributes, type Inheritance } from '../devices/device-profiles.ts';
import type { Device } from '../devices/devices.ts';
import type { TenantId } from '../identity/ids.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import type { RuleBook } from '../rules/rule-book.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import { usesAttributes } from '../rules/uses-attributes.ts';

/** Where rules and attributes come from. */
export interface RulesOfDevices {
  ruleBook: RuleBook;
  activeRules(tenantId: TenantId): Promise<readonly RuleDefinition[]>;
  /** What devices inherit; absent: nothing. */
  inheritance?(tenantId: TenantId): Promise<Inheritance>;
}

/** Compiles a device's rules, or takes what was compiled before. */
export async function rulesOf(from: RulesOfDevices, device: Device): Promise<CompiledRules> {
  const { tenantId, deviceId: id, name, groups, profile, attributes } = device;
  const rules = await from.activeRules(tenantId);
  const about = { id, name, groups, profile };
  // Most tenants' limits are literals: then nobody asks for attributes.
  if (!usesAttributes(rules)) return from.ruleBook.compiledFor(rules, about);
  const inherited = await from.inheritance?.(tenantId);
  const all = inherited ? inheritAttributes(device, inherited) : attributes;
  return from.ruleBook.compiledFor(rules, { ...about, attributes: all });
}
