/**
 * Signing keys are replaced while tokens are issued and verified all the time: nobody who verifies with jose's remote key
 * set, as it is by default (10 min cache, 30 s cool-down), refuses a token. Time is simulated: 70 days, two replacements.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import type { Services } from '../../functions/services.ts';
import { keySet } from '../../shared/oauth/metadata.ts';
import { storedServices, type StoredServices } from '../support/stored-services.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const VERIFIERS = 4;

const clock = { now: Date.UTC(2027, 0, 1) };
let stored: StoredServices;
/** Two instances: one signs, the other publishes, each with what it remembers. */
let signing: Services;
let publishing: Services;
let server: Server;
let keySetUrl: URL;
/** What the publishing instance answers at this moment. */
let published = '';

beforeAll(async () => {
  stored = await storedServices();
  signing = await stored.instance(() => clock.now);
  publishing = await stored.instance(() => clock.now);
  server = createServer((_, response) => response.end(published));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  keySetUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await stored.close();
});
type Verifier = (token: string) => Promise<boolean>;

/** Somebody who verifies our tokens without asking us about them. Its caches live by the simulated time. */
function verifier(): Verifier {
  const keys = createRemoteJWKSet(keySetUrl);
  return async (token) => {
    try {
      await jwtVerify(token, keys, { issuer: signing.issuer, typ: 'at+jwt', currentDate: new Date(clock.now) });
      return true;
    } catch {
      return false;
    }
  };
}

/** Issues a token, and lets everyone verify it. @returns its key, and how many refused it */
async function step(verifiers: readonly Verifier[]): Promise<{ kid: string; refused: number }> {
  const account = signing.findServiceAccount('test-administrator');
  if (!account) throw new Error('There is no administrator.');
  const { token } = await signing.tokens.issueForService(account);
  published = JSON.stringify((await keySet(publishing.keys)).jsonBody);
  // Only now: the store must not take the simulated time for its own.
  const time = jest.spyOn(Date, 'now').mockImplementation(() => clock.now);
  const verdicts = await Promise.all(verifiers.map((verify) => verify(token)));
  time.mockRestore();
  return { kid: decodeProtectedHeader(token).kid ?? '', refused: verdicts.filter((held) => !held).length };
}

test('a planned replacement fails no verification', async () => {
  const verifiers = Array.from({ length: VERIFIERS }, verifier);
  const kids = new Set<string>();
  let [verified, refused] = [0, 0];
  const end = clock.now + 70 * DAY_MS;
  let rotateAt = clock.now;
  while (clock.now < end) {
    if (clock.now >= rotateAt) {
      await signing.keys.rotate();
      rotateAt += DAY_MS;
    }
    const result = await step(verifiers);
    kids.add(result.kid);
    verified += VERIFIERS;
    refused += result.refused;
    // Minute by minute around a switch-over, in strides otherwise.
    const lives = await signing.keys.lives();
    const near = lives.some(({ signFrom }) => Math.abs(Date.parse(signFrom) - clock.now) < 15 * MINUTE_MS);
    const next = lives.map(({ signFrom }) => Date.parse(signFrom) - 14 * MINUTE_MS).filter((at) => at > clock.now);
    clock.now = near ? clock.now + MINUTE_MS : Math.min(clock.now + 8 * HOUR_MS, ...next);
  }
  expect(kids.size).toBe(3);
  expect(verified).toBeGreaterThan(1_000);
  expect(refused).toBe(0);
}, 120_000);

test('the test can fail: a key that signs at once, as after an emergency, is refused for the cool-down', async () => {
  const verifiers = Array.from({ length: VERIFIERS }, verifier);
  const { kid } = await step(verifiers);
  await signing.keys.drop(kid);
  clock.now += 10_000;
  expect((await step(verifiers)).refused).toBe(VERIFIERS);
  clock.now += 30_000;
  expect((await step(verifiers)).refused).toBe(0);
});
