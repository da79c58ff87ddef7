/** Turns schema faults into the one message a person mends a file by. */
import type { z } from 'zod';

/** Names the file, then every bad field with its rule. */
export function explainIssues(file: string, error: z.ZodError): string {
  const lines = error.issues.map((issue) => `  ${issue.path.join('.') || '(whole file)'}: ${issue.message}`);
  return `${file} is not usable:\n${lines.join('\n')}`;
}
