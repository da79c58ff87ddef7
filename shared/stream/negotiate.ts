/** `POST /v1/stream/negotiate`: a URL with which a client connects to Web PubSub itself. */
import type { HttpResponseInit } from '@azure/functions';
import type { WebPubSubServiceClient } from '@azure/web-pubsub';
import type { Policies } from '../applications/application-policy.ts';
import type { DeviceRegistry } from '../devices/device-registry.ts';
import { Problem } from '../http/problem.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { formatCursor } from './cursor.ts';
import type { DirectListeners } from './direct-listeners.ts';
import { JournalReader, type JournalSource } from './journal-reader.ts';

/** Minutes within which the URL must be used: Web PubSub looks at it when a client connects, and not after. */
const CONNECT_MINUTES = 5;

/** What a negotiation needs. */
export interface NegotiateServices {
  listeners: DirectListeners;
  policies: Pick<Policies, 'authorityOf'>;
  devices: Pick<DeviceRegistry, 'count' | 'existing'>;
  journal: JournalSource;
  service: () => Promise<WebPubSubServiceClient>;
  now: () => number;
}

/**
 * Answers with the URL, its protocol, the cursor of this moment and when the messages end. The client is put into its
 * group by the URL and has no permission besides: it can neither join another one nor send.
 * @throws Problem 403 for an application that may not see every device of its tenant, or may not see anything any more
 */
export async function negotiateDirect(
  services: NegotiateServices,
  caller: ApplicationPrincipal,
): Promise<HttpResponseInit> {
  const { listeners, policies, devices, journal, service, now } = services;
  const decision = await policies.authorityOf(caller);
  if (!decision.allowed) {
    throw new Problem('application-not-allowed', 403, `This application is ${decision.reason}: no stream for it.`);
  }
  const [all, seen] = await Promise.all([
    devices.count(caller.tenantId),
    devices.existing(caller.tenantId, [...decision.devices]),
  ]);
  if (seen.size < all) {
    const rule = 'A direct connection has no filter, so it is for applications that may see every device of the tenant';
    throw new Problem('not-whole-tenant', 403, `${rule}: use GET /v1/stream/telemetry.`);
  }
  const heads = await new JournalReader(journal).heads(caller.tenantId);
  const position = new Map([...heads].map(([lane, n]) => [lane, { n, i: 0 }]));
  const { group } = await listeners.add(caller);
  // No URL outlives the token by more than the minute that is the least Web PubSub can be told.
  const minutesLeft = Math.floor((caller.expiresAtMs - now()) / 60_000);
  const client = await service();
  const { url } = await client.getClientAccessToken({
    userId: caller.applicationId,
    groups: [group],
    expirationTimeInMinutes: Math.max(1, Math.min(CONNECT_MINUTES, minutesLeft)),
  });
  return {
    jsonBody: {
      url,
      protocol: 'json.webpubsub.azure.v1',
      cursor: formatCursor(position),
      connectBefore: new Date(Math.min(now() + CONNECT_MINUTES * 60_000, caller.expiresAtMs)).toISOString(),
      expiresAt: new Date(caller.expiresAtMs).toISOString(),
    },
  };
}
