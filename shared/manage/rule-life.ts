/** `/v1/rules/{ruleId}/…`: what becomes of a rule, its versions, and what a tenant decides for all of its rules. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { attributes } from '../devices/device-profiles.ts';
import { requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { diffRules } from '../rules/diff-rules.ts';
import {
  APPROVAL_POLICIES,
  approveRule,
  rejectRule,
  retireRule,
  submitRule,
  type RuleDocument,
  type RuleSettingsDocument,
  type RuleVersionDocument,
} from '../rules/rule-document.ts';
import { withoutSystemFields } from '../store/store.ts';
import { ownRule, respond, rulePath } from './manage-rules.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { actBy, approvalPolicy, requireFit } from './rule-checks.ts';
import { updateStored } from './update-stored.ts';

const versionNumber = z.coerce.number('must be the number of a version').int().min(1).max(Number.MAX_SAFE_INTEGER);
export const versionPath = rulePath.extend({ version: versionNumber });
export const diffQuery = z.object({
  /** Absent: the version that runs, else the one before `to`. */
  from: versionNumber.optional(),
  /** Absent: the newest. */
  to: versionNumber.optional(),
});
export const rejection = z.strictObject({
  note: z.string().max(500, 'must be at most 500 characters').optional(),
});
export const ruleSettings = z.strictObject({
  approval: z.enum(APPROVAL_POLICIES, `must be one of ${APPROVAL_POLICIES.join(', ')}`).default('optional'),
  attributes: attributes.default({}),
});

type RulePath = z.output<typeof rulePath>;

/** Hands a draft in for approval. @throws Problem 404, 409, 412 */
export function submit(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  return move(services, call, 'rule-submitted', async (document) => submitRule(document, actBy(services, call)));
}

/** Approves what was submitted: from then on it runs. @throws Problem 403, 404, 409, 412, 422 where a limit is passed */
export function approve(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  return move(services, call, 'rule-approved', async (document) => {
    const policy = await approvalPolicy(services, call.caller.tenantId);
    const approved = approveRule(document, policy, actBy(services, call));
    await requireFit(services, approved);
    return approved;
  });
}

/** Sends what was submitted back. @throws Problem 404, 409, 412 */
export function reject(
  services: ManageServices,
  call: ManageCall<RulePath, undefined, z.output<typeof rejection> | undefined>,
): Promise<HttpResponseInit> {
  const note = call.body?.note;
  return move(services, call, 'rule-rejected', async (document) => rejectRule(document, note, actBy(services, call)));
}

/** Ends a rule; its open alerts resolve. @throws Problem 404, 409, 412 */
export function retire(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  return move(services, call, 'rule-retired', async (document) => retireRule(document, actBy(services, call)));
}

/** Lists the versions of a rule that are kept, the newest first. @throws Problem 404 */
export async function listVersions(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  await ownRule(services, tenantId, call.params.ruleId);
  const found = await services.rules.versions(tenantId, call.params.ruleId);
  return { jsonBody: { items: found.map(viewOfVersion) } };
}

/** Shows one version. @throws Problem 404 */
export async function getVersion(
  services: ManageServices,
  call: ManageCall<z.output<typeof versionPath>>,
): Promise<HttpResponseInit> {
  const { ruleId, version } = call.params;
  return { jsonBody: viewOfVersion(await ownVersion(services, call.caller.tenantId, ruleId, version)) };
}

/** Compares two versions. @throws Problem 404 */
export async function diff(
  services: ManageServices,
  call: ManageCall<RulePath, z.output<typeof diffQuery>>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { ruleId } = call.params;
  const document = await ownRule(services, tenantId, ruleId);
  const to = call.query.to ?? document.version;
  const running = document.running?.version;
  const from = call.query.from ?? (running !== undefined && running !== to ? running : Math.max(1, to - 1));
  const [before, after] = await Promise.all([
    ownVersion(services, tenantId, ruleId, from),
    ownVersion(services, tenantId, ruleId, to),
  ]);
  return { jsonBody: { ruleId, from, to, ...diffRules(before.rule, after.rule) } };
}

/** Shows what holds for all rules of the tenant. */
export async function getSettings({ rules }: ManageServices, call: ManageCall): Promise<HttpResponseInit> {
  const stored = await rules.settings(call.caller.tenantId);
  return resource(viewOfSettings(stored), stored?._etag ?? '"none"');
}

/** Sets what holds for all rules of the tenant. @throws Problem 409, 412 */
export async function putSettings(
  services: ManageServices,
  call: ManageCall<unknown, undefined, z.output<typeof ruleSettings>>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const current = await services.rules.settings(tenantId);
  requireMatch(call.request, current?._etag ?? '"none"');
  const document: RuleSettingsDocument = {
    id: 'settings',
    kind: 'settings',
    tenantId,
    ...call.body,
    updatedAt: new Date(services.now()).toISOString(),
  };
  const saved = await services.rules.saveSettings(document, current?._etag);
  if (!saved)
    throw new Problem('changed-meanwhile', 409, 'Somebody else changes the settings at this time: try again.');
  services.profiles.forget(tenantId);
  await recordChange(services, call, 'rule-settings-changed', 'rule-settings', Object.keys(call.body));
  return resource(viewOfSettings(saved), saved._etag);
}

async function move(
  services: ManageServices,
  call: { caller: ManageCall['caller']; params: RulePath; request: HttpRequest; requestId: string },
  action: string,
  next: (document: RuleDocument) => Promise<RuleDocument>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { ruleId } = call.params;
  // What is decided hangs on the settings as well, so the next state is made anew for every attempt.
  const document = await updateStored<RuleDocument>(
    call.request,
    {
      read: () => ownRule(services, tenantId, ruleId),
      write: async (_, etag, current) => services.rules.replace(await next(withoutSystemFields(current)), etag),
    },
    (current) => current,
  );
  await recordChange(services, call, action, `rule:${ruleId}`, [`version ${document.version}`]);
  return respond(document);
}

async function ownVersion(
  { rules }: ManageServices,
  tenantId: TenantId,
  ruleId: string,
  version: number,
): Promise<RuleVersionDocument> {
  const found = await rules.version(tenantId, ruleId, version);
  if (found) return found;
  throw new Problem(
    'rule-version-not-found',
    404,
    `Of the rule ${ruleId} there is no version ${version}, or no longer.`,
  );
}

function viewOfVersion({ ruleId, version, author, at, rule }: RuleVersionDocument) {
  return { ruleId, version, author, at, rule };
}

function viewOfSettings(stored: RuleSettingsDocument | undefined) {
  return { approval: stored?.approval ?? 'optional', attributes: stored?.attributes ?? {} };
}
