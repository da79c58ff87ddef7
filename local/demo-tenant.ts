/**
 * What the local system starts with: the simulated devices and their groups, two rules and an external application, all
 * made through the API as a customer would make them. A second start finds them there and changes nothing.
 */
import type { Fleet } from './simulator/fleet.ts';
import type { LocalSecrets } from './state-folder.ts';

/** Client credentials of an application. */
export interface Credentials {
  clientId: string;
  clientSecret: string;
}

const APPLICATIONS = '/v1/external-applications';
const APPLICATION_NAME = 'Demo application';
/** Days until the demo application expires. */
const APPLICATION_DAYS = 365;
/** Requests at the same time while seeding. */
const IN_PARALLEL = 8;

/** The API of the running system, as its administrator uses it. */
class Api {
  readonly #base: string;
  readonly #token: string;

  constructor(base: string, token: string) {
    this.#base = base;
    this.#token = token;
  }

  async send(
    method: string,
    path: string,
    body?: object,
    accept: number[] = [],
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok && !accept.includes(response.status))
      throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
}

/** Asks for a token. @returns undefined when the credentials are refused */
async function tokenOf(api: string, { clientId, clientSecret }: Credentials): Promise<string | undefined> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  });
  const response = await fetch(`${api}/connect/token`, { method: 'POST', body: form });
  const body = (await response.json()) as { access_token?: string };
  if (response.status !== 200 && response.status !== 401)
    throw new Error(`The token endpoint answered ${response.status}: ${JSON.stringify(body)}`);
  return body.access_token;
}

/**
 * Seeds the demo tenant.
 * @returns the demo application's credentials, as kept from the first start while they still work
 */
export async function seedDemoTenant(api: string, secrets: LocalSecrets, fleet: Fleet): Promise<Credentials> {
  const token = await tokenOf(api, secrets.admin);
  if (token === undefined)
    throw new Error(
      'The local administrator was refused: the state folder and its secrets do not match; start with --fresh.',
    );
  const admin = new Api(api, token);
  const { devices, groups } = fleet;
  await eachOf(groups, ({ id, name }) => admin.send('POST', '/v1/device-groups', { id, name }, [409]));
  await eachOf(devices, async ({ id, name, groups: memberOf }) => {
    await admin.send('POST', '/v1/devices', { deviceId: id, name, groups: memberOf }, [409]);
  });
  await seedRules(admin);
  const groupIds = groups.map(({ id }) => id);
  if (secrets.demo && (await tokenOf(api, secrets.demo)) !== undefined) {
    await permitGroups(admin, secrets.demo, groupIds);
    return secrets.demo;
  }
  return createApplication(admin, groupIds);
}

/** Adds the groups of this start's fleet to what the demo application may read: another file may be replayed now. */
async function permitGroups(admin: Api, { clientId }: Credentials, groupIds: string[]): Promise<void> {
  const list = await admin.send('GET', `${APPLICATIONS}?search=${encodeURIComponent(APPLICATION_NAME)}`);
  const { items } = list.body as { items: { id: string; clientIdHint: string }[] };
  const found = items.find(({ clientIdHint }) => clientId.endsWith(clientIdHint));
  if (!found) return;
  const { body } = await admin.send('GET', `${APPLICATIONS}/${found.id}`);
  const { groups: permitted } = body as { groups: string[] };
  if (groupIds.every((id) => permitted.includes(id))) return;
  await admin.send('PATCH', `${APPLICATIONS}/${found.id}`, { groups: [...new Set([...permitted, ...groupIds])] });
}

async function seedRules(admin: Api): Promise<void> {
  const { body } = await admin.send('GET', '/v1/rules');
  const { items } = body as { items: { name: string }[] };
  const known = new Set(items.map(({ name }) => name));
  for (const rule of DEMO_RULES) if (!known.has(rule.name)) await admin.send('POST', '/v1/rules', rule);
}

async function createApplication(admin: Api, groups: string[]): Promise<Credentials> {
  const expiresAt = new Date(Date.now() + APPLICATION_DAYS * 86_400_000).toISOString();
  for (let number = 1; ; number++) {
    const name = number === 1 ? APPLICATION_NAME : `${APPLICATION_NAME} ${number}`;
    const { status, body } = await admin.send(
      'POST',
      APPLICATIONS,
      { name, expiresAt, includeAnomalies: true, groups },
      [409],
    );
    if (status === 409) continue;
    const { clientId, clientSecret } = body as Credentials;
    return { clientId, clientSecret };
  }
}

/** Rules that the recorded weather makes fire now and then. */
const DEMO_RULES = [
  {
    name: 'Strong wind',
    severity: 'warning',
    when: { kind: 'condition', if: { param: 'wind', op: 'gt', value: 8 } },
    clear: { param: 'wind', op: 'lt', value: 6 },
  },
  {
    name: 'Cold and wet',
    severity: 'critical',
    when: {
      kind: 'condition',
      if: {
        all: [
          { param: 'precipitation', op: 'gt', value: 15 },
          { param: 'temp_min', op: 'lt', value: 5 },
        ],
      },
    },
  },
];

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: IN_PARALLEL }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
