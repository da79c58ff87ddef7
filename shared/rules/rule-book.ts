/** The compiled rules of each device, kept until the tenant's rules or the device's groups change. */
import { compileForDevice, type CompiledRules, type RuleDevice } from './compile-rules.ts';
import type { RuleDefinition } from './rule-definition.ts';

/** Devices whose compiled rules an instance keeps per version of a tenant's rules. */
const DEVICES_MAX = 20_000;

/** Compiles at most once per device and version of the tenant's rules. */
export class RuleBook {
  /** The array of active rules is the same object until a rule changes, so it is the version. */
  readonly #byVersion = new WeakMap<readonly RuleDefinition[], Map<string, CompiledRules>>();

  /** The rules that apply to a device. */
  compiledFor(rules: readonly RuleDefinition[], device: RuleDevice): CompiledRules {
    const byDevice = this.#byVersion.get(rules) ?? new Map<string, CompiledRules>();
    this.#byVersion.set(rules, byDevice);
    const key = JSON.stringify([device.id, device.name, device.groups, device.profile, device.attributes]);
    const known = byDevice.get(key);
    if (known) return known;
    const compiled = compileForDevice(rules, device);
    if (byDevice.size >= DEVICES_MAX) byDevice.clear();
    byDevice.set(key, compiled);
    return compiled;
  }
}
