import { describe, expect, test } from '@jest/globals';
import { brokenTarget, isPublicAddress } from '../../shared/notifications/public-address.ts';
import { sendWebhook } from '../../shared/actions/send-webhook.ts';

const none = new Set<string>();

/** Spellings of what must not be called. */
const REFUSED = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '0x7f.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '0177.0.0.1',
  '127.0.0.1.',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '%31%32%37.0.0.1',
  '0.0.0.0',
  '0',
  '10.0.0.1',
  '167772161',
  '0xa.0.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '0xa9fea9fe',
  '2852039166',
  '169.254.43518',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '3232235521',
  '192.0.0.8',
  '198.18.0.1',
  '203.0.113.7',
  '224.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '0xa83f8110',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:169.254.169.254]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::a00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '[2001:db8::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fec0::1]',
  '[ff02::1]',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'app.localhost',
  'metadata.google.internal',
  'printer.local',
  'intranet',
];

describe('a target', () => {
  test('more than forty spellings are refused', () => {
    expect(REFUSED.length).toBeGreaterThanOrEqual(40);
  });

  test.each(REFUSED)('%s is refused, and nothing is sent', async (host) => {
    const url = `https://${host}/hook`;
    expect(brokenTarget(url, none)).toMatch(/^must be /);
    const sent = await sendWebhook({ url, id: 'msg_1', body: '{}', keys: [] }, { allowed: none, nowMs: 0 });
    expect(sent.kind).toBe('refused');
  });

  test.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com',
    'no url',
    'https://a:b@example.com/',
  ])('%s is refused', (url) => {
    expect(brokenTarget(url, none)).toMatch(/^must /);
  });

  test.each([
    'https://example.com/hook',
    'https://example.com:8443/',
    'https://93.184.216.34/',
    'https://[2606:2800:220:1::1]/',
  ])('%s is let in', (url) => {
    expect(brokenTarget(url, none)).toBeUndefined();
  });

  test('what the settings allow is let in, with that port alone', () => {
    const allowed = new Set(['127.0.0.1:9000']);
    expect(brokenTarget('http://127.0.0.1:9000/hook', allowed)).toBeUndefined();
    expect(brokenTarget('http://127.0.0.1:9001/hook', allowed)).toBeDefined();
  });

  test('a name is judged by every address it resolves to when the connection is made', async () => {
    const message = { url: 'https://rebound.example.com/', id: 'msg_1', body: '{}', keys: [] };
    for (const addresses of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::ffff:10.0.0.1'], ['169.254.169.254']]) {
      let asked = 0;
      const sent = await sendWebhook(message, {
        allowed: none,
        nowMs: 0,
        lookup: (_name, _options, done) => {
          asked++;
          done(
            null,
            addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
          );
        },
      });
      expect([sent, asked]).toEqual([
        { kind: 'failed', detail: 'the name resolves to an address that is not public' },
        1,
      ]);
    }
  });

  test('a public address is one', () => {
    expect(['1.1.1.1', '93.184.216.34', '2606:4700::1111'].every(isPublicAddress)).toBe(true);
    expect(isPublicAddress('no address')).toBe(false);
  });
});
