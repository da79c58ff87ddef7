/** Token revocation (RFC 7009), and the same for the token that a request itself carries. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { revokeApplicationToken } from '../applications/revoke-token.ts';
import { authenticateClient, type ClientAuthenticationServices } from './client-authentication.ts';
import { refuseRepeated, requiredParameter } from './form-parameters.ts';
import { inspectPresented, inspectToken, type LiveToken } from './inspect-token.ts';
import { NO_STORE } from './oauth-error.ts';
import type { TokenGuardServices } from './token-guard.ts';

/** What revocation needs. */
export type RevocationServices = ClientAuthenticationServices & TokenGuardServices;

interface FormCall {
  body: URLSearchParams;
  request: HttpRequest;
  requestId: string;
}

/** Serves a revocation request: 200 whether or not there was such a token (§2.2). @throws Problem invalid_client, invalid_request */
export async function revokeToken(services: RevocationServices, call: FormCall): Promise<HttpResponseInit> {
  const { body: form, request, requestId } = call;
  refuseRepeated(form);
  const client = await authenticateClient(services, request, form, requestId);
  const found = await inspectToken(services, requiredParameter(form, 'token'));
  // §2.1: ours are all found by themselves, so the hint is not needed.
  const clientId = client.kind === 'application' ? client.application.id : client.account.clientId;
  // §2.1: a client revokes its own tokens only.
  if (found?.claims.client_id === clientId) await revoke(services, found, requestId);
  return { headers: { ...NO_STORE }, jsonBody: {} };
}

/** Ends the token that the request carries: 204. @throws Problem 401 */
export async function revokeOwnToken(
  services: RevocationServices,
  { request, requestId }: { request: HttpRequest; requestId: string },
): Promise<HttpResponseInit> {
  await revoke(services, await inspectPresented(services, request), requestId);
  return { status: 204 };
}

async function revoke(services: RevocationServices, { claims, application }: LiveToken, requestId: string) {
  const { jti, exp, tid, client_id } = claims;
  if (application) {
    await revokeApplicationToken(services, application, { jti, exp });
    services.policies.forget(application.id);
  } else {
    await services.revokedTokens.add(jti, exp * 1000);
  }
  await services.audit({
    tenantId: tid,
    actor: `client:…${client_id.slice(-4)}`,
    action: 'token-revoked',
    target: `token:${jti}`,
    requestId,
  });
}
