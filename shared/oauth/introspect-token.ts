/** Token introspection (RFC 7662): a client of the same tenant, or an administrator's token, asks about a token. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { authenticateClient, type Client, type ClientAuthenticationServices } from './client-authentication.ts';
import { namedToken, refuseRepeated } from './form-parameters.ts';
import type { GrantFamily } from './grant-family.ts';
import { inspectToken, scopeText } from './inspect-token.ts';
import { NO_STORE, oauthError } from './oauth-error.ts';
import { insufficientScope } from '../http/bearer.ts';
import { permits } from '../identity/roles.ts';
import { authenticate, type TokenGuardServices } from './token-guard.ts';

/** What introspection needs. */
export type IntrospectionServices = ClientAuthenticationServices & TokenGuardServices & { issuer: string };

/** Serves an introspection request. @throws Problem invalid_client, invalid_request, or 401 for a bad bearer token */
export async function introspectToken(
  services: IntrospectionServices,
  { body: form, request, requestId }: { body: URLSearchParams; request: HttpRequest; requestId: string },
): Promise<HttpResponseInit> {
  refuseRepeated(form);
  const tenantId = await askingTenant(services, request, form, requestId);
  const token = namedToken(form);
  const family = await services.families.find(token);
  if (family) return aboutRefreshToken(services, family, tenantId);
  const found = await inspectToken(services, token);
  // What belongs to another tenant does not exist for this one (§4: no oracle).
  if (!found || found.claims.tid !== tenantId) return { headers: { ...NO_STORE }, jsonBody: { active: false } };
  const { sub, client_id, iat, exp, jti, tid, cnf } = found.claims;
  return {
    headers: { ...NO_STORE },
    jsonBody: {
      active: true,
      scope: scopeText(found.claims),
      client_id,
      // RFC 9449 §6.2: whoever gets a bound token has to see the proof of its key.
      token_type: cnf ? 'DPoP' : 'Bearer',
      ...(cnf ? { cnf } : {}),
      exp,
      iat,
      sub,
      aud: services.issuer,
      iss: services.issuer,
      jti,
      tid,
    },
  };
}

/** A refresh token holds while its family does and its user may sign in. */
async function aboutRefreshToken(
  services: IntrospectionServices,
  { tenantId, clientId, userId, userEpoch, scopes }: GrantFamily,
  askingTenantId: string,
): Promise<HttpResponseInit> {
  const holds =
    tenantId === askingTenantId &&
    (userId === undefined || (await services.userStanding.userOf(tenantId, userId, userEpoch)) !== undefined);
  const told = { active: true, scope: scopes.join(' '), client_id: clientId, sub: userId ?? clientId };
  return { headers: { ...NO_STORE }, jsonBody: holds ? { ...told, iss: services.issuer } : { active: false } };
}

function tenantOf(client: Client): string {
  // §2.1: whoever asks must have proven who it is, so that nobody scans for tokens.
  if (client.kind === 'console' || (client.kind === 'application' && client.method === 'none')) {
    throw oauthError('invalid_client', 'A public client may not introspect tokens: it has no secret.');
  }
  return client.kind === 'application' ? client.application.tenantId : client.account.tenantId;
}

async function askingTenant(
  services: IntrospectionServices,
  request: HttpRequest,
  form: URLSearchParams,
  requestId: string,
): Promise<string> {
  if (/^(bearer|dpop)\s/i.test(request.headers.get('authorization') ?? '')) {
    const principal = await authenticate(services, request);
    const may =
      principal.kind === 'application'
        ? principal.scopes.includes('basic')
        : permits(principal.roles, 'read-applications');
    if (may) return principal.tenantId;
    throw insufficientScope('This needs a token of an application with the scope basic, or of an operator.', 'basic');
  }
  return tenantOf(await authenticateClient(services, request, form, requestId));
}
