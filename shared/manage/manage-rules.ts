/** `/v1/rules`: what is watched. What becomes of a draft is `rule-life.ts`. */
import { randomBytes } from 'node:crypto';
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import { parseInput } from '../http/validate.ts';
import type { TenantId } from '../identity/ids.ts';
import { ruleDefinition, type RuleContent } from '../rules/rule-definition.ts';
import { approvalInput, newRule, reviseRule, type RuleDocument } from '../rules/rule-document.ts';
import { RULES_PER_TENANT_MAX } from '../rules/rules-repository.ts';
import type { Stored } from '../store/store.ts';
import { reserveIds } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, searchText, toPage, unpackCursor } from './paging.ts';
import { actBy, approvalPolicy, requireActions, requireFit, requireReferences } from './rule-checks.ts';
import { deleteStored, updateStored } from './update-stored.ts';

/** Members of an answer that are not part of the rule's definition: taken back without complaint, and ignored. */
const READ_ONLY = new Set(['id', 'version', 'life', 'runningVersion', 'createdAt', 'updatedAt']);

/** The body of a creation or a PUT: a rule as its author gives it, or as a GET answered it. */
export const ruleBody = z.preprocess(
  withoutReadOnly,
  ruleDefinition.safeExtend({ approval: approvalInput.optional() }),
);
/** A rule as it comes in. */
export type RuleBody = z.output<typeof ruleBody>;
/** The body of a PATCH: members of a rule; each replaces the present one, null removes it. */
export const ruleEdit = z.record(z.string(), z.unknown(), 'must be an object: members of a rule');
export const rulePath = z.object({ ruleId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not the id of a rule') });
export const ruleListQuery = z.object({
  ...pageQuery,
  search: searchText.optional(),
  enabled: z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .optional(),
  approval: z.enum(['draft', 'submitted', 'approved', 'retired'], 'must be a state of approval').optional(),
});

type RulePath = z.output<typeof rulePath>;

/** Lists the tenant's rules. */
export async function listRules(
  { rules }: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof ruleListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, search, enabled, approval } = query;
  const after = unpackCursor(cursor, 1)?.[0];
  const found = await rules.list(caller.tenantId, { search, enabled, approval, after, limit: limit + 1 });
  return { jsonBody: toPage(found, limit, viewOf, (rule) => [rule.id]) };
}

/**
 * Creates a rule: a draft, or approved at once where the tenant lets authors do so.
 * @throws Problem 409 when the tenant has as many as it may, 422 for devices, groups or profiles it does not have
 */
export async function createRule(
  services: ManageServices,
  call: ManageCall<unknown, undefined, RuleBody>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'rule', key, body: call.body };
  const { ids } = await reserveIds(services.store, reservation, () => ({ ruleId: newRuleId(services.now()) }));
  const existing = await services.rules.find(tenantId, ids.ruleId);
  if (existing) return respond(existing, 200, { 'idempotency-replayed': 'true' });
  if ((await services.rules.count(tenantId)) >= RULES_PER_TENANT_MAX) {
    const detail = `A tenant has at most ${RULES_PER_TENANT_MAX} rules: delete one first.`;
    throw new Problem('too-many-rules', 409, detail);
  }
  const { approval, ...rule } = call.body;
  const policy = await approvalPolicy(services, tenantId);
  await requireActions(services, tenantId, rule);
  await requireReferences(services, tenantId, rule);
  const document = newRule({ id: ids.ruleId, tenantId }, rule, approval, policy, actBy(services, call));
  if (document.approval === 'approved') await requireFit(services, document);
  const created = (await services.rules.create(document)) ?? (await ownRule(services, tenantId, ids.ruleId));
  await recordChange(services, call, 'rule-created', `rule:${ids.ruleId}`);
  return respond(created, 201, { location: `/v1/rules/${ids.ruleId}` });
}

/** Shows a rule. @throws Problem 404 */
export async function getRule(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  return respond(await ownRule(services, call.caller.tenantId, call.params.ruleId));
}

/** Replaces a rule. @throws Problem 404, 412 */
export function putRule(
  services: ManageServices,
  call: ManageCall<RulePath, undefined, RuleBody>,
): Promise<HttpResponseInit> {
  return change(services, call, () => call.body);
}

/** Changes members of a rule. @throws Problem 400 when the result is not a rule, 404, 412 */
export function patchRule(
  services: ManageServices,
  call: ManageCall<RulePath, undefined, z.output<typeof ruleEdit>>,
): Promise<HttpResponseInit> {
  return change(services, call, (rule) => {
    const merged = Object.entries({ ...rule, ...call.body }).filter(([, value]) => value !== null);
    return parseInput(ruleBody, Object.fromEntries(merged), 'body');
  });
}

/** Lets a rule run, or not. @throws Problem 404, 412 */
export function switchRule(
  services: ManageServices,
  call: ManageCall<RulePath>,
  enabled: boolean,
): Promise<HttpResponseInit> {
  return change(services, call, (rule) => ({ ...rule, enabled }));
}

/** Deletes a rule. @throws Problem 404, 412 */
export async function deleteRule(services: ManageServices, call: ManageCall<RulePath>): Promise<HttpResponseInit> {
  await deleteStored(call.request, {
    read: () => ownRule(services, call.caller.tenantId, call.params.ruleId),
    remove: (rule) => services.rules.remove(rule),
  });
  await recordChange(services, call, 'rule-deleted', `rule:${call.params.ruleId}`);
  return { status: 204 };
}

async function change(
  services: ManageServices,
  call: { caller: ManageCall['caller']; params: RulePath; request: HttpRequest; requestId: string },
  next: (rule: RuleContent) => RuleBody,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const policy = await approvalPolicy(services, tenantId);
  let changed: string[] = [];
  const document = await updateStored<RuleDocument>(
    call.request,
    {
      read: () => ownRule(services, tenantId, call.params.ruleId),
      write: async (document_, etag, current) => {
        await requireActions(services, tenantId, document_.rule, current.rule);
        await requireReferences(services, tenantId, document_.rule, current.rule);
        if (document_.approval === 'approved') await requireFit(services, document_);
        return services.rules.replace(document_, etag);
      },
    },
    (current) => {
      const { approval, ...rule } = next(current.rule);
      changed = changedMembers(current.rule, rule);
      return reviseRule(current, rule, approval, policy, actBy(services, call));
    },
  );
  await recordChange(services, call, 'rule-changed', `rule:${document.id}`, changed);
  return respond(document);
}

/** A rule of the caller's tenant. @throws Problem 404 */
export async function ownRule(
  { rules }: ManageServices,
  tenantId: TenantId,
  id: string,
): Promise<Stored<RuleDocument>> {
  const rule = await rules.find(tenantId, id);
  if (rule) return rule;
  throw new Problem('rule-not-found', 404, `There is no rule ${id}.`);
}

/** An answer with a rule. */
export function respond(
  document: Stored<RuleDocument>,
  status = 200,
  headers: Record<string, string> = {},
): HttpResponseInit {
  return resource(viewOf(document), document._etag, status, headers);
}

function viewOf({
  id,
  version,
  approval,
  rule,
  author,
  submitted,
  rejected,
  retired,
  running,
  ...times
}: RuleDocument) {
  const { createdAt, updatedAt } = times;
  const runs = approval === 'approved' ? version : running?.version;
  const approved = running && { by: running.by, at: running.at, version: running.version };
  return {
    id,
    version,
    approval,
    ...rule,
    /** The version that runs now; null where none does. */
    runningVersion: runs ?? null,
    life: { author, submitted, approved, rejected, retired },
    createdAt,
    updatedAt,
  };
}

function changedMembers(before: RuleContent, after: RuleContent): string[] {
  const members = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof RuleContent>;
  return [...members].filter((member) => JSON.stringify(before[member]) !== JSON.stringify(after[member]));
}

function withoutReadOnly(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([member]) => !READ_ONLY.has(member)));
}

/** Sorts by the time of creation; without the `~` that joins ids of alerts. */
function newRuleId(nowMs: number): string {
  return `rul_${nowMs.toString(36).padStart(9, '0')}${randomBytes(6).toString('hex')}`;
}
