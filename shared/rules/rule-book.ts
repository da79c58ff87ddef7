/**
 * The compiled rules of each device, kept until the tenant's rules or the device's groups or attributes change. Devices
 * under the same rules and limits share what was compiled: a fleet is many devices and few kinds.
 */
import { appliesTo, compileForDevice, type CompiledRules, type RuleDevice } from './compile-rules.ts';
import type { RuleDefinition } from './rule-definition.ts';

/** Devices whose compiled rules an instance keeps per version of a tenant's rules. */
const DEVICES_MAX = 20_000;

/** What was compiled under one version of a tenant's rules. */
interface Version {
  byDevice: Map<string, CompiledRules>;
  /** By the rules that apply, and the attributes. */
  byKind: Map<string, CompiledRules>;
}

/** Compiles at most once per kind of device and version of the tenant's rules. */
export class RuleBook {
  /** The array of active rules is the same object until a rule changes, so it is the version. */
  readonly #byVersion = new WeakMap<readonly RuleDefinition[], Version>();

  /** The rules that apply to a device. */
  compiledFor(rules: readonly RuleDefinition[], device: RuleDevice): CompiledRules {
    const version: Version = this.#byVersion.get(rules) ?? { byDevice: new Map(), byKind: new Map() };
    this.#byVersion.set(rules, version);
    const { byDevice, byKind } = version;
    const key = JSON.stringify([device.id, device.name, device.groups, device.profile, device.attributes]);
    const known = byDevice.get(key);
    if (known) return known;
    const applying = rules.flatMap((rule, index) => (rule.enabled && appliesTo(rule, device) ? [index] : []));
    const kind = JSON.stringify([applying, device.attributes]);
    const shared = byKind.get(kind) ?? compileForDevice(rules, device);
    if (byDevice.size >= DEVICES_MAX) {
      byDevice.clear();
      byKind.clear();
    }
    byKind.set(kind, shared);
    const compiled = shared.device === device ? shared : { ...shared, device };
    byDevice.set(key, compiled);
    return compiled;
  }
}
