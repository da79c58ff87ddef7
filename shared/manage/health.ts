/** Whether this instance lives, and whether it can do its work. */
import type { HttpResponseInit } from '@azure/functions';
import type { Store } from '../store/store.ts';
import { isTransient } from '../store/store.ts';

/** Milliseconds that the store may take to count as ready. */
const STORE_MS = 3_000;

/** The process answers. */
export function healthy(): HttpResponseInit {
  return { jsonBody: { status: 'ok' } };
}

/**
 * The store answers as well: 200, otherwise 503.
 * @param withReasons names what does not answer: for an administrator, because it tells of the inside
 */
export async function ready(store: Store, withReasons: boolean): Promise<HttpResponseInit> {
  const checks = { store: await storeState(store) };
  const ok = Object.values(checks).every((state) => state === 'ok');
  return { status: ok ? 200 : 503, jsonBody: { status: ok ? 'ok' : 'unavailable', ...(withReasons && { checks }) } };
}

async function storeState(store: Store): Promise<'ok' | 'unavailable' | 'misconfigured'> {
  const late = Promise.withResolvers<'unavailable'>();
  const timer = setTimeout(() => late.resolve('unavailable'), STORE_MS);
  const answer = store.read('leases', 'readiness', 'readiness').then(
    () => 'ok' as const,
    (error: unknown) => (isTransient(error) ? ('unavailable' as const) : ('misconfigured' as const)),
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
