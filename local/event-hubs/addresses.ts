/** The addresses of an Event Hubs namespace, as links name them. */

/** What an address names. */
export type Address =
  | { readonly kind: 'cbs' }
  | { readonly kind: 'management' }
  | { readonly kind: 'hub'; readonly hub: string; readonly partition?: string; readonly publisher?: string }
  | { readonly kind: 'consumer'; readonly hub: string; readonly group: string; readonly partition: string };

/**
 * Reads an address: `$cbs`, `$management` (also below a hub), `hub`, `hub/Partitions/0`, `hub/Publishers/p`,
 * `hub/ConsumerGroups/g/Partitions/0`; with a leading slash or scheme and host as some clients write it. Key words
 * ignore case.
 * @returns undefined when it is none of these
 */
export function parseAddress(text: string): Address | undefined {
  const parts = text
    .replace(/^[a-z]+:\/\/[^/]*/i, '')
    .replace(/^\/+|\/+$/g, '')
    .split('/');
  const [hub = '', first = '', second = '', third = '', fourth = ''] = parts;
  const word = first.toLowerCase();
  if (hub === '') return undefined;
  if (parts.length === 1) {
    if (hub.toLowerCase() === '$cbs') return { kind: 'cbs' };
    return hub.toLowerCase() === '$management' ? { kind: 'management' } : { kind: 'hub', hub };
  }
  if (parts.length === 2 && word === '$management') return { kind: 'management' };
  if (parts.length === 3 && word === 'partitions' && second !== '') return { kind: 'hub', hub, partition: second };
  if (parts.length === 3 && word === 'publishers' && second !== '') return { kind: 'hub', hub, publisher: second };
  if (parts.length === 5 && word === 'consumergroups' && third.toLowerCase() === 'partitions') {
    return { kind: 'consumer', hub, group: second, partition: fourth };
  }
  return undefined;
}

/** The path a token must cover for a link to this address. */
export function pathOf(address: Extract<Address, { hub: string }>): string {
  if (address.kind === 'consumer') {
    return `${address.hub}/consumergroups/${address.group}/partitions/${address.partition}`;
  }
  if (address.partition !== undefined) return `${address.hub}/partitions/${address.partition}`;
  return address.publisher === undefined ? address.hub : `${address.hub}/publishers/${address.publisher}`;
}
