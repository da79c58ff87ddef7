/** What the outbox works with. */
import type { Alert, Suppression } from '../alerts/alert.ts';
import type { Audit } from '../identity/audit.ts';
import type { Severity } from '../rules/severity.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { ActionsRepository, WebhookSecrets } from '../notifications/action.ts';
import type { Attempted } from '../notifications/delivery.ts';
import type { Mail } from '../notifications/message.ts';
import type { AllowedTargets } from '../notifications/public-address.ts';
import type { Store } from '../store/store.ts';

/** Sends a mail. @param operationId of one that was taken before: what became of it is asked */
export type SendMail = (mail: Mail & { id: string; to: readonly string[] }, operationId?: string) => Promise<Attempted>;

/** Sends a command to the hub that devices, or what speaks for them, read. */
export type SendCommand = (command: { id: string; deviceId: string; body: object }) => Promise<Attempted>;

/** See the top of the file. */
export interface OutboxServices {
  store: Store;
  actions: ActionsRepository;
  secrets: WebhookSecrets;
  allowed: AllowedTargets;
  /** Absent where no way to send is set. */
  mail?: SendMail | undefined;
  command?: SendCommand | undefined;
  /** Commands that may be sent. */
  allowedCommands: ReadonlySet<string>;
  findAlert(tenantId: string, alertId: string): Promise<Alert | undefined>;
  findRule(tenantId: string, ruleId: string): Promise<RuleDefinition | undefined>;
  /** Until when a maintenance window covers a rule on a device, epoch milliseconds. */
  maintenanceUntil(tenantId: string, what: { deviceId: string; ruleId: string }): Promise<number | undefined>;
  /** Records on the alert why nobody is told, or that somebody is. */
  markAlert(tenantId: string, alertId: string, suppression: Suppression): Promise<void>;
  /** Makes an alert worse; one that is as bad already stays. */
  raiseAlert(tenantId: string, alertId: string, severity: Severity): Promise<void>;
  audit: Audit;
  now(): number;
  random(): number;
}
