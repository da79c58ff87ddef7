/** Parameters of an OAuth request, strictly: an empty one counts as absent, a repeated one is an error (RFC 6749 §3.2). */
import { oauthError } from './oauth-error.ts';

/** Characters of one parameter that are looked at. */
const PARAMETER_CHARS_MAX = 4096;

/** One parameter; undefined when absent or empty. @throws Problem invalid_request when it is repeated or too long */
export function parameter(form: URLSearchParams, name: string, charsMax = PARAMETER_CHARS_MAX): string | undefined {
  const values = form.getAll(name);
  if (values.length > 1) throw oauthError('invalid_request', `${name} is repeated: send it once.`);
  const [value] = values;
  if (value === undefined || value === '') return undefined;
  if (value.length > charsMax) {
    throw oauthError('invalid_request', `${name} is longer than ${charsMax} characters.`);
  }
  return value;
}

/** One parameter that must be there. @throws Problem invalid_request */
export function requiredParameter(form: URLSearchParams, name: string): string {
  const value = parameter(form, name);
  if (value === undefined) throw oauthError('invalid_request', `${name} is missing.`);
  return value;
}

/** The token that a request is about, of any length: one that cannot be ours is no error, but unknown (RFC 7009 §2.2, RFC 7662 §2.2). */
export function namedToken(form: URLSearchParams): string {
  const token = parameter(form, 'token', Infinity);
  if (token === undefined) throw oauthError('invalid_request', 'token is missing.');
  return token;
}

/** RFC 6749 §3.2: no parameter may be repeated, known or not; but for `resource` (RFC 8707 §2). @throws Problem invalid_request */
export function refuseRepeated(form: URLSearchParams): void {
  const seen = new Set<string>();
  for (const name of form.keys()) {
    if (seen.has(name) && name !== 'resource')
      throw oauthError('invalid_request', `${name.slice(0, 40)} is repeated: send it once.`);
    seen.add(name);
  }
}
