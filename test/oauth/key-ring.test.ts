import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Services } from '../../functions/services.ts';
import { storedServices, type StoredServices } from '../support/stored-services.ts';

const DAY = 86_400_000;
let stored: StoredServices;
const clock = { now: 0 };

beforeAll(async () => {
  stored = await storedServices();
});
beforeEach(async () => {
  clock.now = Date.parse('2026-11-24');
  const { store } = await stored.instance();
  const keys = await store.all<{ id: string }>('keys', { query: 'SELECT * FROM c' });
  await Promise.all(keys.map(({ id }) => store.delete('keys', id, id)));
});
afterAll(() => stored.close());

const instance = (changed?: Record<string, string>) => stored.instance(() => clock.now, changed);
const admin = ({ findServiceAccount }: Services) => {
  const account = findServiceAccount(stored.settings['BOOTSTRAP_CLIENT_ID'] ?? '');
  if (!account) throw new Error('no administrator');
  return account;
};
const issue = async (services: Services) => (await services.tokens.issueForService(admin(services))).token;

test('instances that start at once agree on one key, and verify one another’s tokens', async () => {
  const instances = await Promise.all(Array.from({ length: 6 }, () => instance()));
  const tokens = await Promise.all(instances.map(issue));
  const [{ keys }] = instances as [Services];
  expect(await keys.publicKeys()).toHaveLength(1);
  for (const services of instances) {
    for (const token of tokens) expect(await services.tokens.verify(token)).toBeDefined();
  }
});

test('the key set has a key before the first token is asked for', async () => {
  const { keys } = await instance();
  expect(await keys.publicKeys()).toEqual([expect.objectContaining({ kty: 'EC', crv: 'P-256', use: 'sig' })]);
});

test('over a year of daily rotation no token fails at a verifier whose key set is ten minutes old', async () => {
  const services = await instance();
  await services.keys.rotate();
  let kids = new Set<string>();
  let failed = 0;
  for (let day = 0; day < 365; day++) {
    const published = createLocalJWKSet({ keys: await services.keys.publicKeys() });
    clock.now += 600_000;
    const token = await issue(services);
    await jwtVerify(token, published, { currentDate: new Date(clock.now) }).catch(() => failed++);
    kids = kids.add((await services.keys.signer()).kid);
    clock.now += DAY - 600_000;
    await services.keys.rotate();
  }
  expect(failed).toBe(0);
  expect(kids.size).toBeGreaterThan(10);
  expect((await services.keys.publicKeys()).length).toBeLessThanOrEqual(3);
});

test('a key that is deleted in an emergency ends its tokens within 5 s in every instance', async () => {
  const [one, two] = [await instance(), await instance()];
  const token = await issue(one);
  expect(await two.tokens.verify(token)).toBeDefined();
  const [key] = await one.keys.lives();
  expect(key?.signing).toBe(true);
  expect(await one.keys.drop(key?.kid ?? '')).toBe(true);
  expect(await one.tokens.verify(token)).toBeUndefined();
  expect(await one.keys.drop('unknown')).toBe(false);
  clock.now += 5_000;
  expect(await two.tokens.verify(token)).toBeUndefined();
  const next = await issue(one);
  clock.now += 1_000;
  expect(await two.tokens.verify(next)).toBeDefined();
});

test('a replaced master key goes on with the old signing key while the old master key is listed', async () => {
  const before = await instance();
  const token = await issue(before);
  const old = stored.settings['SLUICE_MASTER_KEY'] ?? '';
  const next = randomBytes(32).toString('base64');
  const during = await instance({ SLUICE_MASTER_KEY: `${next},${old}` });
  expect((await during.keys.signer()).kid).toBe((await before.keys.signer()).kid);
  const after = await instance({ SLUICE_MASTER_KEY: next });
  expect((await after.keys.signer()).kid).not.toBe((await before.keys.signer()).kid);
  expect(await after.tokens.verify(token)).toBeDefined();
});

test.each(['RS256', 'EdDSA'])('%s by setting; tokens of the algorithm before still verify', async (algorithm) => {
  const before = await issue(await instance());
  const services = await instance({ TOKEN_ALG: algorithm });
  const token = await issue(services);
  expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).alg).toBe(algorithm);
  expect(await services.tokens.verify(token)).toBeDefined();
  expect(await services.tokens.verify(before)).toBeDefined();
});
