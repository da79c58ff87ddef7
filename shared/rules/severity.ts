/** How bad an alert is. */
import { z } from 'zod';

const SEVERITIES = ['info', 'warning', 'critical', 'emergency'] as const;

export const severity = z.enum(SEVERITIES, { error: `must be one of ${SEVERITIES.join(', ')}` });

/** How bad an alert is, from least to worst. */
export type Severity = z.output<typeof severity>;

/** Whether one severity is worse than another. */
export function isWorse(one: Severity, than: Severity): boolean {
  return SEVERITIES.indexOf(one) > SEVERITIES.indexOf(than);
}
