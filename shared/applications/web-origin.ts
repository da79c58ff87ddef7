/** An origin of web pages as browsers send it: scheme, host and port, nothing else. */
import { z } from 'zod';

/** Origins of web pages that one application names. */
export const APPLICATION_ORIGINS_MAX = 20;
/** Characters of an origin: those of a host name, a scheme and a port. */
export const ORIGIN_CHARS_MAX = 269;
const ORIGIN_RULE = 'must be an origin such as https://app.example: no path, no wildcard, https unless it is localhost';

/** The origins of an application, as an administrator names them. */
export const allowedOrigins = z
  .array(z.string(ORIGIN_RULE).max(ORIGIN_CHARS_MAX, ORIGIN_RULE).refine(isOrigin, ORIGIN_RULE))
  .max(APPLICATION_ORIGINS_MAX, `must hold at most ${APPLICATION_ORIGINS_MAX} origins`)
  .transform((origins) => [...new Set(origins)]);

function isOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.origin !== text || text.includes('*')) return false;
  return (
    url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname))
  );
}
