// After provisioning: the key vault has the master key, so it leaves the azd environment; and local.settings.json is
// written, so that `func start` runs this machine's code against the environment with the developer's own sign-in.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const { env } = process;

function setVariable(name, value) {
  const { status } = spawnSync('azd', ['env', 'set', name, value], { stdio: 'inherit' });
  if (status !== 0) {
    console.error(`${name} could not be set in the azd environment.`);
    process.exit(1);
  }
}

if (env.SLUICE_MASTER_KEY) {
  setVariable('SLUICE_MASTER_KEY', '');
  setVariable('SLUICE_MASTER_KEY_STORED', 'true');
}

if (!existsSync('local.settings.json')) {
  const sample = JSON.parse(readFileSync('local.settings.sample.json', 'utf8'));
  Object.assign(sample.Values, {
    EventHubConnection__fullyQualifiedNamespace: env.EVENT_HUBS_NAMESPACE,
    COSMOS_ENDPOINT: env.COSMOS_ENDPOINT,
    WEBPUBSUB_ENDPOINT: env.WEBPUBSUB_ENDPOINT,
  });
  writeFileSync('local.settings.json', `${JSON.stringify(sample, null, 2)}\n`, { mode: 0o600 });
  console.log('local.settings.json is written; put the master key of the key vault into it.');
}
