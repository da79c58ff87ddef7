/**
 * Taking access back, measured: two hosts as processes of their own; whatever is done at one ends live tokens and open
 * streams at both within 5 s. TAKE_BACK_ROUNDS says how often; .ci/run does 50.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ADMIN } from '../support/stored-services.ts';
import { proofFor, proofKey } from '../support/dpop.ts';
import { ISSUER, twoHosts, type TwoHosts } from '../support/two-hosts.ts';

/** Milliseconds after which nothing may be let in any more. */
const LIMIT_MS = 5_000;
const ROUNDS = Number(process.env['TAKE_BACK_ROUNDS'] ?? 7);
/** Rounds that run side by side. */
const SIDE_BY_SIDE = 7;
const POLL_MS = 40;
const APPLICATIONS = '/v1/external-applications';

let hosts: TwoHosts;
let admin: string;
let names = 0;

beforeAll(async () => {
  hosts = await twoHosts();
  await signIn();
  for (const deviceId of ['d1', 'd2']) await manage('POST', '/v1/devices', { deviceId });
}, 60_000);
afterAll(async () => {
  await hosts?.[Symbol.asyncDispose]();
}, 30_000);

async function post(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form), headers });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, string>,
  };
}
async function signIn() {
  const { body } = await post(`${hosts.urls[0]}/connect/token`, { grant_type: 'client_credentials', ...ADMIN });
  admin = body['access_token'] ?? '';
}
/** Calls one of the hosts as the administrator. */
async function manage(method: string, path: string, json?: unknown, host = hosts.urls[0]) {
  const response = await fetch(`${host}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${admin}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  if (response.status >= 300) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as Record<string, string>;
}

interface Application {
  id: string;
  form: Record<string, string>;
}

async function newApplication(more: Record<string, unknown> = {}): Promise<Application> {
  const body = { name: `Taken back ${++names}`, expiresAt: '2099-12-31', devices: ['d1', 'd2'], ...more };
  const { id = '', clientId = '', clientSecret = '' } = await manage('POST', APPLICATIONS, body);
  return { id, form: { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret } };
}
const buy = async ({ form }: Application) =>
  (await post(`${hosts.urls[0]}/connect/token`, form)).body['access_token'] ?? '';

/** What a token is let into at a host: the devices that it shows, or nothing. */
async function seen(host: string, token: string): Promise<string> {
  const response = await fetch(`${host}/v1/me/devices`, { headers: { authorization: `Bearer ${token}` } });
  const body = (await response.json()) as { items?: { deviceId: string }[] };
  return response.status === 200 ? (body.items ?? []).map(({ deviceId }) => deviceId).join() : String(response.status);
}

/** When a host last let a token see what it saw before; polls until it does not. */
async function lastSeen(host: string, token: string, before: string): Promise<number> {
  for (let last = 0; ;) {
    const askedAt = performance.now();
    if ((await seen(host, token)) !== before) return last;
    last = askedAt;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Opens a stream; `ended` says when it had ended. */
async function openStream(host: string, token: string): Promise<{ ended: Promise<number>; leave(): void }> {
  const leaving = new AbortController();
  const response = await fetch(`${host}/v1/stream/telemetry`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    signal: leaving.signal,
  });
  if (response.status !== 200 || !response.body) throw new Error(`A stream answered ${response.status}.`);
  const reader = response.body.getReader();
  await reader.read();
  const toEnd = async () => {
    while (!(await reader.read()).done);
    return performance.now();
  };
  return { ended: toEnd().catch(() => performance.now()), leave: () => leaving.abort() };
}

interface Measured {
  action: string;
  /** Milliseconds from the answer to the action until the last request that was let in, and the end of the last stream. */
  token: number;
  stream: number;
}

/** One round: a token that both hosts know and streams at both; then `act`, which says when it was answered. */
async function round(
  action: string,
  application: Application,
  act: (host: string) => Promise<unknown>,
  { streamsEnd = true } = {},
): Promise<Measured> {
  const token = await buy(application);
  const before = await Promise.all(hosts.urls.map((host) => seen(host, token)));
  expect(before).toEqual(['d1,d2', 'd1,d2']);
  const streams = await Promise.all(hosts.urls.map((host) => openStream(host, token)));
  const host = hosts.urls[names % 2] ?? '';
  const polls = hosts.urls.map((url) => lastSeen(url, token, 'd1,d2'));
  await act(host);
  const at = performance.now();
  const seenAt = await Promise.all(polls);
  const endedAt = streamsEnd ? await Promise.all(streams.map(({ ended }) => ended)) : [at];
  for (const stream of streams) stream.leave();
  return { action, token: Math.max(...seenAt) - at, stream: Math.max(...endedAt) - at };
}

const waitUntil = (atMs: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - Date.now())));
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

const ACTIONS: ((name: string) => Promise<Measured>)[] = [
  async (name) => {
    const application = await newApplication();
    return round(name, application, (host) => manage('POST', `${APPLICATIONS}/${application.id}/disable`, {}, host));
  },
  async (name) => {
    const application = await newApplication();
    return round(name, application, (host) => manage('DELETE', `${APPLICATIONS}/${application.id}`, undefined, host));
  },
  async (name) => {
    const expiresAt = inSeconds(6);
    return round(name, await newApplication({ expiresAt }), () => waitUntil(Date.parse(expiresAt)));
  },
  async (name) => {
    const application = await newApplication();
    const edit = { devices: ['d2'] };
    const path = `${APPLICATIONS}/${application.id}`;
    return round(name, application, (host) => manage('PATCH', path, edit, host), { streamsEnd: false });
  },
  async (name) => {
    const application = await newApplication();
    return round(name, application, async (host) => {
      await manage('POST', `${APPLICATIONS}/${application.id}/rotate-secret`, {}, host);
      await manage('POST', `${APPLICATIONS}/${application.id}/secrets/previous/revoke`, undefined, host);
    });
  },
  async (name) => {
    const application = await newApplication();
    const graceSeconds = 6;
    const path = `${APPLICATIONS}/${application.id}/rotate-secret`;
    await manage('POST', path, { graceSeconds });
    const endsAt = Date.now() + graceSeconds * 1000;
    return round(name, application, () => waitUntil(endsAt), { streamsEnd: false });
  },
  async (name) => {
    const application = await newApplication();
    const path = `${APPLICATIONS}/${application.id}/rotate-secret`;
    return round(name, application, (host) => manage('POST', path, { revokeTokens: true }, host));
  },
];
const NAMES = ['disable', 'delete', 'expire', 'edit', 'end the grace', 'the grace ends', 'rotate and revoke'];

function report(measured: readonly Measured[]): void {
  const worst = (of: (one: Measured) => number) => Math.round(Math.max(...measured.map(of)));
  for (const name of new Set(measured.map(({ action }) => action))) {
    const own = measured.filter(({ action }) => action === name);
    const most = (of: (one: Measured) => number) => Math.round(Math.max(...own.map(of)));
    process.stdout.write(
      `${name}: ${own.length} rounds, tokens ended after ${most(({ token }) => token)} ms at worst, streams after ${most(({ stream }) => stream)} ms\n`,
    );
  }
  expect(worst(({ token }) => token)).toBeLessThanOrEqual(LIMIT_MS);
  expect(worst(({ stream }) => stream)).toBeLessThanOrEqual(LIMIT_MS);
}

async function rounds(count: number): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (let start = 0; start < count; start += SIDE_BY_SIDE) {
    const numbers = Array.from({ length: Math.min(SIDE_BY_SIDE, count - start) }, (_, index) => start + index);
    const together = numbers.map((number) => {
      const index = number % ACTIONS.length;
      return ACTIONS[index]?.(NAMES[index] ?? '') ?? Promise.reject(new Error('no action'));
    });
    measured.push(...(await Promise.all(together)));
  }
  return measured;
}

const TIMEOUT_MS = 60_000 + ROUNDS * 5_000;
const WHAT = 'disable, delete, expire, edit, rotate and both ends of a grace act on tokens and streams of both hosts';

test(
  `${WHAT} within 5 s (${ROUNDS} rounds)`,
  async () => {
    const measured = await rounds(ROUNDS);
    expect(measured).toHaveLength(ROUNDS);
    report(measured);
  },
  TIMEOUT_MS,
);

test(
  'dropping a signing key ends every token it signed, and their streams, at both hosts within 5 s',
  async () => {
    const measured: Measured[] = [];
    for (let count = 0; count < Math.max(1, Math.round(ROUNDS / 7)); count++) {
      const application = await newApplication();
      const { items = [] } = (await manage('GET', '/v1/signing-keys')) as {
        items?: { kid: string; signing: boolean }[];
      };
      const signing = items.find((key) => key.signing)?.kid ?? '';
      measured.push(
        await round('drop the key', application, (host) =>
          manage('DELETE', `/v1/signing-keys/${signing}`, undefined, host),
        ),
      );
      await signIn();
      // New tokens are bought under a new key at once, and both hosts take them.
      const token = await buy(application);
      expect(await Promise.all(hosts.urls.map((host) => seen(host, token)))).toEqual(['d1,d2', 'd1,d2']);
    }
    report(measured);
  },
  60_000 + ROUNDS * 2_000,
);

test('a secret that is taken back buys nothing at either host from that moment on', async () => {
  const application = await newApplication();
  await manage('POST', `${APPLICATIONS}/${application.id}/rotate-secret`, {});
  const statuses = () =>
    Promise.all(hosts.urls.map(async (host) => (await post(`${host}/connect/token`, application.form)).status));
  expect(await statuses()).toEqual([200, 200]);
  await manage('POST', `${APPLICATIONS}/${application.id}/secrets/previous/revoke`);
  expect(await statuses()).toEqual([401, 401]);
});

test('what a host read of an application a moment ago never outlives a change at the other', async () => {
  const [one, two] = hosts.urls;
  // Refusals of the load count as failures, so the next may be told to wait.
  const status = async (host: string, form: Record<string, string>) =>
    (await post(`${host}/connect/token`, form)).status.toString().replace('429', '401');
  /** Tokens are bought there again and again, so that the document is always fresh in memory. */
  const busily = async (application: Application, act: () => Promise<void>) => {
    const working = new AbortController();
    const load = Array.from({ length: 4 }, async () => {
      while (!working.signal.aborted) await status(two, application.form);
    });
    try {
      await act();
    } finally {
      working.abort();
      await Promise.all(load);
    }
  };
  const application = await newApplication();
  const path = `${APPLICATIONS}/${application.id}`;
  await busily(application, async () => {
    for (let count = 0; count < 10; count++) {
      await manage('POST', `${path}/disable`, {});
      expect(await status(two, application.form)).toBe('401');
      await manage('POST', `${path}/enable`, {});
      expect(await status(two, application.form)).toBe('200');
    }
    // A new secret is taken at once where only the one before is in memory, and that one no more once it is ended.
    const { clientSecret = '' } = await manage('POST', `${path}/rotate-secret`, { graceSeconds: 0 });
    expect(await status(two, { ...application.form, client_secret: clientSecret })).toBe('200');
    expect(await status(two, application.form)).toBe('401');
    expect(await status(one, application.form)).toBe('401');
    const basic = { ...application.form, client_secret: clientSecret, scope: 'basic' };
    expect(await status(two, basic)).toBe('400');
    await manage('PATCH', path, { scopes: ['app', 'basic'] });
    expect(await status(two, basic)).toBe('200');
    await manage('DELETE', path);
    expect(await status(two, basic)).toBe('401');
  });
});

test('under load at both hosts no issuance fails while the secret is replaced again and again', async () => {
  const application = await newApplication();
  const path = `${APPLICATIONS}/${application.id}/rotate-secret`;
  let { form } = application;
  let rotating = true;
  const statuses: number[] = [];
  const worker = async (number: number) => {
    // Each goes over to a new secret when its next request begins, as the machines of a customer do, one after another.
    for (let count = number; rotating; count++) {
      const host = hosts.urls[count % 2] ?? '';
      statuses.push((await post(`${host}/connect/token`, form)).status);
    }
  };
  const load = Array.from({ length: 8 }, (_, number) => worker(number));
  for (let count = 0; count < 10; count++) {
    const { clientSecret = '' } = await manage('POST', path, { graceSeconds: 3600 }, hosts.urls[count % 2]);
    form = { ...form, client_secret: clientSecret };
    const before = statuses.length;
    while (statuses.length < before + 24) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  rotating = false;
  await Promise.all(load);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(statuses.length).toBeGreaterThan(200);
});

test('a proof that one host has seen is refused by the other [9449 11.1]', async () => {
  const { form } = await newApplication();
  const key = await proofKey();
  const address = `${ISSUER}/connect/token`;
  const first = await post(`${hosts.urls[0]}/connect/token`, form, { dpop: await proofFor(key, 'POST', address) });
  const nonce = first.headers.get('dpop-nonce') ?? '';
  const dpop = await proofFor(key, 'POST', address, { nonce });
  const answers = [];
  for (const host of hosts.urls) answers.push((await post(`${host}/connect/token`, form, { dpop })).status);
  expect(answers).toEqual([200, 400]);
});

test(
  `${WHAT} within 5 s also while nothing is pushed (${ROUNDS} rounds)`,
  async () => {
    await hosts.cutBus();
    const measured = await rounds(ROUNDS);
    expect(measured).toHaveLength(ROUNDS);
    report(measured);
  },
  TIMEOUT_MS,
);
