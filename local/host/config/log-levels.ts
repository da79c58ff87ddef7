/**
 * `logging.logLevel` of host.json: which category is written from which level on. The rule with the longest matching
 * prefix wins, without case, as in .NET; one `*` may stand in a rule.
 */
import { z } from 'zod';
import type { LogLevel } from '../core/contract.ts';

/** What the platform writes when host.json says nothing. */
const DEFAULT_LEVEL: LogLevel = 'information';
const LEVELS = ['trace', 'debug', 'information', 'warning', 'error', 'critical', 'none'] as const;

const level = z
  .string()
  .transform((word) => word.toLowerCase())
  .pipe(z.enum(LEVELS, { error: `must be one of ${LEVELS.join(', ')}` }));

/** The section as it stands in the file. */
export const logLevelRules = z.record(z.string(), level).default({});

/** The lowest level of a category that is written. */
export type LevelOf = (category: string) => LogLevel;

/** Compiles the section. */
export function compileLogLevels(rules: z.output<typeof logLevelRules>): LevelOf {
  let fallback: LogLevel = DEFAULT_LEVEL;
  const compiled: { prefix: string; suffix: string; level: LogLevel }[] = [];
  for (const [category, value] of Object.entries(rules)) {
    if (category.toLowerCase() === 'default') fallback = value;
    else {
      const [prefix = '', suffix = ''] = category.toLowerCase().split('*', 2);
      compiled.push({ prefix, suffix, level: value });
    }
  }
  const longestFirst = compiled.toSorted(
    (a, b) => b.prefix.length + b.suffix.length - a.prefix.length - a.suffix.length,
  );
  const known = new Map<string, LogLevel>();
  return (category) => {
    const seen = known.get(category);
    if (seen !== undefined) return seen;
    const name = category.toLowerCase();
    const rule = longestFirst.find(({ prefix, suffix }) => name.startsWith(prefix) && name.endsWith(suffix));
    const found = rule?.level ?? fallback;
    known.set(category, found);
    return found;
  };
}
