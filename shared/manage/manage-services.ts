/** What the management API works with, and what every operation of it is given. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import type { ApplicationServices } from '../applications/create-application.ts';
import type { Policies } from '../applications/application-policy.ts';
import type { ProfilesRepository } from '../devices/device-profiles.ts';
import { callerAddress, type Audit } from '../identity/audit.ts';
import { actorOf, type Manager } from '../identity/principal.ts';
import type { ActionsRepository } from '../notifications/action.ts';
import type { RulesRepository } from '../rules/rules-repository.ts';
import type { Store } from '../store/store.ts';

/** The rooms behind the management API. */
export interface ManageServices extends ApplicationServices {
  rules: RulesRepository;
  profiles: ProfilesRepository;
  actions: ActionsRepository;
  policies: Policies;
  store: Store;
  audit: Audit;
}

/** A management request: checked, and by an administrator who acts in `caller.tenantId`. */
export interface ManageCall<Params = Record<string, string>, Query = undefined, Body = undefined> {
  params: Params;
  query: Query;
  body: Body;
  caller: Manager;
  request: HttpRequest;
  requestId: string;
}

/** Records a change that was made. */
export async function recordChange(
  { audit }: ManageServices,
  { caller, request, requestId }: Pick<ManageCall, 'caller' | 'request' | 'requestId'>,
  action: string,
  target: string,
  changed?: string[],
): Promise<void> {
  const { tenantId } = caller;
  const ip = callerAddress(request.headers);
  await audit({ tenantId, actor: actorOf(caller), action, target, requestId, ip, changed });
}

/** An answer with one resource and its ETag. */
export function resource(
  view: object,
  etag: string,
  status = 200,
  headers: Record<string, string> = {},
): HttpResponseInit {
  return { status, headers: { etag, ...headers }, jsonBody: view };
}
