// After deploying: the API answers, its metadata names itself, the stream refuses a stranger; then, where an administrator's
// token is to be had, one event goes the whole road: device → hub → store → stream, read with a token of an application
// that is made for it and deleted again. Roles take minutes to arrive at a first deployment, so it is patient.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hook, Refusal } from './hook.js';
import { run } from './program.js';

const { env } = process;
const api = env['SERVICE_API_URI']?.replace(/\/$/, '') ?? '';
const stream = env['STREAM_URI']?.replace(/\/$/, '') || api;
/** Seconds until the deployment must answer; SLUICE_SMOKE_SECONDS says otherwise. */
const PATIENCE_MS = Number(env['SLUICE_SMOKE_SECONDS'] ?? 300) * 1000;
/** Milliseconds one request may take, and between two attempts. */
const REQUEST_MS = Math.min(30_000, PATIENCE_MS);
const PAUSE_MS = Math.min(10_000, PATIENCE_MS / 10);
/** Milliseconds until an event must have arrived: the first one starts an instance. */
const EVENT_MS = Math.min(120_000, PATIENCE_MS);
const DEVICE = 'sluice-smoke-test';

/** @param {string} url @param {RequestInit} [init] */
const ask = (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_MS), redirect: 'manual' });

/** @returns {Promise<string | undefined>} what is not as it should be */
async function basics() {
  const ready = await ask(`${api}/readyz`);
  if (ready.status !== 200) return `readyz answers ${ready.status}`;
  const metadata = await ask(`${api}/.well-known/oauth-authorization-server`);
  if (metadata.status !== 200) return `the metadata answers ${metadata.status}`;
  const { token_endpoint: endpoint } = /** @type {{ token_endpoint?: string }} */ (await metadata.json());
  if (!endpoint || (!endpoint.startsWith('https://') && new URL(api).protocol === 'https:'))
    return `the token endpoint is ${endpoint}`;
  const stranger = await ask(`${stream}/v1/stream/telemetry`);
  if (stranger.status !== 401) return `the stream answers a stranger with ${stranger.status}`;
  return undefined;
}

async function patiently() {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const trouble = await basics().catch((error) => `${error.cause?.code ?? error.message}`);
    if (trouble === undefined) return;
    if (Date.now() + PAUSE_MS > end) throw new Refusal(`The deployment does not answer as it should: ${trouble}.`);
    console.log(`Not yet: ${trouble}.`);
    await delay(PAUSE_MS);
  }
}

/** @returns {string | undefined} an administrator's token: given, or asked of the Azure CLI */
function administratorToken() {
  if (env['SLUICE_SMOKE_TOKEN']) return env['SLUICE_SMOKE_TOKEN'];
  if (!env['SLUICE_ENTRA_AUDIENCE']) return undefined;
  const scope = `api://${env['SLUICE_ENTRA_AUDIENCE']}/.default`;
  return run('az', [
    'account',
    'get-access-token',
    '--scope',
    scope,
    '--query',
    'accessToken',
    '--output',
    'tsv',
  ])?.trim();
}

/** @param {string} token */
function administrator(token) {
  /** @param {string} method @param {string} path @param {number[]} expected @param {unknown} [body] */
  return async (method, path, expected, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await ask(`${api}${path}`, { method, headers, ...init });
    const text = await answer.text();
    if (!expected.includes(answer.status))
      throw new Refusal(`${method} ${path} answers ${answer.status}: ${text.slice(0, 300)}`);
    return text === '' ? {} : JSON.parse(text);
  };
}

/** @param {number} value */
async function send(value) {
  const { EventHubProducerClient } = await import('@azure/event-hubs');
  const { hubs } = JSON.parse(readFileSync(new URL('../../infra/resources.json', import.meta.url), 'utf8')).eventHubs;
  const connection = env['EVENT_HUBS_CONNECTION_STRING'];
  const retryOptions = { maxRetries: 2, timeoutInMs: REQUEST_MS };
  const producer = connection
    ? new EventHubProducerClient(connection, hubs[0].name, { retryOptions })
    : new EventHubProducerClient(
        env['EVENT_HUBS_NAMESPACE'] ?? '',
        hubs[0].name,
        new (await import('@azure/identity')).DefaultAzureCredential(),
        { retryOptions },
      );
  try {
    await producer.sendBatch([{ body: { deviceId: DEVICE, readings: { smoke: value } } }], { partitionKey: DEVICE });
  } finally {
    await producer.close();
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

/**
 * Reads the stream: sends the event once it is open, and waits for it.
 * @param {string} token
 * @param {boolean} sending without it, an open stream is enough
 */
async function oneEvent(token, sending) {
  const value = Math.floor(Math.random() * 1_000_000_000);
  const signal = AbortSignal.timeout(EVENT_MS);
  const answer = await fetch(`${stream}/v1/stream/telemetry`, {
    headers: { authorization: `Bearer ${token}` },
    signal,
  });
  if (answer.status !== 200 || !answer.body) throw new Refusal(`The stream answers a token with ${answer.status}.`);
  const decoder = new TextDecoder();
  let text = '';
  let sent = false;
  try {
    for await (const chunk of answer.body) {
      text += decoder.decode(chunk, { stream: true });
      if (!sent && text.includes('event: ready')) {
        sent = true;
        if (!sending) return;
        await Promise.race([send(value), aborted(signal)]);
      }
      if (text.includes(`"smoke":${value}`)) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  throw new Refusal(
    `${sent ? 'The event that was sent' : 'ready'} did not arrive at the stream within ${EVENT_MS / 1000} s.`,
  );
}

/** @param {string} adminToken */
async function wholeRoad(adminToken) {
  const admin = administrator(adminToken);
  await admin('POST', '/v1/devices', [201, 409], { deviceId: DEVICE, name: 'Smoke test of the deployment' });
  const application = await admin('POST', '/v1/external-applications', [201], {
    name: `Smoke test ${randomUUID()}`,
    devices: [DEVICE],
    expiresAt: new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10),
  });
  try {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: application.clientId,
      client_secret: application.clientSecret,
    });
    const answer = await ask(`${api}/connect/token`, { method: 'POST', body });
    if (answer.status !== 200) throw new Refusal(`The token endpoint answers ${answer.status}.`);
    const { access_token: token } = /** @type {{ access_token: string }} */ (await answer.json());
    // In prod the deployer has no right to send as a device.
    const sending = Boolean(env['EVENT_HUBS_CONNECTION_STRING']) || (env['SLUICE_PROFILE'] ?? 'dev') === 'dev';
    await oneEvent(token, sending);
    console.log(
      sending
        ? 'A token was issued, and an event arrived at its stream.'
        : 'A token was issued, and its stream is open.',
    );
  } finally {
    // What went wrong before is the thing to know.
    await admin('DELETE', `/v1/external-applications/${application.id}`, [200, 202, 204]).catch(({ message }) =>
      console.log(`The application of this test is left behind: ${message}`),
    );
  }
}

await hook(async () => {
  if (api === '') throw new Refusal('SERVICE_API_URI is not set: run azd provision first.');
  await patiently();
  const token = administratorToken();
  if (token) await wholeRoad(token);
  else
    console.log(
      'No token and no event: SLUICE_ENTRA_AUDIENCE is not set, or the Azure CLI is not here. See docs/deploy.md.',
    );
  console.log(`Sluice answers at ${api}.`);
});
