/**
 * The life of a rule: draft, submitted, approved, retired. Only what was approved runs. An edit of a rule that went
 * through approval is a new draft, and the approved version runs on until the draft is approved in its place. A tenant
 * may require approval, and by somebody else than the author. All here is pure; the documents are the repository's.
 */
import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Attributes } from './condition.ts';
import type { RuleContent, RuleDefinition } from './rule-definition.ts';

const STATES = ['draft', 'submitted', 'approved', 'retired'] as const;

/** Where a rule stands. */
export type ApprovalState = (typeof STATES)[number];

const STATE_RULE = 'must be draft, submitted or approved';
const wanted = z.enum(STATES, STATE_RULE);
/** The state asked for on creation or edit, as a word or as `{state}`. */
export const approvalInput = z
  .union([wanted, z.looseObject({ state: wanted })], { error: STATE_RULE })
  .transform((input) => (typeof input === 'string' ? input : input.state));

/**
 * How a tenant wants rules approved: `optional`, authors may approve their own in one step; `required`, every rule is
 * submitted first; `four-eyes`, and approved by somebody else than its author and its submitter.
 */
export const APPROVAL_POLICIES = ['optional', 'required', 'four-eyes'] as const;
export type ApprovalPolicy = (typeof APPROVAL_POLICIES)[number];

/** Who did something, and when (ISO 8601). */
interface Act {
  by: string;
  at: string;
}

/** The document: container `rules`. Times are ISO 8601. */
export interface RuleDocument {
  id: string;
  tenantId: TenantId;
  /** Counts changes of the content, from 1. */
  version: number;
  approval: ApprovalState;
  rule: RuleContent;
  /** Who wrote this version. */
  author?: string;
  submitted?: Act;
  rejected?: Act & { note?: string };
  retired?: Act;
  /** What was approved last and runs; without `rule` it is this version. Absent: nothing runs, or an older document. */
  running?: Act & { version: number; rule?: RuleContent };
  /** It went through approval, so its edits do as well. */
  reviewed?: boolean;
  createdAt: string;
  updatedAt: string;
}

/** A version as it was written: container `rules`, never changed. */
export interface RuleVersionDocument {
  /** `ruleId@version`. */
  id: string;
  kind: 'version';
  tenantId: TenantId;
  ruleId: string;
  version: number;
  rule: RuleContent;
  author: string;
  at: string;
}

/** What a tenant decides for all its rules: container `rules`. */
export interface RuleSettingsDocument {
  id: 'settings';
  kind: 'settings';
  tenantId: TenantId;
  approval: ApprovalPolicy;
  /** What every device of the tenant inherits. */
  attributes: Attributes;
  updatedAt: string;
}

/** What runs of a rule; undefined where nothing does. */
export function runningOf({ id, version, approval, rule, running }: RuleDocument): RuleDefinition | undefined {
  if (approval === 'approved') return { ...rule, id, version };
  return running?.rule && { ...running.rule, id, version: running.version };
}

/** A new rule. @throws Problem 409 when the tenant's policy does not allow the state asked for, 400 for `retired` */
export function newRule(
  identity: { id: string; tenantId: TenantId },
  rule: RuleContent,
  asked: ApprovalState | undefined,
  policy: ApprovalPolicy,
  act: Act,
): RuleDocument {
  if (asked === 'retired') throw new Problem('invalid-body', 400, `approval: ${STATE_RULE}`);
  if (asked === 'approved' && policy !== 'optional') throw approvalRequired();
  const approval = asked ?? (policy === 'optional' ? 'approved' : 'draft');
  return {
    ...identity,
    version: 1,
    approval,
    rule,
    author: act.by,
    ...(approval === 'approved' ? { running: { ...act, version: 1 } } : { reviewed: true }),
    ...(approval === 'submitted' ? { submitted: act } : {}),
    createdAt: act.at,
    updatedAt: act.at,
  };
}

/**
 * An edit. Switching on or off takes effect at once, whatever the state; everything else is a new version, approved in
 * one step only where the tenant allows that and the rule never went through approval.
 */
export function reviseRule(
  document: RuleDocument,
  rule: RuleContent,
  asked: ApprovalState | undefined,
  policy: ApprovalPolicy,
  act: Act,
): RuleDocument {
  const { rejected: _, ...before } = document;
  const next = { ...before, rule, version: document.version + 1, updatedAt: act.at };
  if (onlySwitched(document.rule, rule)) {
    const { running } = document;
    if (!running) return next;
    if (document.approval === 'approved') return { ...next, running: { ...running, version: next.version } };
    return {
      ...next,
      running: running.rule ? { ...running, rule: { ...running.rule, enabled: rule.enabled } } : running,
    };
  }
  const inOneStep = policy === 'optional' && document.reviewed !== true && document.approval === 'approved';
  const { submitted: _s, retired: _r, ...fresh } = next;
  if (inOneStep && asked !== 'draft' && asked !== 'submitted') {
    return { ...fresh, author: act.by, running: { ...act, version: next.version } };
  }
  return {
    ...fresh,
    author: act.by,
    reviewed: true,
    approval: asked === 'submitted' ? 'submitted' : 'draft',
    ...(asked === 'submitted' ? { submitted: act } : {}),
    ...kept(document),
  };
}

/** Hands a draft in. @throws Problem 409 where it is no draft */
export function submitRule(document: RuleDocument, act: Act): RuleDocument {
  requireState(document, ['draft'], 'submitted');
  return { ...document, approval: 'submitted', submitted: act, reviewed: true, updatedAt: act.at };
}

/**
 * Lets a submitted version run, in place of the one before.
 * @throws Problem 409 where it was not submitted, 403 when the tenant wants another pair of eyes
 */
export function approveRule(document: RuleDocument, policy: ApprovalPolicy, act: Act): RuleDocument {
  requireState(document, ['submitted'], 'approved');
  if (policy === 'four-eyes' && (document.author === act.by || document.submitted?.by === act.by)) {
    const detail = 'This tenant wants a rule approved by somebody else than its author and who submitted it.';
    throw new Problem('approver-is-author', 403, detail);
  }
  const { version } = document;
  return { ...document, approval: 'approved', reviewed: true, running: { ...act, version }, updatedAt: act.at };
}

/** Sends a submitted version back to its author. @throws Problem 409 where it was not submitted */
export function rejectRule(document: RuleDocument, note: string | undefined, act: Act): RuleDocument {
  requireState(document, ['submitted'], 'rejected');
  const { submitted: _, ...rest } = document;
  const rejected = { ...act, ...(note === undefined ? {} : { note }) };
  return { ...rest, approval: 'draft', rejected, updatedAt: act.at };
}

/** Ends a rule for good: nothing of it runs. An edit makes it a draft again. @throws Problem 409 where it has ended */
export function retireRule(document: RuleDocument, act: Act): RuleDocument {
  requireState(document, ['draft', 'submitted', 'approved'], 'retired');
  const { running: _r, submitted: _s, ...rest } = document;
  return { ...rest, approval: 'retired', reviewed: true, retired: act, updatedAt: act.at };
}

/** What runs while a newer version is a draft. */
function kept({ approval, rule, running, version, author, updatedAt }: RuleDocument): Partial<RuleDocument> {
  if (approval === 'approved') {
    return { running: { by: author ?? '', at: updatedAt, version, ...running, rule } };
  }
  return running ? { running } : {};
}

function onlySwitched(before: RuleContent, after: RuleContent): boolean {
  const { enabled: was, ...one } = before;
  const { enabled: is, ...other } = after;
  return was !== is && JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(rule: object): object {
  return Object.fromEntries(Object.entries(rule).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function requireState({ approval }: RuleDocument, from: ApprovalState[], wanted_: string): void {
  if (from.includes(approval)) return;
  const detail = `A rule that is ${approval} cannot be ${wanted_}: it must be ${from.join(' or ')}.`;
  throw new Problem('wrong-approval-state', 409, detail);
}

function approvalRequired(): Problem {
  const detail = 'This tenant wants rules submitted and then approved: create it with approval "draft" or "submitted".';
  return new Problem('approval-required', 409, detail);
}
