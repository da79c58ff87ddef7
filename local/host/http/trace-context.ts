/** W3C trace context: an invocation continues the trace that its caller began. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { InvocationInput } from '../worker.ts';

const TRACE_PARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/;

/** The invocation's place in the caller's trace; nothing when the request carries no valid `traceparent`. */
export function traceOf(request: IncomingMessage): Pick<InvocationInput, 'traceContext'> {
  const { traceparent, tracestate } = request.headers;
  const match = typeof traceparent === 'string' ? TRACE_PARENT.exec(traceparent) : null;
  if (match === null || /^0+$/.test(match[1] ?? '')) return {};
  const traceParent = `00-${match[1]}-${randomBytes(8).toString('hex')}-${match[2]}`;
  const traceState = typeof tracestate === 'string' ? tracestate : '';
  return { traceContext: { traceParent, traceState, attributes: {} } };
}
