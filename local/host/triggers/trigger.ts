/** What every kind of trigger but HTTP is to the host: something that listens and runs invocations until it is stopped. */
import type { Clock } from '../clock.ts';
import type { HostConfig } from '../config/host-json.ts';
import type { ReadSetting } from '../config/settings.ts';
import type { RegisteredFunction } from '../core/app-state.ts';
import type { BindingInfo, Capabilities } from '../core/contract.ts';
import type { Executor } from '../executor.ts';
import type { HostLog } from '../log.ts';
import type { InvocationInput } from '../worker.ts';

export interface Listener {
  /** Starts no further invocation; resolves when the listener has let go of what it holds. */
  stop(): Promise<void>;
}

/** What a trigger is given: the binding has its `%SETTING%`s replaced. */
export interface TriggerSetup {
  fn: RegisteredFunction;
  bindingName: string;
  binding: BindingInfo;
  config: HostConfig;
  readSetting: ReadSetting;
  capabilities: Capabilities;
  dataFolder: string;
  clock: Clock;
  executor: Executor;
  log: HostLog;
}

interface PreparedTrigger {
  start: () => Promise<Listener>;
  /**
   * The invocation of `POST /admin/functions/NAME`.
   * @throws Error saying what the input must be
   */
  manualInput: (input: string) => InvocationInput;
}

export interface Trigger {
  /** Type of the binding. */
  type: string;
  /** Checks the binding. @throws ConfigurationError naming function and option */
  prepare(setup: TriggerSetup): PreparedTrigger;
}
