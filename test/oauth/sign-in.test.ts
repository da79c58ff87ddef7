import { expect, test } from '@jest/globals';
import { tenantId } from '../../shared/identity/ids.ts';
import { ADDRESS_FAILURES_MAX, createFailureThrottle } from '../../shared/oauth/failure-throttle.ts';
import { signInByPassword, type SignInServices } from '../../shared/oauth/sign-in.ts';

/** A sign-in at which nobody is known; it counts how often a password was hashed. */
function stranger() {
  const counts = { hashed: 0, audited: 0 };
  const services = {
    users: { byKey: async () => undefined },
    passwords: {
      matches: async () => {
        counts.hashed++;
        return false;
      },
    },
    throttle: createFailureThrottle(() => 0),
    addressThrottle: createFailureThrottle(() => 0, ADDRESS_FAILURES_MAX),
    audit: async () => {
      counts.audited++;
    },
    now: () => 0,
  } as unknown as SignInServices;
  const from = (address: string | undefined, login: string) =>
    signInByPassword(
      services,
      {
        tenantId: tenantId.parse('default'),
        headers: new Headers(address === undefined ? {} : { 'x-forwarded-for': address }),
        requestId: 'r',
      },
      { login, password: 'a password of somebody' },
    );
  return { counts, from };
}

test('an address that tries a password on everybody is no longer checked for anybody; other addresses are', async () => {
  const { counts, from } = stranger();
  for (let count = 0; count < ADDRESS_FAILURES_MAX; count++) {
    expect((await from('192.0.2.1', `person-${count}`)).kind).toBe('refused');
  }
  expect(await from('192.0.2.1', 'one-more')).toEqual({ kind: 'throttled', retryAfterSeconds: 60 });
  expect(counts).toEqual({ hashed: ADDRESS_FAILURES_MAX, audited: ADDRESS_FAILURES_MAX });
  expect((await from('192.0.2.2', 'one-more')).kind).toBe('refused');
});

test('failing for one person locks nobody out: neither that person elsewhere, nor others at the same address', async () => {
  const { from } = stranger();
  for (let count = 0; count < 10; count++) await from('192.0.2.1', 'ada');
  expect((await from('192.0.2.1', ' ADA ')).kind).toBe('throttled');
  expect((await from('192.0.2.2', 'ada')).kind).toBe('refused');
  expect((await from('192.0.2.1', 'grace')).kind).toBe('refused');
});

test('where the platform tells no address, the bound for all people together does not hold', async () => {
  const { from } = stranger();
  for (let count = 0; count <= ADDRESS_FAILURES_MAX; count++) {
    expect((await from(undefined, `person-${count}`)).kind).toBe('refused');
  }
});
