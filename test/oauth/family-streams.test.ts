/** The end of a family of grants ends the open streams of its tokens, and no others. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TestApplication } from '../support/living.ts';
import { streaming, type Streaming } from '../support/streaming.ts';

let kit: Streaming;
let application: TestApplication;

beforeAll(async () => {
  kit = await streaming(['d1']);
  application = await kit.product.application({ devices: ['d1'], refreshTokens: 'always' });
}, 60_000);
afterAll(async () => {
  await kit?.close();
}, 30_000);

const credentials = () => ({ client_id: application.clientId, client_secret: application.clientSecret });

async function grant(form: Record<string, string>): Promise<{ access: string; refresh: string }> {
  const { status, body } = await kit.product.token({ ...credentials(), ...form });
  expect(status).toBe(200);
  const { access_token: access = '', refresh_token: refresh = '' } = body as Record<string, string>;
  return { access, refresh };
}
const signIn = () => grant({ grant_type: 'client_credentials' });
const refreshed = (refresh_token: string) => grant({ grant_type: 'refresh_token', refresh_token });

/** Opens a stream; `ended` resolves with all of it, `leave` ends it from here. */
async function open(token: string) {
  const leaving = new AbortController();
  const response = await fetch(`${kit.product.url}/v1/stream/telemetry`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    signal: leaving.signal,
  });
  expect(response.status).toBe(200);
  let open = true;
  const ended = response.text().finally(() => (open = false));
  ended.catch(() => undefined);
  return { ended, isOpen: () => open, leave: () => leaving.abort() };
}

test('a refresh token that is used a second time ends the streams of its family at once [9700 4.14.2]', async () => {
  const first = await signIn();
  const bystander = await open((await signIn()).access);
  const second = await refreshed(first.refresh);
  const streams = [await open(first.access), await open(second.access)];
  const { refresh } = await refreshed(second.refresh);
  const startedAt = performance.now();
  const { status, body } = await kit.product.token({
    ...credentials(),
    grant_type: 'refresh_token',
    refresh_token: first.refresh,
  });
  expect([status, body.error]).toEqual([400, 'invalid_grant']);
  for (const { ended } of streams) expect(await ended).toContain('"reason":"revoked"');
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  const after = await kit.product.token({ ...credentials(), grant_type: 'refresh_token', refresh_token: refresh });
  expect(after.status).toBe(400);
  expect(bystander.isOpen()).toBe(true);
  bystander.leave();
}, 30_000);

test('a refresh token that is revoked ends the streams of its family [7009 2.1]', async () => {
  const { access, refresh } = await signIn();
  const { ended } = await open(access);
  const body = new URLSearchParams({ ...credentials(), token: refresh });
  const revoked = await fetch(`${kit.product.url}/oauth/revoke`, { method: 'POST', body });
  expect(revoked.status).toBe(200);
  expect(await ended).toContain('"reason":"revoked"');
}, 30_000);
