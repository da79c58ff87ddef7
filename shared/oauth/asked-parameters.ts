/** The parameters of an authorization request, as they travel through our own pages. */
import type { HttpRequest } from '@azure/functions';

/** Fields of our own forms; everything else belongs to the authorization request. */
const FORM_FIELDS = ['action', 'form_token', 'login', 'password', 'sign_in_tenant'];

/** The endpoint with these parameters: where our forms go. */
export function addressOf(asked: URLSearchParams): string {
  return `/oauth/authorize?${asked.toString()}`;
}

/** Those of the address. */
export function queryOf(request: HttpRequest): URLSearchParams {
  return new URL(request.url).searchParams;
}

/** Those of the address and of the form. */
export function merged(query: URLSearchParams, form: URLSearchParams | undefined): URLSearchParams {
  return new URLSearchParams([...query, ...(form ?? [])]);
}

/** What a client asked for. */
export function withoutFormFields(asked: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...asked].filter(([name]) => !FORM_FIELDS.includes(name)));
}

/** After the sign-in that a prompt demanded, the prompt is answered. */
export function withoutSignInPrompt(asked: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams([...asked].filter(([name]) => name !== 'prompt' && name !== 'max_age'));
  const prompt = (asked.get('prompt') ?? '').split(' ').filter((word) => word === 'consent');
  if (prompt.length > 0) rest.set('prompt', prompt.join(' '));
  return rest;
}
