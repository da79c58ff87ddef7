/** Two hosts as processes over one set of stand-ins, as two instances of the app share one subscription's services. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { localSettings } from '../../../local/local-settings.ts';
import { provision } from '../../../local/provision.ts';
import { startStandIns, type StandIns } from '../../../local/stand-ins.ts';
import { hostChild, type HostChild } from '../../support/host-child.ts';
import { temporaryFolder } from '../../support/local-system.ts';

const root = path.join(import.meta.dirname, '../../..');

/** What the test drives. */
export interface TwoHosts extends AsyncDisposable {
  standIns: StandIns;
  /** Where the hosts listen now; the second one's address changes when it is started again. */
  urls(): string[];
  admin: { api: string; admin: Record<string, string> };
  /** Kills the second host without a word. Its partitions go to the first. */
  killSecond(): Promise<void>;
  /** Starts it again. Partitions come back to it. */
  startSecond(): Promise<void>;
}

/** Starts everything. */
export async function startTwoHosts(): Promise<TwoHosts> {
  const data = temporaryFolder();
  const standIns = await startStandIns({ api: 0, cosmos: 0, eventHubs: 0, webPubSub: 0 }, data);
  await provision(standIns.cosmos);
  const secrets = {
    masterKey: randomBytes(32).toString('base64'),
    setupCode: randomBytes(16).toString('hex'),
    admin: { clientId: 'chaos-administrator', clientSecret: randomBytes(24).toString('base64url') },
  };
  // Tokens of one host are good at the other: the issuer is a name, not an address.
  const settings = localSettings(standIns, secrets as Parameters<typeof localSettings>[1], 'http://chaos.test');
  const folder = { path: root, dataFolder: path.join(data, 'host') };
  const start = async () => {
    const host = await hostChild({
      folder,
      main: path.join(root, 'functions/index.ts'),
      env: { ...settings, STREAM_MAX_SECONDS: '20' },
    });
    if (host.url === '') throw new Error(`A host did not start:\n${host.stderr()}`);
    return host;
  };
  const first = await start();
  let second: HostChild | undefined = await start();
  return {
    standIns,
    urls: () => [first.url, ...(second === undefined ? [] : [second.url])],
    admin: {
      api: first.url,
      admin: {
        grant_type: 'client_credentials',
        client_id: secrets.admin.clientId,
        client_secret: secrets.admin.clientSecret,
      },
    },
    async killSecond() {
      const dying = second;
      second = undefined;
      await dying?.[Symbol.asyncDispose]();
    },
    async startSecond() {
      second = await start();
    },
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second?.[Symbol.asyncDispose]();
      await standIns.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
