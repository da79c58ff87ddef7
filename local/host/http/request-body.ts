/** Reads request bodies within the platform's limit. */
import type { IncomingMessage } from 'node:http';

/** Bytes of a request body on the platform; FUNCTIONS_REQUEST_BODY_SIZE_LIMIT overrides it. */
export const REQUEST_BODY_BYTES_MAX = 104_857_600;

/** The body is larger than the limit: the answer is 413. */
export class BodyTooLarge extends Error {}

/** The Content-Length of a request, `undefined` for a chunked one or one without a body. */
export function contentLength(request: IncomingMessage): number | undefined {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

/** Whether a request has a body at all. */
export function hasBody(request: IncomingMessage): boolean {
  return (contentLength(request) ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
}

/**
 * Reads the whole body.
 * @throws BodyTooLarge as soon as the limit is passed
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if ((contentLength(request) ?? 0) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed on the way out: the answer 413 still has to reach the client over the same socket.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
