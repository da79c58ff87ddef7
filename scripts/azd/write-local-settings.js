// After provisioning: the key vault has the master key, so it leaves the azd environment; and local.settings.json is
// written, so that `func start` runs this machine's code against the environment with the developer's own sign-in.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hook, Refusal } from './hook.js';
import { run } from './program.js';

const { env } = process;
const FILE = 'local.settings.json';

/** @param {string} name */
function output(name) {
  const value = env[name];
  if (!value) throw new Refusal(`${name} is not set: azd provision gives it.`);
  return value;
}

/** @param {string} name @param {string} value */
function setVariable(name, value) {
  if (run('azd', ['env', 'set', name, value]) === undefined)
    throw new Refusal(`azd is not on the PATH: ${name} cannot be set in its environment.`);
}

await hook(() => {
  const given = {
    EventHubConnection__fullyQualifiedNamespace: output('EVENT_HUBS_NAMESPACE'),
    COSMOS_ENDPOINT: output('COSMOS_ENDPOINT'),
    CosmosConnection__accountEndpoint: output('COSMOS_ENDPOINT'),
    WEBPUBSUB_ENDPOINT: output('WEBPUBSUB_ENDPOINT'),
    ...(env['SLUICE_ENTRA_AUDIENCE'] && env['AZURE_TENANT_ID']
      ? { ENTRA_TENANT_ID: env['AZURE_TENANT_ID'], ENTRA_AUDIENCE: env['SLUICE_ENTRA_AUDIENCE'] }
      : {}),
  };
  if (env['SLUICE_MASTER_KEY']) {
    // First the mark: a run that ends between the two keeps the key, and loses nothing.
    setVariable('SLUICE_MASTER_KEY_STORED', 'true');
    setVariable('SLUICE_MASTER_KEY', '');
  }
  if (env['SLUICE_NEW_RESOURCES'] === 'true') setVariable('SLUICE_NEW_RESOURCES', 'false');
  if (existsSync(FILE)) {
    console.log(`${FILE} is there already, and stays as it is.`);
    return;
  }
  const sample = JSON.parse(readFileSync('local.settings.sample.json', 'utf8'));
  Object.assign(sample.Values, given);
  writeFileSync(FILE, `${JSON.stringify(sample, null, 2)}\n`, { mode: 0o600 });
  console.log(`${FILE} is written; put the master key of the key vault ${env['KEY_VAULT_NAME'] ?? ''} into it.`);
});
