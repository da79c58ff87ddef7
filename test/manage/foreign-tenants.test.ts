/** Every route of the API, attacked by an owner of another tenant: nothing is shown, and nothing is changed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DescribedRoute } from '../../shared/http/openapi.ts';
import { living, type Living } from '../support/living.ts';
import { newUser } from '../support/people.ts';

const MARK = 'victim-mark';
/** Containers with documents of tenants, besides the audit, which says that somebody tried. */
const CONTAINERS = ['devices', 'groups', 'rules', 'applications', 'identity', 'keys', 'actions'] as const;

let api: Living;
let routes: DescribedRoute[];
/** Tokens of users of the tenant `attacker`, by role. */
const tokens: Record<string, string> = {};
/** What the victim has, by the segment of its route. */
let targets: Record<string, string>;

beforeAll(async () => {
  api = await living(async () => {
    await Promise.all([
      import('../../functions/actions.ts'),
      import('../../functions/alerts.ts'),
      import('../../functions/devices.ts'),
      import('../../functions/external-applications.ts'),
      import('../../functions/health.ts'),
      import('../../functions/maintenance-windows.ts'),
      import('../../functions/oauth.ts'),
      import('../../functions/openapi.ts'),
      import('../../functions/pull-telemetry.ts'),
      import('../../functions/rules.ts'),
      import('../../functions/stream-telemetry.ts'),
      import('../../functions/users.ts'),
    ]);
    routes = (await import('../../functions/http-route.ts')).registeredRoutes;
  });
  targets = await victim();
  await accomplices();
});
afterAll(() => api.close());

async function create(path: string, json: object, tenant = 'victim') {
  const { status, body, text } = await api.manage('POST', path, json, { tenant });
  if (status !== 201) throw new Error(`POST ${path} answered ${status}: ${text}`);
  return body;
}

async function victim(): Promise<Record<string, string>> {
  await create('/v1/tenants', { id: 'victim', name: MARK });
  await create('/v1/tenants', { id: 'attacker' });
  await create('/v1/device-groups', { id: 'victims', name: MARK });
  await create('/v1/device-groups', { id: 'victims-alone', name: MARK });
  await create('/v1/devices', { deviceId: MARK, name: MARK, groups: ['victims'] });
  const rule = await create('/v1/rules', RULE);
  const application = await create('/v1/external-applications', {
    name: MARK,
    expiresAt: '2099-12-31',
    devices: [MARK],
  });
  const user = await newUser(api, { login: `${MARK}@example.com`, name: MARK, roles: ['owner'] }, { tenant: 'victim' });
  const action = await create('/v1/actions', HOOK);
  const window = await create('/v1/maintenance-windows', WINDOW);
  const { body: keys } = await api.manage('GET', '/v1/signing-keys');
  return {
    'device-groups': 'victims',
    devices: MARK,
    rules: rule.id,
    'external-applications': application.id,
    users: user.id,
    actions: action.id,
    'maintenance-windows': window.id,
    tenants: 'victim',
    'signing-keys': keys.items[0].kid,
  };
}

async function accomplices(): Promise<void> {
  const application = await create(
    '/v1/external-applications',
    { name: 'Way in', expiresAt: '2099-12-31', userAuthentication: 'password' },
    'attacker',
  );
  for (const role of ['owner', 'admin', 'operator', 'viewer']) {
    const user = await newUser(api, { roles: [role] }, { tenant: 'attacker' });
    const { body } = await api.token({
      grant_type: 'password',
      client_id: application.clientId,
      client_secret: application.clientSecret,
      username: user.login,
      password: user.password,
    });
    tokens[role] = body.access_token as string;
  }
}

const RULE = {
  name: MARK,
  when: { kind: 'condition', if: { param: 'temperature', op: 'gt', value: 90 } },
};
const HOOK = { kind: 'webhook', name: MARK, url: 'https://example.com/hook' };
const WINDOW = {
  name: MARK,
  when: { kind: 'once', from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' },
};
/** Bodies that are right, so that nothing but the tenant can be why they are refused. */
const BODIES: Record<string, object> = {
  'PUT devices': { name: 'taken over' },
  'PUT rules': { ...RULE, name: 'taken over' },
  'PUT actions': { ...HOOK, name: 'taken over' },
  'PUT maintenance-windows': { ...WINDOW, name: 'taken over' },
  'POST external-applications extend': { expiresAt: '2100-01-01' },
  'POST external-applications rotate-secret': { confirm: true },
  'PUT users external-authentication-token': {},
};

interface Attack {
  method: string;
  path: string;
  body: object | undefined;
}

/** Every operation with a guard, on the victim's things; PUT last, because it may make something of the same id. */
function attacks(): Attack[] {
  const all = routes.flatMap(({ route, operations }) => {
    if (!route.startsWith('v1/')) return [];
    const segment = route.split('/')[1] ?? '';
    const path = `/${route.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(targets[segment] ?? 'no-such-id'))}`;
    return Object.entries(operations)
      .filter(([, { input }]) => input.guarded)
      .map(([method, { input }]) => {
        const action = route.split('/').slice(3).join('/');
        const named = BODIES[`${method} ${segment}${action === '' ? '' : ` ${action}`}`];
        return { method, path, body: input.body ? (named ?? { name: 'taken over' }) : undefined };
      });
  });
  return all.toSorted((a, b) => Number(a.method === 'PUT') - Number(b.method === 'PUT'));
}

/** Everything that belongs to the victim, as it is stored. */
async function possessions(): Promise<string> {
  const { store } = await api.instance();
  const all = await Promise.all(
    CONTAINERS.map((name) => store.all<{ id: string; tenantId?: string }>(name, { query: 'SELECT * FROM c' })),
  );
  return JSON.stringify(
    all
      .flat()
      .filter(({ tenantId, id }) => tenantId === 'victim' || id.startsWith('signing-'))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

async function attempt({ method, path, body }: Attack, token: string | undefined, tenant?: string) {
  return api.call(method, path, {
    ...(token === undefined ? {} : { token }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(body === undefined ? {} : { json: body }),
  });
}

test('the table holds every resource there is to attack', () => {
  const segments = new Set(routes.map(({ route }) => route.split('/')[1]));
  for (const segment of Object.keys(targets)) expect(segments).toContain(segment);
  expect(attacks().length).toBeGreaterThan(40);
});

test('an owner of another tenant sees nothing and changes nothing, on no route', async () => {
  const before = await possessions();
  expect(before).toContain(MARK);
  const breaches: string[] = [];
  for (const attack of attacks()) {
    const { status, text } = await attempt(attack, tokens['owner']);
    // The id of a thing may be anybody's in their own tenant, where it is unique to the tenant.
    const ownGroup = attack.method === 'PUT' && attack.path.startsWith('/v1/device-groups/');
    const aimed = attack.path.includes(`/${targets[attack.path.split('/')[2] ?? ''] ?? '\0'}`);
    const shown = text.includes(MARK) && !attack.path.includes(MARK);
    if (shown || (aimed && status < 400 && !ownGroup))
      breaches.push(`${attack.method} ${attack.path}: ${status} ${text}`);
    if (status >= 500) breaches.push(`${attack.method} ${attack.path}: ${status} ${text}`);
  }
  expect(breaches).toEqual([]);
  expect(await possessions()).toBe(before);
});

test('nobody but the platform names another tenant, on no route', async () => {
  const before = await possessions();
  const reached: string[] = [];
  for (const attack of attacks()) {
    const { status, text } = await attempt(attack, tokens['owner'], 'victim');
    if (status < 400 && text.includes(MARK)) reached.push(`${attack.method} ${attack.path}: ${status}`);
  }
  expect(reached).toEqual([]);
  expect(await possessions()).toBe(before);
});

test('without a token every guarded route answers 401', async () => {
  const open: string[] = [];
  for (const attack of attacks()) {
    const { status, headers } = await attempt(attack, undefined);
    if (status !== 401 || !headers.has('www-authenticate')) open.push(`${attack.method} ${attack.path}: ${status}`);
  }
  expect(open).toEqual([]);
});

test('a viewer changes nothing of the own tenant, on no route but those of the own account and of trials', async () => {
  const allowed: string[] = [];
  for (const attack of attacks().filter(({ method }) => method !== 'GET')) {
    if (/^\/v1\/(me\/|rules\/(test|backtest)$)/.test(attack.path)) continue;
    const { status } = await attempt(attack, tokens['viewer']);
    if (status !== 403) allowed.push(`${attack.method} ${attack.path}: ${status}`);
  }
  expect(allowed).toEqual([]);
});

describe('things of another tenant cannot be named in what one owns', () => {
  test.each<[string, () => [string, string, object]]>([
    [
      'a device, in an application',
      () => ['POST', '/v1/external-applications', { name: 'Spy', expiresAt: '2099-12-31', devices: [MARK] }],
    ],
    [
      'a group, in an application',
      () => ['POST', '/v1/external-applications', { name: 'Spy', expiresAt: '2099-12-31', groups: ['victims-alone'] }],
    ],
    ['a device, in a group', () => ['POST', '/v1/device-groups', { id: 'spies', name: 'Spies', devices: [MARK] }]],
  ])('%s', async (_, request) => {
    const [method, path, json] = request();
    expect((await api.call(method, path, { token: tokens['owner'] ?? '', json })).status).toBe(422);
  });
});

describe('nobody reaches above their own roles', () => {
  const ask = (role: string, method: string, path: string, json?: object) =>
    api.call(method, path, { token: tokens[role] ?? '', ...(json ? { json } : {}) });

  test.each([
    ['admin', 'owner'],
    ['admin', 'platform-admin'],
    ['owner', 'platform-admin'],
  ])('%s cannot make somebody %s', async (role, wanted) => {
    const input = { login: `climber-${role}-${wanted}`, roles: [wanted] };
    expect((await ask(role, 'POST', '/v1/users', input)).status).toBe(403);
    const created = await ask(role, 'POST', '/v1/users', { ...input, roles: ['viewer'] });
    expect(created.status).toBe(201);
    expect((await ask(role, 'PATCH', `/v1/users/${created.body.id}`, { roles: [wanted] })).status).toBe(403);
  });

  test('an admin does not touch an owner: no new password, no disabling, no token, no end', async () => {
    const owner = await newUser(api, { roles: ['owner'] }, { tenant: 'attacker' });
    const path = `/v1/users/${owner.id}`;
    const answers = [
      await ask('admin', 'PATCH', path, { password: 'a password of mine' }),
      await ask('admin', 'POST', `${path}/disable`),
      await ask('admin', 'PUT', `${path}/external-authentication-token`, {}),
      await ask('admin', 'DELETE', path),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
  });

  test.each(['operator', 'viewer'])('%s manages no users', async (role) => {
    expect((await ask(role, 'GET', '/v1/users')).status).toBe(403);
    expect((await ask(role, 'POST', '/v1/users', { login: 'somebody' })).status).toBe(403);
  });

  test.each(['owner', 'admin'])('%s does not operate the platform', async (role) => {
    expect((await ask(role, 'GET', '/v1/signing-keys')).status).toBe(403);
    expect((await ask(role, 'POST', '/v1/tenants', { id: 'mine' })).status).toBe(403);
    expect((await ask(role, 'POST', '/v1/tenants/attacker/disable')).status).toBe(403);
    expect((await ask(role, 'GET', '/v1/quarantine')).status).toBe(403);
  });
});
