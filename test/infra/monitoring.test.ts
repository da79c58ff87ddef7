/** Queries, workbook and alert rules: typed by the Kusto language service, and about metrics that the code has. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { METRICS } from '../../shared/observability.ts';
import { ofType, only, readSnapshot } from './snapshot.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const queries = path.join(root, 'infra/queries');
const files = readdirSync(queries, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.kql'));
const script = path.join(root, 'scripts/check-queries.ts');

function check(folder?: string): { status: number | null; stdout: string } {
  return spawnSync(process.execPath, [script, ...(folder === undefined ? [] : [folder])], { encoding: 'utf8' });
}

describe('queries', () => {
  test('have no diagnostic of any level', () => {
    expect(check()).toMatchObject({ status: 0, stdout: `${files.length} queries, 0 diagnostics.\n` });
  });

  test.each([
    ['a column misspelt', "AppMetrics | where Naem == 'x'"],
    ['a table misspelt', 'AppMetric | count'],
    ['a function misspelt', 'AppMetrics | summarize summ(Sum)'],
    ['a text compared with a number', 'AppMetrics | where Name > 5 | extend x = Sum + Name'],
    ['a bracket left open', 'AppMetrics | where (Sum > 0'],
  ])('%s is found', (_what, query) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-queries-'));
    try {
      writeFileSync(path.join(folder, 'planted.kql'), query);
      expect(check(folder).status).toBe(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('are about metrics that the code has', () => {
    const named = files.flatMap((file) =>
      [...readFileSync(path.join(queries, file), 'utf8').matchAll(/'(sluice\.[a-z.]+)'/g)].map(([, name = '']) => name),
    );
    expect(named.filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
    expect(new Set(named).size).toBeGreaterThan(15);
  });
});

describe('the workbook', () => {
  const { properties = {} } = only(readSnapshot('prod'), 'Microsoft.Insights/workbooks');
  const text = String(properties['serializedData']);

  test('has a tab for each part, every query in one of them, and no id of a subscription', () => {
    for (const tab of ['overview', 'ingest', 'tokens', 'streams', 'cosmos', 'cost', 'runbook'])
      expect(text).toContain(`'${tab}'`);
    for (const file of files.filter((name) => !name.startsWith('alerts'))) {
      const [title = ''] = readFileSync(path.join(queries, file), 'utf8').split('\n');
      expect(text).toContain(title);
    }
  });
});

describe('alert rules', () => {
  const names = ['scheduledQueryRules', 'metricAlerts'].flatMap((kind) =>
    ofType(readSnapshot('private'), `Microsoft.Insights/${kind}`).map(({ name }) => name.replace(/^sluice-/, '')),
  );

  test('are those of the query files and of the services, each with a runbook of its name', () => {
    const runbooks = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
    expect(names.filter((name) => !runbooks.includes(`\n### ${name}\n`))).toEqual([]);
    const fromFiles = files.flatMap((file) => /^alerts\/(.+)\.kql$/.exec(file)?.[1] ?? []);
    expect(fromFiles.filter((name) => !names.includes(name))).toEqual([]);
    expect(names.length).toBeGreaterThanOrEqual(12);
  });
});
