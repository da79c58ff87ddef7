/**
 * Where a notification may go: to public addresses only, so that nobody makes this service call what only it can reach
 * (the metadata service, the store, a neighbour). An address is judged as the number that it is, whatever its spelling;
 * a name is judged by every address it resolves to, at the moment of the connection, which is then made to that very
 * address: a name that answers differently the next time has nothing to gain.
 */
import { BlockList, isIP } from 'node:net';

/** IPv4 ranges that are no public hosts (IANA special-purpose registry), and Azure's own 168.63.129.16. */
const REFUSED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
];
/** Public IPv6 is 2000::/3; these parts of it are not, or carry an IPv4 address inside. */
const REFUSED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const refused = new BlockList();
for (const range of REFUSED_V4) refused.addSubnet(...split(range), 'ipv4');
for (const range of REFUSED_V6) refused.addSubnet(...split(range), 'ipv6');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

/** Whether an IP address is a public host. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !refused.check(address, 'ipv4');
  // What maps, embeds or translates IPv4 (::ffff:0:0/96, 64:ff9b::/96, ::/96) lies outside of 2000::/3.
  return family === 6 && global.check(address, 'ipv6') && !refused.check(address, 'ipv6');
}

/** What a tenant's webhook may name besides public hosts: `host:port` of the settings, for a laptop and for tests. */
export type AllowedTargets = ReadonlySet<string>;

/**
 * Checks a target before anything is sent.
 * @returns the rule that is broken; undefined when the target may be asked for, once its addresses are checked
 */
export function brokenTarget(text: string, allowed: AllowedTargets): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL such as https://example.com/hook';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (isAllowed(url, allowed)) return undefined;
  if (url.protocol !== 'https:') return 'must begin with https://';
  // The parser has made plain numbers of every spelling of an IPv4 address.
  const host = hostOf(url);
  if (isIP(host) !== 0) return isPublicAddress(host) ? undefined : 'must be a public address';
  const name = host.replace(/\.$/, '');
  if (!name.includes('.') || /(?:^|\.)(?:localhost|local|internal|home\.arpa|localdomain)$/i.test(name))
    return 'must be a public host name';
  return undefined;
}

/** Whether the settings let a target in as it is. */
export function isAllowed(url: URL, allowed: AllowedTargets): boolean {
  return allowed.has(`${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`);
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function split(range: string): [string, number] {
  const [net = '', bits = ''] = range.split('/');
  return [net, Number(bits)];
}
