/** Management of rules, and what they and the detectors found. */
import { jsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as findings from '../shared/manage/list-findings.ts';
import * as rules from '../shared/manage/manage-rules.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-rules') };
const params = rules.rulePath;

httpRoute('rules', 'v1/rules', {
  GET: operation({ ...read, summary: 'List rules', query: rules.ruleListQuery }, async (call) =>
    rules.listRules(await services(), call),
  ),
  POST: operation({ ...change, summary: 'Create a rule', body: jsonBody(rules.ruleBody) }, async (call) =>
    rules.createRule(await services(), call),
  ),
});
httpRoute('rule', 'v1/rules/{ruleId}', {
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

httpRoute('alerts', 'v1/alerts', {
  GET: operation({ ...read, summary: 'List alerts', query: findings.alertListQuery }, async (call) =>
    findings.listAlerts(await services(), call),
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
