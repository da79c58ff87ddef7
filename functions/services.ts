/** The services of this instance, made once from the settings, when the first invocation needs them. */
import { notify } from '../shared/actions/deliver.ts';
import type { OutboxServices, SendMail } from '../shared/actions/outbox.ts';
import { createAcsSender } from '../shared/actions/send-mail-acs.ts';
import { createCommandSender } from '../shared/actions/send-command.ts';
import { createSmtpSender } from '../shared/actions/send-mail.ts';
import { createAllowedOrigins } from '../shared/applications/allowed-origins.ts';
import { createPolicies } from '../shared/applications/application-policy.ts';
import { ApplicationsRepository } from '../shared/applications/applications-repository.ts';
import { createSecretHasher } from '../shared/applications/client-credentials.ts';
import { createRecordUse } from '../shared/applications/record-use.ts';
import {
  createCommandProducer,
  createCommunicationToken,
  createDatabase,
  createHubProbe,
  createWebPubSubClient,
  createWebPubSubService,
} from '../shared/azure/clients.ts';
import { withSuppression } from '../shared/alerts/alert.ts';
import type { TenantId } from '../shared/identity/ids.ts';
import { loadConfig, type Config } from '../shared/config.ts';
import { createDeviceRegistry } from '../shared/devices/device-registry.ts';
import { ProfilesRepository } from '../shared/devices/device-profiles.ts';
import { GroupsRepository } from '../shared/devices/groups-repository.ts';
import { createAudit } from '../shared/identity/audit.ts';
import { createExternalTokenHasher } from '../shared/identity/external-token.ts';
import { createExternalUsers } from '../shared/identity/external-users.ts';
import { admitDeployer, type FirstAdministratorSettings } from '../shared/identity/first-administrator.ts';
import { createOpenIdProviders, entraIssuer } from '../shared/identity/openid-provider.ts';
import { createPasswords } from '../shared/identity/passwords.ts';
import { createRevokedTokens } from '../shared/identity/revoked-tokens.ts';
import { createServiceAccounts } from '../shared/identity/service-principals.ts';
import { createUseOnce } from '../shared/identity/single-use.ts';
import { Tenants } from '../shared/identity/tenants.ts';
import { createUserStanding } from '../shared/identity/user-standing.ts';
import { UsersRepository } from '../shared/identity/users-repository.ts';
import { DeviceCommitter } from '../shared/ingest/commit-device.ts';
import { createAlertDesk } from '../shared/ingest/commit-handling.ts';
import type { IngestServices } from '../shared/ingest/ingest.ts';
import { ProcessedTime } from '../shared/ingest/processed-time.ts';
import type { ProjectionServices } from '../shared/ingest/project.ts';
import type { SweepServices } from '../shared/ingest/sweep.ts';
import { Journal } from '../shared/journal/journal.ts';
import { createLivePublisher, createLiveSubscriber } from '../shared/journal/live-bus.ts';
import { createPresence } from '../shared/journal/presence.ts';
import { createActionsRepository, createWebhookSecrets } from '../shared/notifications/action.ts';
import { coversUntil, createWindowsRepository } from '../shared/notifications/maintenance-window.ts';
import { createAccessTokens } from '../shared/oauth/access-token.ts';
import { createDpopNonces } from '../shared/oauth/dpop-nonce.ts';
import { createAuthorizationCodes } from '../shared/oauth/authorization-code.ts';
import { createBrowserSessions } from '../shared/oauth/browser-session.ts';
import { createEnabledGrants } from '../shared/oauth/enabled-grants.ts';
import { ADDRESS_FAILURES_MAX, createFailureThrottle } from '../shared/oauth/failure-throttle.ts';
import { createGrantFamilies } from '../shared/oauth/grant-family.ts';
import { createKeyRing } from '../shared/oauth/key-ring.ts';
import { RuleBook } from '../shared/rules/rule-book.ts';
import { createRulesRepository } from '../shared/rules/rules-repository.ts';
import { Store } from '../shared/store/store.ts';
import { createRelay } from '../shared/stream/create-relay.ts';
import { createDirectListeners } from '../shared/stream/direct-listeners.ts';
import { createDirectPublisher } from '../shared/stream/direct-publisher.ts';
import { createTickets } from '../shared/stream/tickets.ts';

/** Milliseconds a request of ingest to the store may take: nobody waits behind it, and batches are large. */
const INGEST_DEADLINE_MS = 12_000;

const DAY_SECONDS = 86_400;

/** Everything that functions are wired to. */
export type Services = Awaited<ReturnType<typeof createServices>>;

/** Composes the services. @param now the clock, epoch milliseconds */
export async function createServices(config: Config, now: () => number = Date.now) {
  const database = await createDatabase(config);
  const store = new Store(database);
  const audit = createAudit(store, now);

  const devices = createDeviceRegistry(store, now);
  const groups = new GroupsRepository(store, devices);
  const rules = createRulesRepository(store, now);
  const tenantAttributes = async (tenantId: TenantId) => (await rules.settings(tenantId))?.attributes ?? {};
  const profiles = new ProfilesRepository(store, tenantAttributes, now);

  const applications = new ApplicationsRepository(store, now);
  const hasher = createSecretHasher(config.SLUICE_MASTER_KEY);
  const recordUse = createRecordUse(applications, now);
  const keys = createKeyRing(store, config.SLUICE_MASTER_KEY, config.TOKEN_ALG, now);
  const keyHolds = async (keyId: string) => (await keys.verifier(keyId)) !== undefined;
  const tenants = new Tenants(store, now);
  // A tenant that was switched off takes its applications along: their tokens and open streams as well.
  const ofLiveTenants = {
    byClientId: async (clientId: string) => {
      const found = await applications.byClientId(clientId);
      return found && (await tenants.disabled(found.tenantId)) ? { ...found, enabled: false } : found;
    },
  };
  const families = createGrantFamilies(store, config.SLUICE_MASTER_KEY, now, (clientId) => forget(clientId));
  const known = createPolicies(ofLiveTenants, devices, now, { keyHolds, familyHolds: (id) => families.holds(id) });
  const allowedOrigins = createAllowedOrigins(applications, known, now);

  const issuer = config.TOKEN_ISSUER;
  const tokens = createAccessTokens(keys, issuer, now);
  const throttle = createFailureThrottle(now);
  const addressThrottle = createFailureThrottle(now, ADDRESS_FAILURES_MAX);
  const findServiceAccount = createServiceAccounts(config);
  const useOnce = createUseOnce(store, now);
  const nonces = createDpopNonces(config.SLUICE_MASTER_KEY, now);
  const revokedTokens = createRevokedTokens(store, now);

  const users = new UsersRepository(store);
  const userStanding = createUserStanding(users, now);
  const passwords = createPasswords();
  const externalTokens = createExternalTokenHasher(config.SLUICE_MASTER_KEY);
  const providers = createOpenIdProviders(config, now);
  const firstAdministrator = firstAdministratorOf(config);
  const externalUsers = createExternalUsers(
    {
      providers,
      users,
      userStanding,
      tenants,
      admitFirst: (identity, tenantId) => admitDeployer({ store, users, now }, firstAdministrator, identity, tenantId),
    },
    now,
  );
  const codes = createAuthorizationCodes(store, now);
  const sessions = createBrowserSessions({ store, userStanding }, config.SLUICE_MASTER_KEY, issuer, now);
  const enabledGrants = createEnabledGrants(applications, now);

  const journalSeconds = config.JOURNAL_HOURS * 3600;
  const journal = new Journal(store, journalSeconds);
  const webPubSub = lazy(() => createWebPubSubService(config));
  const publisher = lazy(async () => createLivePublisher(await webPubSub()));
  const presence = createPresence(store, now);
  const directListeners = createDirectListeners(store, now);
  const direct = createDirectPublisher({ listeners: directListeners, policies: known, service: webPubSub, now });
  // What was changed here is forgotten here at once, and by every instance with open streams as soon as it hears of it.
  const forgetHere = (clientId: string) => {
    known.forget(clientId);
    applications.forget(clientId);
    families.forgetOf(clientId);
  };
  const forget = (clientId: string) => {
    forgetHere(clientId);
    void publisher().then((live) => live.announceChange(clientId), ignored);
    void direct.recheck(clientId);
  };
  const policies = { ...known, forget };
  const patient = new Store(database, { deadlineMs: INGEST_DEADLINE_MS });
  const processed = new ProcessedTime(patient);
  const ingest: IngestServices = {
    store: patient,
    journal: new Journal(patient, journalSeconds, now),
    processed,
    now,
    committer: new DeviceCommitter(patient, { readingsDays: config.READINGS_DAYS, now }),
    ruleBook: new RuleBook(),
    findDevice: (deviceId) => devices.find('direct', deviceId),
    readDevice: (deviceId) => devices.read('direct', deviceId),
    activeRules: (tenantId) => rules.active(tenantId),
    inheritance: (tenantId) => profiles.inheritance(tenantId),
    publish: async (entries) => {
      const heard = await Promise.all(entries.map(({ tenantId }) => presence.hasListener(tenantId)));
      const wanted = entries.filter((_, index) => heard[index]);
      await Promise.all([wanted.length > 0 ? (await publisher()).publish(wanted) : undefined, direct.publish(entries)]);
    },
  };

  const transitionsTtl = config.READINGS_DAYS * DAY_SECONDS;
  const alertDesk = createAlertDesk(store, transitionsTtl, now);
  const actions = createActionsRepository(store);
  const webhookSecrets = createWebhookSecrets(config.SLUICE_MASTER_KEY);
  const windows = createWindowsRepository(store);
  const allowedCommands = config.COMMANDS_ALLOWED ?? new Set<string>();
  const allowedTargets = config.WEBHOOK_TARGETS_ALLOWED ?? new Set<string>();
  const outbox: OutboxServices = {
    store: patient,
    actions,
    secrets: webhookSecrets,
    allowed: allowedTargets,
    mail: mailSender(config),
    command: createCommandSender(createCommandProducer(config)),
    allowedCommands,
    maintenanceUntil: async (tenantId, { deviceId, ruleId }) => {
      const open = await windows.list(tenantId);
      if (open.length === 0) return undefined;
      const groups_ = (await devices.find('direct', deviceId))?.groups ?? [];
      const untils = open.map(({ content }) => coversUntil(content, { deviceId, groups: groups_, ruleId }, now()));
      const covered = untils.filter((until) => until !== undefined);
      return covered.length === 0 ? undefined : Math.max(...covered);
    },
    markAlert: async (tenantId, alertId, suppression) => {
      await alertDesk.suppress(tenantId, alertId, (alert) => withSuppression(alert, suppression, now()));
    },
    raiseAlert: (tenantId, alertId, severity) => alertDesk.raise(tenantId, alertId, severity),
    audit,
    findAlert: async (tenantId, alertId) => (await alertDesk.find(tenantId, alertId))?.alert,
    findRule: async (tenantId, ruleId) => (await rules.active(tenantId as TenantId)).find(({ id }) => id === ruleId),
    now,
    random: Math.random,
  };
  const projection: ProjectionServices = {
    store: patient,
    journal: ingest.journal,
    publish: (entries) => ingest.publish(entries),
    notify: (tenantId, event) => notify(outbox, tenantId, event),
  };
  const probe = createHubProbe(config);
  const sweeping: SweepServices = {
    ...ingest,
    desk: createAlertDesk(patient, transitionsTtl, now),
    partitionEnds: async () => (await probe()).map((end) => ({ ...end, lane: `direct-${end.partitionId}` })),
    listDevices: (tenantId, after, limit) => devices.list(tenantId, { after, limit }),
    transitionsTtl,
  };

  const tickets = createTickets(store, now);
  const live = lazy(async () => createLiveSubscriber(async () => createWebPubSubClient(await webPubSub())));
  const relay = lazy(async () =>
    createRelay({
      config,
      store,
      journal,
      devices,
      policies: { ...known, forget: forgetHere },
      tickets,
      live: await live(),
      presence,
      now,
    }),
  );

  return {
    config,
    now,
    store,
    audit,
    journal,
    webPubSub,
    live,
    relay,
    tickets,
    presence,
    directListeners,
    ingest,
    projection,
    sweeping,
    alertDesk,
    actions,
    webhookSecrets,
    allowedTargets,
    allowedCommands,
    windows,
    outbox,
    devices,
    groups,
    rules,
    profiles,
    applications,
    hasher,
    recordUse,
    policies,
    allowedOrigins,
    issuer,
    keys,
    tokens,
    throttle,
    addressThrottle,
    findServiceAccount,
    revokedTokens,
    tenants,
    users,
    userStanding,
    passwords,
    externalTokens,
    providers,
    firstAdministrator,
    externalUsers,
    codes,
    families,
    sessions,
    enabledGrants,
    useOnce,
    nonces,
  };
}

/** The services of this instance. A failure, such as a bad setting, is thrown to every caller and tried again. */
export const services: () => Promise<Services> = lazy(() => createServices(loadConfig()));

/** The way mail goes out, where one is set. */
function mailSender(config: Config): SendMail | undefined {
  const { SMTP_URL, MAIL_FROM, ACS_ENDPOINT: endpoint, ACS_SENDER: sender } = config;
  if (SMTP_URL !== undefined) return createSmtpSender(SMTP_URL, MAIL_FROM);
  if (endpoint === undefined || sender === undefined) return undefined;
  return createAcsSender({ endpoint, sender, token: createCommunicationToken(config) });
}

function firstAdministratorOf(config: Config): FirstAdministratorSettings {
  const { BOOTSTRAP_TENANT: tenant, SETUP_CODE: setupCode, ENTRA_TENANT_ID, ENTRA_ADMIN_OBJECT_ID: subject } = config;
  const known = ENTRA_TENANT_ID !== undefined && subject !== undefined;
  return { tenant, setupCode, identity: known ? { issuer: entraIssuer(ENTRA_TENANT_ID), subject } : undefined };
}

/** The bus tells of its own trouble. */
function ignored(): void {}

/** Makes something once, at its first use; a failure is not kept. */
function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
