/** Token revocation (RFC 7009), and the same for the token that a request itself carries. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { callerAddress } from '../identity/audit.ts';
import { revokeApplicationToken } from '../applications/revoke-token.ts';
import { authenticateClient, type Client, type ClientAuthenticationServices } from './client-authentication.ts';
import { namedToken, refuseRepeated } from './form-parameters.ts';
import type { GrantFamilies, GrantFamily } from './grant-family.ts';
import { inspectPresented, inspectToken, type LiveToken } from './inspect-token.ts';
import { NO_STORE } from './oauth-error.ts';
import type { TokenGuardServices } from './token-guard.ts';

/** What revocation needs. */
export type RevocationServices = ClientAuthenticationServices & TokenGuardServices & { families: GrantFamilies };

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
  await revokeForClient(services, client, namedToken(form), call);
  return { headers: { ...NO_STORE }, jsonBody: {} };
}

/**
 * Ends the token that the request carries, or, where it carries none, the one that a client names in a form: 204.
 * @throws Problem 401, and 400 to a client that names none
 */
export async function revokeOwnToken(
  services: RevocationServices,
  call: { request: HttpRequest; requestId: string; body: URLSearchParams | undefined },
): Promise<HttpResponseInit> {
  const { body: form, request } = call;
  const scheme = /^\w+/.exec(request.headers.get('authorization') ?? '')?.[0]?.toLowerCase();
  const asClient = scheme === undefined ? form?.has('token') : scheme === 'basic';
  if (asClient) {
    await revokeToken(services, { ...call, body: form ?? new URLSearchParams() });
    return { status: 204 };
  }
  await revoke(services, await inspectPresented(services, request), call);
  return { status: 204 };
}

/** Ends a token if it is the client's own (§2.1); access and refresh tokens alike, whatever the hint says. */
async function revokeForClient(
  services: RevocationServices,
  client: Client,
  token: string,
  call: { request: HttpRequest; requestId: string },
): Promise<void> {
  const clientId = clientIdOf(client);
  const family = await services.families.find(token);
  if (family) {
    if (family.clientId === clientId) await endFamily(services, family, call);
    return;
  }
  const found = await inspectToken(services, token);
  if (found?.claims.client_id === clientId) await revoke(services, found, call);
}

async function revoke(
  services: RevocationServices,
  found: LiveToken,
  { request, requestId }: { request: HttpRequest; requestId: string },
): Promise<void> {
  const { jti, exp, tid, client_id } = found.claims;
  if (found.kind === 'service') await services.revokedTokens.add(jti, exp * 1000);
  if (found.kind === 'application') {
    await revokeApplicationToken(services, found.application, { jti, exp });
    services.policies.forget(found.application.id);
  }
  // With its refresh tokens: whoever gives a token back wants no more of it.
  if (found.kind !== 'service' && found.claims.sid !== undefined) await services.families.end(found.claims.sid);
  await services.audit({
    tenantId: tid,
    actor: found.kind === 'user' ? `user:${found.user.id}` : `client:…${client_id.slice(-4)}`,
    action: 'token-revoked',
    target: `token:${jti}`,
    requestId,
    ip: callerAddress(request.headers),
  });
}

async function endFamily(
  services: RevocationServices,
  { familyId, tenantId, clientId, userId }: GrantFamily,
  { request, requestId }: { request: HttpRequest; requestId: string },
): Promise<void> {
  await services.families.end(familyId);
  await services.audit({
    tenantId,
    actor: userId === undefined ? `client:…${clientId.slice(-4)}` : `user:${userId}`,
    action: 'token-revoked',
    target: `family:${familyId}`,
    requestId,
    ip: callerAddress(request.headers),
  });
}

function clientIdOf(client: Client): string {
  switch (client.kind) {
    case 'application':
      return client.application.id;
    case 'service':
      return client.account.clientId;
    case 'console':
      return client.clientId;
  }
}
