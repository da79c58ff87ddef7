import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ApplicationPrincipal } from '../../shared/identity/principal.ts';
import type { Tickets } from '../../shared/stream/tickets.ts';
import { storedServices, type StoredServices } from '../support/stored-services.ts';

const START = Date.UTC(2026, 10, 24);
let stored: StoredServices;
let nowMs = START;
let here: Tickets;
let elsewhere: Tickets;

const principal = {
  kind: 'application',
  tenantId: 'default',
  clientId: 'slca_x',
  applicationId: 'app_1',
  scopes: ['app'],
  tokenId: 'jti',
  issuedAtMs: START,
  expiresAtMs: START + 3_600_000,
  epoch: 1,
  policyVersion: 1,
} as unknown as ApplicationPrincipal;

beforeAll(async () => {
  stored = await storedServices();
  here = (await stored.instance(() => nowMs)).tickets;
  elsewhere = (await stored.instance(() => nowMs)).tickets;
});
afterAll(() => stored.close());

test('a ticket stands for the token it was bought with', async () => {
  nowMs = START;
  const { ticket, useBeforeMs, expiresAtMs } = await here.issue(principal);
  expect(useBeforeMs).toBe(START + 60_000);
  expect(expiresAtMs).toBe(principal.expiresAtMs);
  expect((await elsewhere.redeem(ticket)).principal).toEqual(principal);
});

test('it must be used within a minute', async () => {
  nowMs = START;
  const { ticket } = await here.issue(principal);
  nowMs += 60_001;
  await expect(here.redeem(ticket)).rejects.toMatchObject({ status: 401, kind: 'invalid-ticket' });
});

test('once used it reconnects until the token ends', async () => {
  nowMs = START;
  const { ticket } = await here.issue(principal);
  await here.redeem(ticket);
  nowMs = START + 3_599_000;
  await here.redeem(ticket);
  nowMs = START + 3_600_000;
  await expect(here.redeem(ticket)).rejects.toMatchObject({ status: 401 });
});

test('the newest connection has it, on whichever instance', async () => {
  nowMs = START;
  const { ticket } = await here.issue(principal);
  const first = await here.redeem(ticket);
  expect(await here.holds(first.held)).toBe(true);
  const second = await elsewhere.redeem(ticket);
  expect(await elsewhere.holds(second.held)).toBe(true);
  nowMs += 3_001;
  expect(await here.holds(first.held)).toBe(false);
});

test('of many connections at the same moment one has it in the end', async () => {
  nowMs = START;
  const { ticket } = await here.issue(principal);
  const taken = await Promise.allSettled([here, elsewhere, here, elsewhere].map((tickets) => tickets.redeem(ticket)));
  const held = taken.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.held] : []));
  nowMs += 3_001;
  const holding = await Promise.all(held.map((one) => here.holds(one)));
  expect(holding.filter(Boolean)).toHaveLength(1);
});

test.each(['', 'slct_', 'slct_' + 'x'.repeat(43), "slct_'; DROP", 'x'.repeat(100)])('%j is no ticket', async (text) => {
  await expect(here.redeem(text)).rejects.toMatchObject({ status: 401, kind: 'invalid-ticket' });
});
