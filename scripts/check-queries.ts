/**
 * `node scripts/check-queries.ts [FOLDER]`: the Kusto language service over every query of a folder, against the tables
 * that Azure Monitor has. Prints what it finds, a line each, and ends with 1 when that is anything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tables of a workspace-based Application Insights, with the columns that queries may use. */
const TABLES: Record<string, string> = {
  AppMetrics:
    '(TimeGenerated: datetime, Name: string, Sum: real, Min: real, Max: real, ItemCount: int, Properties: dynamic, AppRoleName: string, AppRoleInstance: string)',
  AppRequests:
    '(TimeGenerated: datetime, Name: string, Url: string, ResultCode: string, Success: bool, DurationMs: real, OperationId: string, ClientIP: string, Properties: dynamic, AppRoleName: string, AppRoleInstance: string)',
  AppExceptions:
    '(TimeGenerated: datetime, ProblemId: string, ExceptionType: string, OuterMessage: string, OperationId: string, Properties: dynamic, AppRoleName: string, AppRoleInstance: string)',
  Usage: '(TimeGenerated: datetime, DataType: string, Quantity: real, IsBillable: bool, Solution: string)',
  _LogOperation:
    '(TimeGenerated: datetime, Category: string, Operation: string, Level: string, Detail: string, _ResourceId: string)',
};

interface Diagnostic {
  Severity: string;
  Message: string;
  Start: number;
}
interface KustoCode {
  GetDiagnostics(): { Count: number; getItem(index: number): Diagnostic };
}
interface GlobalState {
  WithDatabase(database: object): GlobalState;
}
/** The little of the library that is used; its own types are 30,000 lines of generated code. */
interface Language {
  GlobalState: { Default: GlobalState };
  KustoCode: { ParseAndAnalyze(text: string, globals: GlobalState): KustoCode };
  Symbols: {
    TableSymbol: { $ctor7: new (name: string, schema: string, description: string | null) => object };
    DatabaseSymbol: { $ctor3: new (name: string, alias: string | null, members: object[], open: boolean) => object };
  };
}

function loadLanguage(): Language {
  const require = createRequire(import.meta.url);
  // It is made for a browser: both files add to the global object.
  require('@kusto/language-service-next/bridge.js');
  require('@kusto/language-service-next/Kusto.Language.Bridge.js');
  return (globalThis as unknown as { Kusto: { Language: Language } }).Kusto.Language;
}

/** What the service says about the queries of a folder, each with its file. */
function checkQueries(folder: string): { files: number; faults: string[] } {
  const { GlobalState, KustoCode, Symbols } = loadLanguage();
  const tables = Object.entries(TABLES).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null));
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor3('workspace', null, tables, false));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.kql'));
  const faults = files.flatMap((file) => {
    const found = KustoCode.ParseAndAnalyze(readFileSync(path.join(folder, file), 'utf8'), globals).GetDiagnostics();
    return Array.from({ length: found.Count }, (_, at) => {
      const { Severity, Message, Start } = found.getItem(at);
      return `${file}: ${Severity} at ${Start}: ${Message}`;
    });
  });
  return { files: files.length, faults };
}

const folder = process.argv[2] ?? fileURLToPath(new URL('../infra/queries', import.meta.url));
const { files, faults } = checkQueries(folder);
for (const fault of faults) console.log(fault);
console.log(`${files} queries, ${faults.length} diagnostics.`);
process.exitCode = files > 0 && faults.length === 0 ? 0 : 1;
