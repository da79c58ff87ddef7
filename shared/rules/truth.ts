/**
 * Three-valued logic after Kleene, as numbers: `all` is the minimum, `any` the maximum, `not` is `2 - x`.
 * Unknown is what a missing, stale or wrongly typed value makes of a comparison: it never opens an alert and never
 * clears one.
 */
export type Truth = 0 | 1 | 2;

export const FALSE: Truth = 0;
export const UNKNOWN: Truth = 1;
export const TRUE: Truth = 2;

/** The opposite; unknown stays unknown. */
export function not(truth: Truth): Truth {
  return truth === UNKNOWN ? UNKNOWN : truth === TRUE ? FALSE : TRUE;
}
