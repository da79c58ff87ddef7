/** How the authorization endpoint answers: to the application by redirect, to a program in JSON, to a person by a page. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { NATIVE_REDIRECT_URI } from '../applications/client-settings.ts';
import { Problem } from '../http/problem.ts';
import { AuthorizationError, type RedirectTarget } from './authorization-request.ts';
import { NO_STORE, renderOAuthError } from './oauth-error.ts';
import { faultPage } from './pages.ts';

/** Sends faults where they belong: to the application by redirect, to a program as JSON, to the person as a page. */
export async function answering(
  issuer: string,
  request: HttpRequest,
  work: () => Promise<HttpResponseInit>,
): Promise<HttpResponseInit> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem) return renderProblem(request, error);
    if (!(error instanceof AuthorizationError)) throw error;
    const address = answerAddress(issuer, error.target, {
      error: error.code,
      error_description: error.message,
    });
    const { headers } = request;
    const asJson = headers.has('authorization') || /\bapplication\/json\b/.test(headers.get('accept') ?? '');
    return asJson
      ? { headers: { ...NO_STORE }, jsonBody: { status: 'redirect', redirect_uri: address } }
      : goTo(address);
  }
}

/** A page for people, JSON for programs. */
function renderProblem({ headers }: HttpRequest, problem: Problem): HttpResponseInit {
  return headers.has('authorization')
    ? renderOAuthError(problem)
    : faultPage(problem.detail, problem.status, problem.headers);
}

/** Renders what was refused before the endpoint saw the request. */
export function renderFault({ detail, status, headers }: Problem): HttpResponseInit {
  return faultPage(detail, status, headers);
}

/** Where an answer goes: the redirect URI with state and issuer (RFC 9207). */
export function answerAddress(
  issuer: string,
  { redirectUri, state }: RedirectTarget,
  answer: Record<string, string>,
): string {
  if (redirectUri === NATIVE_REDIRECT_URI) {
    return `${issuer}/oauth/authorize/native?${new URLSearchParams(answer).toString()}`;
  }
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries({ ...answer, ...(state === undefined ? {} : { state }), iss: issuer })) {
    url.searchParams.set(name, value);
  }
  return url.href;
}

/** The person said no. */
export function denied(target: RedirectTarget): AuthorizationError {
  return new AuthorizationError('access_denied', 'Access was denied.', target);
}

/** Sends a browser on. */
export function goTo(location: string, headers: Record<string, string> = {}): HttpResponseInit {
  // 303, so that no browser sends a password on (RFC 9700 §4.12).
  return {
    status: 303,
    headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', ...headers },
  };
}
