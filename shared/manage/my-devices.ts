/** `/v1/me/devices`: what the calling application may see now; the whole list where its token holds only a reference. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import type { Policies } from '../applications/application-policy.ts';
import { invalidToken } from '../http/bearer.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';

export const myDevicesQuery = z.object(pageQuery);

/** Lists the devices, in the order of their ids. @throws Problem 401 when the application's access ended meanwhile */
export async function listMyDevices(
  { policies }: { policies: Policies },
  { caller, query }: { caller: ApplicationPrincipal; query: z.output<typeof myDevicesQuery> },
): Promise<HttpResponseInit> {
  const authority = await policies.authorityOf(caller);
  if (!authority.allowed) throw invalidToken(`The access token has ended: the application is ${authority.reason}.`);
  const after = unpackCursor(query.cursor, 1)?.[0] ?? '';
  const ids = [...authority.devices].filter((id) => id > after).toSorted();
  const { includeAnomalies, policyVersion } = authority;
  const page = toPage(
    ids,
    query.limit,
    (deviceId) => ({ deviceId }),
    (id) => [id],
  );
  return { jsonBody: { ...page, total: authority.devices.size, includeAnomalies, policyVersion } };
}
