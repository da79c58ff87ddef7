/**
 * An answer that is not a success, as RFC 9457 problem details. A problem has a stable kind, a status and one sentence
 * that says what to do. Whatever throws one below `endpoints` is answered with it.
 */
import type { HttpResponseInit } from '@azure/functions';

/** One rule that one field of the input breaks. `got` describes the value in short; it is never a secret. */
export interface FieldFault {
  field: string;
  rule: string;
  got?: string;
}

/** What else a problem may carry. */
export interface ProblemOptions {
  /** Extra response headers, such as `www-authenticate` or `retry-after`. */
  headers?: Record<string, string>;
  /** Extension members of the body (RFC 9457 §3.2). */
  extensions?: Record<string, unknown>;
  cause?: unknown;
}

/** Ends a request with problem details. The message is the `detail` that the caller reads. */
export class Problem extends Error {
  readonly kind: string;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly extensions: Record<string, unknown>;

  constructor(kind: string, status: number, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.kind = kind;
    this.status = status;
    this.headers = options.headers ?? {};
    this.extensions = options.extensions ?? {};
  }

  get detail(): string {
    return this.message;
  }
}

/** Makes the problem of an input that breaks rules: one sentence naming the first, all of them in `errors`. */
export function invalidInput(where: 'body' | 'query' | 'path', errors: FieldFault[], status: 400 | 422 = 400): Problem {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail = first ? `${first.field || where}: ${first.rule}${more}` : `The ${where} is not valid.`;
  return new Problem(`invalid-${where}`, status, detail, { extensions: { errors } });
}

/** Renders a problem as `application/problem+json`; it is never cached. */
export function problemResponse(problem: Problem, requestId: string): HttpResponseInit {
  const body = {
    ...problem.extensions,
    type: `urn:sluice:problem:${problem.kind}`,
    title: titleOf(problem.kind),
    status: problem.status,
    detail: problem.detail,
    instance: `urn:sluice:request:${requestId}`,
  };
  return {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...problem.headers },
    body: JSON.stringify(body),
  };
}

function titleOf(kind: string): string {
  const words = kind.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
