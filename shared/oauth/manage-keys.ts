/** `/v1/signing-keys`: what signs, and the emergency exit when a key has leaked. For platform administrators. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import type { Audit } from '../identity/audit.ts';
import { actorOf, type Manager } from '../identity/principal.ts';
import type { KeyRing } from './key-ring.ts';

export const keyPath = z.object({ kid: z.string().regex(/^[\w-]{1,128}$/, 'is not the id of a key') });

/** Lists the keys with their lives, without key material. */
export async function listKeys({ keys }: { keys: KeyRing }): Promise<HttpResponseInit> {
  return { jsonBody: { items: await keys.lives() } };
}

/**
 * Drops a key: every token it signed ends within 5 s in every instance. If it was the one that signs, a new one is made.
 * @throws Problem 404
 */
export async function dropKey(
  { keys, audit }: { keys: KeyRing; audit: Audit },
  { params, caller, requestId }: { params: { kid: string }; caller: Manager; request: HttpRequest; requestId: string },
): Promise<HttpResponseInit> {
  const { kid } = params;
  if (!(await keys.drop(kid))) throw new Problem('key-not-found', 404, `There is no signing key ${kid}.`);
  await audit({
    tenantId: caller.tenantId,
    actor: actorOf(caller),
    action: 'signing-key-dropped',
    target: `key:${kid}`,
    requestId,
  });
  return { status: 204 };
}
