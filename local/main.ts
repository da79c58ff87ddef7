/** `npm start`: the whole system on this machine, with a demo tenant and simulated devices. */
import { createServer } from 'node:net';
import path from 'node:path';
import resources from '../infra/resources.json' with { type: 'json' };
import { seedDemoTenant, type Credentials } from './demo-tenant.ts';
import { endWithNpm } from './end-with-npm.ts';
import { HostProcess } from './host-process.ts';
import { showLife } from './life-line.ts';
import { LOCAL_TENANT, localSettings } from './local-settings.ts';
import { readStartOptions, START_USAGE, UsageError, type StartOptions } from './options.ts';
import { provision } from './provision.ts';
import { loadFleet } from './simulator/fleet.ts';
import { startSimulator } from './simulator/simulator.ts';
import { listening, PortTakenError, startStandIns, TELEMETRY_HUB, type StandIns } from './stand-ins.ts';
import { StateFolder, StateFolderError, type LocalSecrets } from './state-folder.ts';
import { Terminal } from './terminal.ts';

/** Milliseconds everything may take to stop; then the process ends all the same. */
const STOP_MS_MAX = 4_800;

const terminal = new Terminal(process.stdout, process.stderr);

/** What has been started, to be stopped in the reverse order. */
const stops: (() => Promise<void> | void)[] = [];
let running = false;
let stopping = false;

async function run(): Promise<void> {
  const options = readStartOptions(process.argv.slice(2), process.env);
  if (!options) return terminal.print(START_USAGE);
  process.on('SIGINT', () => void stop(0)).on('SIGTERM', () => void stop(0));
  endWithNpm(() => void stop(0));
  terminal.status('Starting the local cloud …');
  // The demo tenant is the same with and without the simulator: what others send as its devices arrives as well.
  const fleet = loadFleet(options.simulator && options.replay !== undefined ? { replay: options.replay } : {});
  const folder = StateFolder.open(options.data, options.fresh);
  stops.push(() => folder.close());
  const secrets = folder.secrets();
  const apiPort = await listening('the API', options.ports.api, '--api-port', () => freePort(options.ports.api));
  const standIns = await startStandIns(options.ports, folder.path, options.partitions);
  stops.push(() => standIns.close());
  await provision(standIns.cosmos);

  const api = `http://127.0.0.1:${apiPort}`;
  let demo: Credentials | undefined;
  const publish = (pid: number) => {
    if (demo) folder.write('connection.json', connection(api, standIns, secrets, demo, pid));
  };
  const host = new HostProcess({
    port: apiPort,
    dataFolder: path.join(folder.path, 'host'),
    settings: localSettings(standIns, secrets, api),
    onDied: (how) => terminal.complain(`The Functions host died (${how}); starting it again.`),
    onRestarted: (pid) => {
      publish(pid);
      terminal.complain(`The Functions host is back (pid ${pid}).`);
    },
    onSaid: (line) => terminal.complain(line),
  });
  stops.push(() => host.stop());
  terminal.status('Starting the Functions host …');
  await host.start();
  terminal.status('Making the demo tenant …');
  demo = await seedDemoTenant(api, secrets, fleet);
  folder.write('secrets.json', { ...secrets, demo } satisfies LocalSecrets);
  if (options.simulator) {
    const { connectionString } = standIns.eventHubs;
    const simulator = startSimulator({
      connectionString,
      eventHub: TELEMETRY_HUB,
      fleet,
      speed: options.speed,
      chaos: options.chaos,
    });
    stops.push(() => simulator.stop());
  }
  publish(host.pid);
  terminal.status('');
  terminal.print(welcome(api, standIns, demo, secrets.setupCode, folder.path, options));
  const life = showLife(api, terminal);
  stops.push(() => life.stop());
  running = true;
}

/** Stops what runs, last started first. */
async function stop(code: number): Promise<never> {
  if (stopping) process.exit(code || 1);
  stopping = true;
  setTimeout(() => process.exit(code || 1), STOP_MS_MAX).unref();
  terminal.status('Stopping …');
  for (const each of stops.toReversed()) {
    await Promise.resolve(each()).catch((error: unknown) =>
      terminal.complain(`While stopping: ${(error as Error).message}`),
    );
  }
  terminal.status('');
  if (running) terminal.print('Stopped. The next npm start goes on with this data.');
  process.exit(code);
}

/** The port itself, or a free one for 0. @throws the error of listening, such as EADDRINUSE */
async function freePort(port: number): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(port, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address ? address.port : port;
}

/** What scripts read: where everything is, and how to get in. */
function connection(api: string, standIns: StandIns, secrets: LocalSecrets, demo: Credentials, hostPid: number) {
  const { cosmos, eventHubs, webPubSub } = standIns;
  return {
    api,
    eventHubs: { connectionString: eventHubs.connectionString, eventHub: TELEMETRY_HUB },
    cosmos: { endpoint: cosmos.endpoint, key: cosmos.key, database: resources.cosmos.database },
    webPubSub: { connectionString: webPubSub.connectionString, hub: resources.webPubSub.hub },
    demo,
    admin: {
      grant_type: 'client_credentials',
      client_id: secrets.admin.clientId,
      client_secret: secrets.admin.clientSecret,
    },
    setupCode: secrets.setupCode,
    pids: { host: hostPid, cloud: process.pid },
  };
}

function welcome(
  api: string,
  standIns: StandIns,
  demo: Credentials,
  setupCode: string,
  folder: string,
  options: StartOptions,
): string {
  return `
Sluice is running.

  API           ${api}
  Event Hubs    amqp://127.0.0.1:${standIns.eventHubs.port} (hub "${TELEMETRY_HUB}"; also HTTP send)
  Cosmos DB     ${standIns.cosmos.endpoint} (database "${resources.cosmos.database}")
  Web PubSub    ${standIns.webPubSub.endpoint} (hub "${resources.webPubSub.hub}")
  State         ${folder} (connection.json has everything for scripts)
  Simulator     ${options.simulator ? `${options.replay ?? 'recorded weather stations'}, speed ${options.speed}${options.chaos ? ', with chaos' : ''}` : 'off'}

An external application of the tenant "${LOCAL_TENANT}" may read all of its devices:

  client id      ${demo.clientId}
  client secret  ${demo.clientSecret}

Fetch a token, then watch the stream:

  TOKEN=$(curl -s ${api}/connect/token -d grant_type=client_credentials -d client_id=${demo.clientId} -d client_secret=${demo.clientSecret} | sed -E 's/.*"access_token":"([^"]+)".*/\\1/')
  curl -N -H "Authorization: Bearer $TOKEN" ${api}/v1/stream/telemetry

Make yourself the first administrator, with a login and a password of your own (the code works once):

  curl -s ${api}/v1/setup -H 'Content-Type: application/json' -d '{"code": "${setupCode}", "login": "me@example.com", "password": "at least twelve characters"}'

Ctrl-C stops everything.
`;
}

run().catch(async (error: unknown) => {
  // What was starting fails when it is stopped.
  if (stopping) return;
  const known = error instanceof UsageError || error instanceof PortTakenError || error instanceof StateFolderError;
  terminal.status('');
  terminal.complain(known ? error.message : ((error as Error).message ?? String(error)));
  await stop(1);
});
