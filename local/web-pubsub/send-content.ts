import type { IncomingMessage } from 'node:http';
import { MESSAGE_BYTES_MAX } from './limits.ts';
import type { Content, Metadata } from './message.ts';
import { readBody, textOf } from './request-body.ts';
import { badRequest, ServiceError } from './service-error.ts';

const METADATA_PREFIX = 'x-webpubsub-metadata-';

/**
 * Reads the message of a send request in one of the three content types.
 * @throws ServiceError 400 for a body that is not what its type says, 413 above the limit, 415 for another type
 */
export async function readContent(request: IncomingMessage): Promise<Content> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  const body = await readBody(request, MESSAGE_BYTES_MAX);
  if (type === 'application/octet-stream') return { dataType: 'binary', bytes: body };
  if (type !== 'application/json' && type !== 'text/plain') {
    const message = `Content-Type must be application/json, text/plain or application/octet-stream, not '${type ?? ''}'.`;
    throw new ServiceError(415, 'UnsupportedMediaType', message, { target: 'Content-Type' });
  }
  const text = textOf(body);
  if (text === undefined) throw badRequest('message', 'The body is not UTF-8.');
  if (type === 'text/plain') return { dataType: 'text', text };
  try {
    JSON.parse(text);
  } catch {
    throw badRequest('message', 'The body is not JSON, as Content-Type says.');
  }
  return { dataType: 'json', text };
}

/** The sender's metadata headers, in the case they came in. */
export function readMetadata(request: IncomingMessage): Metadata | undefined {
  const metadata: Metadata = {};
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? '';
    if (name.toLowerCase().startsWith(METADATA_PREFIX)) {
      metadata[name.slice(METADATA_PREFIX.length)] = request.rawHeaders[at + 1] ?? '';
    }
  }
  return Object.keys(metadata).length === 0 ? undefined : metadata;
}
