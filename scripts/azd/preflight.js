// Before provisioning: one clear line for what would fail later, and the master key of a new environment.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hook, Refusal } from './hook.js';
import { run } from './program.js';

const { env } = process;
/** The environment's name: azd allows 64 characters; resource names have room for 40. */
const ENVIRONMENT_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.()-]{0,38}[A-Za-z0-9_()-])?$/;
const NODE_MAJOR_MIN = 20;
const YES_OR_NO = /^(?:true|false)$/;

/** What variables may hold, and how that is said. */
const RULES = /** @type {[name: string, rule: RegExp, must: string][]} */ ([
  ['SLUICE_PROFILE', /^(?:dev|prod)$/, 'dev or prod'],
  ['SLUICE_COSMOS_MODE', /^(?:serverless|autoscale|free)$/, 'serverless, autoscale or free'],
  ['SLUICE_TOKEN_ISSUER', /^https:\/\/[^/\s]+/, 'an https URL'],
  ['SLUICE_TOKEN_ALGORITHM', /^(?:ES256|RS256|EdDSA)$/, 'ES256, RS256 or EdDSA'],
  ['SLUICE_SPLIT_STREAM', YES_OR_NO, 'true or false'],
  ['SLUICE_VNET', YES_OR_NO, 'true or false'],
  ['SLUICE_DEVICES_FROM_INTERNET', YES_OR_NO, 'true or false'],
  ['SLUICE_ZONE_REDUNDANT', YES_OR_NO, 'true or false'],
  ['SLUICE_ALERT_SILENCE', YES_OR_NO, 'true or false'],
  ['SLUICE_EMAIL', YES_OR_NO, 'true or false'],
  ['SLUICE_ALERT_EMAIL', /^[^@\s]+@[^@\s]+\.[^@\s]+$/, 'an e-mail address'],
  ['SLUICE_ALERT_WEBHOOK', /^https:\/\/[^/\s]+/, 'an https URL'],
  ['SLUICE_MONTHLY_BUDGET', /^\d{1,9}$/, 'a whole number'],
  ['SLUICE_SMTP_URL', /^smtps?:\/\/./, 'an smtp:// or smtps:// URL'],
  ['SLUICE_JOURNAL_HOURS', /^(?:[1-9]\d?|1[0-5]\d|16[0-8])$/, 'from 1 to 168'],
  ['SLUICE_READINGS_DAYS', /^(?:[1-9]\d?|[1-3]\d\d|400)$/, 'from 1 to 400'],
  ['SLUICE_STREAM_MAX_SECONDS', /^(?:[5-9]|[1-9]\d{1,2}|1[0-4]\d\d|1500)$/, 'from 5 to 1500'],
  ['SLUICE_ADMINISTRATOR_OBJECT_ID', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'an object id'],
]);

/** Namespaces of the resources, and of what is no resource here but must be registered all the same. */
const PROVIDERS = [
  // The subnet is delegated to it.
  'Microsoft.App',
  'Microsoft.DocumentDB',
  'Microsoft.EventHub',
  'Microsoft.Insights',
  'Microsoft.KeyVault',
  'Microsoft.ManagedIdentity',
  'Microsoft.OperationalInsights',
  'Microsoft.SignalRService',
  'Microsoft.Storage',
  'Microsoft.Web',
];

/** @param {string} name */
const isOn = (name) => env[name] === 'true';

function checkMachine() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_MAJOR_MIN)
    throw new Refusal(`Node ${process.versions.node} is too old: ${NODE_MAJOR_MIN} or newer is needed.`);
}

function checkVariables() {
  const name = env['AZURE_ENV_NAME'] ?? '';
  if (!ENVIRONMENT_NAME.test(name))
    throw new Refusal(
      `AZURE_ENV_NAME has ${name.length} characters, or one that no resource may have: it must be 1 to 40 letters, digits or - _ . ( ), begin with a letter or digit, and not end with a dot. Make another: azd env new NAME.`,
    );
  for (const [variable, rule, must] of RULES) {
    const value = env[variable];
    // Values may be secret: they are never printed.
    if (value && !rule.test(value)) throw new Refusal(`${variable} must be ${must}: azd env set ${variable} VALUE.`);
  }
  if (isOn('SLUICE_EMAIL') && env['SLUICE_SMTP_URL'])
    throw new Refusal('SLUICE_EMAIL and SLUICE_SMTP_URL are two ways to send mail: set one of them.');
  if (isOn('SLUICE_ZONE_REDUNDANT') && env['SLUICE_COSMOS_MODE'] === 'free')
    throw new Refusal('SLUICE_COSMOS_MODE=free has no zones: use autoscale, or leave SLUICE_ZONE_REDUNDANT.');
  if (env['SLUICE_MASTER_KEY'] && Buffer.from(env['SLUICE_MASTER_KEY'], 'base64').length < 32)
    throw new Refusal('SLUICE_MASTER_KEY must be 32 or more bytes in base64.');
}

/**
 * What is part of the resource names because it cannot be changed on a living resource.
 * @returns {boolean} whether new resources are made although the environment lives
 */
function checkLivingEnvironment() {
  const profile = env['SLUICE_PROFILE'] || 'dev';
  const wanted = {
    DEPLOYED_PROFILE: profile,
    DEPLOYED_COSMOS_MODE: env['SLUICE_COSMOS_MODE'] || (profile === 'prod' ? 'autoscale' : 'serverless'),
    DEPLOYED_ZONE_REDUNDANT: env['SLUICE_ZONE_REDUNDANT'] || 'false',
    DEPLOYED_LOCATION: env['AZURE_LOCATION'],
  };
  const changed = Object.entries(wanted).filter(([name, value]) => env[name] && value && env[name] !== value);
  if (changed.length > 0 && !isOn('SLUICE_NEW_RESOURCES')) {
    const what = changed.map(([name, value]) => `${said(name)} ${env[name]} to ${value}`).join(', ');
    throw new Refusal(
      `This environment lives, and ${what} cannot be changed in place: new, empty resources would be made beside it. Make another environment (azd env new), or, if that is meant, azd env set SLUICE_NEW_RESOURCES true.`,
    );
  }
  return changed.length > 0;
}

/** @param {string} output */
function said(output) {
  return output.replace('DEPLOYED_', '').toLowerCase().replaceAll('_', ' ');
}

/** @param {string} location */
function checkRegion(location) {
  const region = location.toLowerCase().replaceAll(' ', '');
  const zones = isOn('SLUICE_ZONE_REDUNDANT');
  const what = zones ? 'Flex Consumption over zones' : 'Flex Consumption';
  const answer = run('az', [
    'functionapp',
    'list-flexconsumption-locations',
    ...(zones ? ['--zone-redundant', 'true'] : []),
    '--output',
    'json',
  ]);
  if (answer !== undefined) {
    const names = /** @type {{ name: string }[]} */ (JSON.parse(answer)).map(({ name }) =>
      name.toLowerCase().replaceAll(' ', ''),
    );
    if (!names.includes(region))
      throw new Refusal(`${location} does not offer ${what}. Regions that do: ${names.toSorted().join(', ')}.`);
    return;
  }
  const list = JSON.parse(readFileSync(new URL('regions.json', import.meta.url), 'utf8'));
  const names = zones ? list.zoneRedundant : list.flexConsumption;
  if (!names.includes(region) && !isOn('SLUICE_REGION_CHECKED'))
    throw new Refusal(
      `${location} did not offer ${what} in ${list.asOf}, and the Azure CLI is not here to ask. If it does now: azd env set SLUICE_REGION_CHECKED true. Regions that did: ${names.join(', ')}.`,
    );
}

function checkProviders() {
  const subscription = env['AZURE_SUBSCRIPTION_ID'];
  const answer = run('az', [
    'provider',
    'list',
    ...(subscription ? ['--subscription', subscription] : []),
    '--query',
    '[].{namespace:namespace,state:registrationState}',
    '--output',
    'json',
  ]);
  if (answer === undefined) {
    console.log('The Azure CLI is not here: whether the resource providers are registered is not checked.');
    return;
  }
  const registered = new Set(
    /** @type {{ namespace: string, state: string }[]} */ (JSON.parse(answer))
      .filter(({ state }) => state === 'Registered')
      .map(({ namespace }) => namespace.toLowerCase()),
  );
  const needed = [
    ...PROVIDERS,
    ...(isOn('SLUICE_VNET') ? ['Microsoft.Network'] : []),
    ...(isOn('SLUICE_EMAIL') ? ['Microsoft.Communication'] : []),
  ];
  const missing = needed.filter((namespace) => !registered.has(namespace.toLowerCase()));
  if (missing.length > 0)
    throw new Refusal(
      `Not registered in this subscription: ${missing.join(', ')}. Run az provider register --namespace NAME --wait for each.`,
    );
}

/** @param {boolean} anew whether the vault of this run is a new one */
function giveMasterKey(anew) {
  if (env['SLUICE_MASTER_KEY'] || (env['SLUICE_MASTER_KEY_STORED'] === 'true' && !anew)) return;
  const key = randomBytes(32).toString('base64');
  if (run('azd', ['env', 'set', 'SLUICE_MASTER_KEY', key]) === undefined)
    throw new Refusal('azd is not on the PATH: the master key cannot be put into its environment.');
}

await hook(() => {
  checkMachine();
  checkVariables();
  const anew = checkLivingEnvironment();
  if (env['AZURE_LOCATION']) checkRegion(env['AZURE_LOCATION']);
  checkProviders();
  if (env['SLUICE_PROFILE'] === 'prod' && !env['SLUICE_ALERT_EMAIL'] && !env['SLUICE_ALERT_WEBHOOK'])
    console.log('SLUICE_ALERT_EMAIL is not set: the alert rules are made, and nobody is told.');
  giveMasterKey(anew);
});
