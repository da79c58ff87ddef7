import { expect, test } from '@jest/globals';
import { createPolicies } from '../../shared/applications/application-policy.ts';
import type { Application } from '../../shared/applications/applications.ts';
import type { ClientId, TenantId } from '../../shared/identity/ids.ts';
import type { ApplicationPrincipal } from '../../shared/identity/principal.ts';
import type { Stored } from '../../shared/store/store.ts';

const base: Stored<Application> = {
  id: 'slca_a' as ClientId,
  kind: 'application',
  tenantId: 'acme' as TenantId,
  applicationId: 'app_1',
  name: 'Grafana',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2027-01-01T00:00:00.000Z',
  enabled: true,
  includeAnomalies: false,
  devices: ['d1'],
  groups: ['pumps'],
  scopes: ['app'],
  version: 1,
  epoch: 1,
  policyVersion: 1,
  secrets: [],
  revoked: [],
  _etag: '"1"',
  _ts: 0,
};
const principal: ApplicationPrincipal = {
  kind: 'application',
  tenantId: base.tenantId,
  clientId: base.id,
  applicationId: 'app_1',
  scopes: ['app'],
  tokenId: 'jti-1',
  issuedAtMs: 0,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  epoch: 1,
  policyVersion: 1,
};

interface World {
  document: Stored<Application> | undefined;
  members: string[];
  nowMs: number;
  reads: number;
  down: boolean;
}

function policies(document: Stored<Application> | undefined = base) {
  const world: World = { document, members: ['p1'], nowMs: Date.parse('2026-06-01'), reads: 0, down: false };
  const made = createPolicies(
    {
      byClientId: async () => {
        world.reads++;
        if (world.down) throw new Error('down');
        return world.document;
      },
    },
    {
      members: async () => {
        if (world.down) throw new Error('down');
        return world.members;
      },
    },
    () => world.nowMs,
  );
  return { world, authority: () => made.authorityOf(principal), made };
}

test('named devices and present members of groups are allowed', async () => {
  const { authority } = policies();
  const found = await authority();
  expect(found).toMatchObject({ allowed: true, policyVersion: 1, includeAnomalies: false });
  expect(found.allowed && [...found.devices]).toEqual(['d1', 'p1']);
});

test.each([
  ['disabled', { enabled: false }],
  ['expired', { expiresAt: '2026-05-31T00:00:00.000Z' }],
  ['revoked', { epoch: 2 }],
  ['revoked', { revoked: [{ jti: 'jti-1', exp: 0 }] }],
  ['deleted', { tenantId: 'other' as TenantId }],
] as const)('a token ends as %s when the document says %j', async (reason, change) => {
  const { authority } = policies({ ...base, ...change, revoked: 'revoked' in change ? [...change.revoked] : [] });
  expect(await authority()).toEqual({ allowed: false, reason });
});

test('a document that is gone means deleted', async () => {
  const { world, authority } = policies();
  world.document = undefined;
  expect(await authority()).toEqual({ allowed: false, reason: 'deleted' });
});

test('within 2 s the document is not read again, after that changes of it and of the groups are seen', async () => {
  const { world, authority } = policies();
  await authority();
  world.document = { ...base, enabled: false };
  world.nowMs += 1_999;
  expect(await authority()).toMatchObject({ allowed: true });
  expect(world.reads).toBe(1);
  world.nowMs += 1;
  expect(await authority()).toMatchObject({ allowed: false });
  world.document = base;
  world.members = ['p2'];
  world.nowMs += 2_000;
  const widened = await authority();
  expect(widened.allowed && [...widened.devices]).toEqual(['d1', 'p2']);
});

test('streams of one application share one set until the policy changes', async () => {
  const { world, authority } = policies();
  const [one, two] = await Promise.all([authority(), authority()]);
  expect(one.allowed && two.allowed && one.devices === two.devices).toBe(true);
  world.document = { ...base, policyVersion: 2, devices: [] };
  world.nowMs += 2_000;
  const three = await authority();
  expect(three.allowed && [...three.devices]).toEqual(['p1']);
});

test('while the store is down the last known document holds for 60 s, then access fails closed with 503', async () => {
  const { world, authority } = policies();
  await authority();
  world.down = true;
  world.nowMs += 59_999;
  expect(await authority()).toMatchObject({ allowed: true });
  world.nowMs += 1;
  await expect(authority()).rejects.toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
});

test('what this instance changed itself is seen at once', async () => {
  const { world, authority, made } = policies();
  await authority();
  world.document = { ...base, enabled: false };
  made.forget(base.id);
  expect(await authority()).toMatchObject({ allowed: false });
});
