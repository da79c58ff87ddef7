/** Two hosts as processes of their own over one store and one Web PubSub, as two instances on Azure are. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startCosmos } from '../../local/cosmos/cosmos.ts';
import { provision } from '../../local/provision.ts';
import { startWebPubSub } from '../../local/web-pubsub/web-pubsub.ts';
import { appFolder } from './app-folder.ts';
import { hostChild } from './host-child.ts';
import { ADMIN } from './stored-services.ts';

const MAIN = fileURLToPath(new URL('gate-app.ts', import.meta.url));
/** The public address of both, which neither listens on: as behind a load balancer. */
export const ISSUER = 'http://gate.example';

/** Their addresses, and what both said so far. */
export interface TwoHosts extends AsyncDisposable {
  urls: [string, string];
  log(): string;
  /** Web PubSub is gone from now on: nothing is pushed any more. */
  cutBus(): Promise<void>;
}

/** Starts them. */
export async function twoHosts(): Promise<TwoHosts> {
  const cosmos = await startCosmos({ port: 0, partitions: 3 });
  await provision(cosmos);
  const bus = await startWebPubSub({ port: 0 });
  const env = {
    COSMOS_ENDPOINT: cosmos.endpoint,
    COSMOS_KEY: cosmos.key,
    EventHubConnection: 'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b',
    TELEMETRY_HUB: 'telemetry',
    WEBPUBSUB_CONNECTION_STRING: bus.connectionString,
    WEBPUBSUB_HUB: 'sluice',
    SLUICE_MASTER_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_CLIENT_ID: ADMIN.client_id,
    BOOTSTRAP_CLIENT_SECRET: ADMIN.client_secret,
    TOKEN_ISSUER: ISSUER,
  };
  const folders = [1, 2].map(() => appFolder({ extensions: { http: { routePrefix: '' } } }));
  const hosts = await Promise.all(folders.map((folder) => hostChild({ folder, main: MAIN, env })));
  const log = () => hosts.map((host) => host.stderr()).join('\n');
  const [one = '', two = ''] = hosts.map(({ url }) => url);
  if (one === '' || two === '') throw new Error(`A host did not start:\n${log()}`);
  return {
    urls: [one, two],
    log,
    cutBus: () => bus.close(),
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
      for (const folder of folders) folder[Symbol.dispose]();
      await bus.close();
      await cosmos.close();
    },
  };
}
