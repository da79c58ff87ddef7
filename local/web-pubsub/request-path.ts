import { badRequest } from './service-error.ts';

/** A request target, taken apart. */
export interface RequestPath {
  /** As sent, without the query: what the audience of a token is compared with. */
  path: string;
  /** Decoded one by one, so that a name may contain a slash. */
  segments: string[];
  query: URLSearchParams;
}

/**
 * Takes a request target apart.
 * @throws ServiceError 400 when it is not a path, or not UTF-8 in percent encoding
 */
export function readRequestPath(target: string | undefined): RequestPath {
  const [path = '', ...query] = (target ?? '/').split('?');
  if (!path.startsWith('/')) throw badRequest('url', 'The request target must be a path.');
  try {
    const segments = path.split('/').slice(1).map(decodeURIComponent);
    return { path, segments, query: new URLSearchParams(query.join('?')) };
  } catch {
    throw badRequest('url', 'The path is not UTF-8 in percent encoding.');
  }
}
