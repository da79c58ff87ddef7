/** Management of rules, and what the detectors and ingest found. */
import { jsonBody, optionalJsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as findings from '../shared/manage/list-findings.ts';
import * as rules from '../shared/manage/manage-rules.ts';
import * as life from '../shared/manage/rule-life.ts';
import { backtestRules, ruleBacktest } from '../shared/manage/backtest-rules.ts';
import { TRIAL_BODY_BYTES_MAX } from '../shared/manage/rule-trial.ts';
import { ruleTest, testRule } from '../shared/manage/test-rule.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-rules') };
const decide = { guard: may('manage-devices') };
const params = rules.rulePath;

httpRoute('rules', 'v1/rules', {
  GET: operation({ ...read, summary: 'List rules', query: rules.ruleListQuery }, async (call) =>
    rules.listRules(await services(), call),
  ),
  POST: operation({ ...change, summary: 'Create a rule', body: jsonBody(rules.ruleBody) }, async (call) =>
    rules.createRule(await services(), call),
  ),
});
httpRoute('rule-test', 'v1/rules/test', {
  POST: operation(
    { ...read, summary: 'Try a rule on events, explained', body: jsonBody(ruleTest, TRIAL_BODY_BYTES_MAX) },
    async (call) => testRule(await services(), call),
  ),
});
httpRoute('rule-backtest', 'v1/rules/backtest', {
  POST: operation(
    {
      ...read,
      summary: 'Replay stored history through rules',
      body: jsonBody(ruleBacktest, TRIAL_BODY_BYTES_MAX),
    },
    async (call) => backtestRules(await services(), call),
  ),
});
// Named to come after 'rule-test' and 'rule-backtest': names decide which of two routes that match wins.
httpRoute('rule-with-id', 'v1/rules/{ruleId}', {
  GET: operation({ ...read, params, summary: 'Show a rule' }, async (call) => rules.getRule(await services(), call)),
  PUT: operation({ ...change, params, summary: 'Replace a rule', body: jsonBody(rules.ruleBody) }, async (call) =>
    rules.putRule(await services(), call),
  ),
  PATCH: operation(
    { ...change, params, summary: 'Change members of a rule', body: jsonBody(rules.ruleEdit) },
    async (call) => rules.patchRule(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Delete a rule' }, async (call) =>
    rules.deleteRule(await services(), call),
  ),
});
httpRoute('rule-enable', 'v1/rules/{ruleId}/enable', {
  POST: operation({ ...change, params, summary: 'Let a rule run' }, async (call) =>
    rules.switchRule(await services(), call, true),
  ),
});
httpRoute('rule-disable', 'v1/rules/{ruleId}/disable', {
  POST: operation({ ...change, params, summary: 'Keep a rule from running' }, async (call) =>
    rules.switchRule(await services(), call, false),
  ),
});
httpRoute('rule-submit', 'v1/rules/{ruleId}/submit', {
  POST: operation({ ...change, params, summary: 'Hand a draft in for approval' }, async (call) =>
    life.submit(await services(), call),
  ),
});
httpRoute('rule-approve', 'v1/rules/{ruleId}/approve', {
  POST: operation({ ...change, params, summary: 'Approve a submitted rule: it runs' }, async (call) =>
    life.approve(await services(), call),
  ),
});
httpRoute('rule-reject', 'v1/rules/{ruleId}/reject', {
  POST: operation(
    { ...change, params, summary: 'Send a submitted rule back', body: optionalJsonBody(life.rejection) },
    async (call) => life.reject(await services(), call),
  ),
});
httpRoute('rule-retire', 'v1/rules/{ruleId}/retire', {
  POST: operation({ ...change, params, summary: 'End a rule' }, async (call) => life.retire(await services(), call)),
});
httpRoute('rule-versions', 'v1/rules/{ruleId}/versions', {
  GET: operation({ ...read, params, summary: 'List versions of a rule' }, async (call) =>
    life.listVersions(await services(), call),
  ),
});
httpRoute('rule-version', 'v1/rules/{ruleId}/versions/{version}', {
  GET: operation({ ...read, params: life.versionPath, summary: 'Show a version of a rule' }, async (call) =>
    life.getVersion(await services(), call),
  ),
});
httpRoute('rule-diff', 'v1/rules/{ruleId}/diff', {
  GET: operation({ ...read, params, summary: 'Compare two versions of a rule', query: life.diffQuery }, async (call) =>
    life.diff(await services(), call),
  ),
});
httpRoute('rule-settings', 'v1/rule-settings', {
  GET: operation({ ...read, summary: 'Show what holds for all rules' }, async (call) =>
    life.getSettings(await services(), call),
  ),
  PUT: operation(
    { ...decide, summary: 'Set what holds for all rules', body: jsonBody(life.ruleSettings) },
    async (call) => life.putSettings(await services(), call),
  ),
});

httpRoute('anomalies', 'v1/anomalies', {
  GET: operation({ ...read, summary: 'List anomalies', query: findings.anomalyListQuery }, async (call) =>
    findings.listAnomalies(await services(), call),
  ),
});
httpRoute('quarantine', 'v1/quarantine', {
  GET: operation(
    { guard: may('operate-platform'), summary: 'List what ingest refused', query: findings.quarantineListQuery },
    async (call) => findings.listQuarantine(await services(), call),
  ),
});
