/**
 * Matches a route template such as `v1/devices/{deviceId}` against the real URL path.
 * `request.params` is not used: in streaming mode the platform mixes query values and body members into it.
 */
import { Problem } from './problem.ts';

/** Takes the path of a URL apart; undefined when it does not match. Throws a Problem 400 for malformed percent-encoding. */
export type RouteMatcher = (pathname: string) => Record<string, string> | undefined;

/** Compiles a template. Literals match without regard to case, as on the platform; `{*rest}` takes the whole rest. */
export function compileRoute(template: string): RouteMatcher {
  const parts = template.split('/').filter((part) => part !== '');
  return (pathname) => {
    const segments = pathname.replace(/^\//, '').replace(/\/$/, '').split('/');
    const params: Record<string, string> = {};
    for (const [index, part] of parts.entries()) {
      if (part.startsWith('{*')) {
        params[part.slice(2, -1)] = segments.slice(index).join('/');
        return params;
      }
      const segment = segments[index];
      if (segment === undefined || segment === '') return undefined;
      if (part.startsWith('{')) params[part.slice(1, -1)] = decodeSegment(segment);
      else if (part.toLowerCase() !== segment.toLowerCase()) return undefined;
    }
    return segments.length === parts.length ? params : undefined;
  };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new Problem('malformed-path', 400, 'The path is not percent-encoded UTF-8.', { cause: error });
  }
}
