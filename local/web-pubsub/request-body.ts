import type { IncomingMessage } from 'node:http';
import { DISCARDED_BYTES_MAX } from './limits.ts';
import { ServiceError } from './service-error.ts';

/**
 * Reads a body. One that is too large is read to its end and thrown away, because a sender that is cut off while it
 * writes never sees the answer.
 * @throws ServiceError 413 above `bytesMax`
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else if (bytes > DISCARDED_BYTES_MAX) break;
  }
  if (bytes > bytesMax) {
    throw new ServiceError(413, 'PayloadTooLarge', `The body is larger than ${bytesMax} bytes.`, {
      headers: { connection: 'close' },
    });
  }
  return Buffer.concat(chunks);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** A body as text; undefined when it is not UTF-8. A byte order mark is dropped. */
export function textOf(body: Buffer): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}
