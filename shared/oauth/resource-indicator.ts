/**
 * Whether a request names a resource (RFC 8707 §2) that is not this service, the only one there is. The parameter may be
 * repeated, as no other may.
 */
export function wantsOtherResource(form: URLSearchParams, issuer: string): boolean {
  return form.getAll('resource').some((resource) => resource !== '' && resource.replace(/\/$/, '') !== issuer);
}
