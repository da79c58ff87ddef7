import { isGroupName } from './names.ts';

/** Stars of one pattern role that the service allows; `**` counts as two. */
const STARS_MAX = 5;

/** One step of a pattern: a character, `?` (any but a dot), `*` (any number but dots) or `**` (any number). */
type Step = { kind: 'character'; character: string } | { kind: 'any' } | { kind: 'many' } | { kind: 'manyWithDots' };

/** True when the group name matches. */
export type GroupPattern = (group: string) => boolean;

/**
 * Compiles a pattern of group names; a backslash escapes `*`, `?` and itself.
 * It is matched step by step and not as a RegExp, whose backtracking a long group name could exploit.
 * @returns undefined when the pattern is not valid: a role that cannot be understood allows nothing
 */
export function compileGroupPattern(pattern: string): GroupPattern | undefined {
  if (!isGroupName(pattern)) return undefined;
  const steps: Step[] = [];
  let stars = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '\\') {
      at += 1;
      const escaped = pattern.charAt(at);
      if (escaped !== '\\' && escaped !== '*' && escaped !== '?') return undefined;
      steps.push({ kind: 'character', character: escaped });
    } else if (character === '?') steps.push({ kind: 'any' });
    else if (character === '*') {
      const double = pattern.charAt(at + 1) === '*';
      if (double) at += 1;
      stars += double ? 2 : 1;
      steps.push({ kind: double ? 'manyWithDots' : 'many' });
    } else steps.push({ kind: 'character', character });
  }
  return stars > STARS_MAX ? undefined : (group) => matches(steps, group);
}

/** Walks the name with the set of steps that could come next. */
function matches(steps: Step[], group: string): boolean {
  let next = reach(steps, new Set([0]));
  for (const character of group) {
    const after = new Set<number>();
    for (const at of next) {
      const step = steps[at];
      if (!step) continue;
      switch (step.kind) {
        case 'character':
          if (step.character === character) after.add(at + 1);
          break;
        case 'any':
          if (character !== '.') after.add(at + 1);
          break;
        case 'many':
          if (character !== '.') after.add(at);
          break;
        case 'manyWithDots':
          after.add(at);
          break;
      }
    }
    if (after.size === 0) return false;
    next = reach(steps, after);
  }
  return next.has(steps.length);
}

/** Adds what follows a star, which may match nothing. */
function reach(steps: Step[], from: Set<number>): Set<number> {
  for (const at of from) {
    const kind = steps[at]?.kind;
    if (kind === 'many' || kind === 'manyWithDots') from.add(at + 1);
  }
  return from;
}
