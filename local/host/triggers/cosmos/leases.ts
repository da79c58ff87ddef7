/**
 * Who reads which range of a change feed, and how far: one document per range in the lease container, fenced by etag.
 * Hosts that share the container share the ranges evenly; a lease that is not renewed in time is free for others.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Container } from '@azure/cosmos';
import { isRunning, thisProcess } from '../process-mark.ts';

export interface Lease {
  id: string;
  version: 1;
  LeaseToken: string;
  /** `undefined` when nobody holds it. */
  Owner?: string | undefined;
  ContinuationToken?: string | undefined;
  /** Epoch milliseconds of the last renewal. */
  renewedMs: number;
  _etag?: string;
}

export interface LeaseTimes {
  now: () => number;
  expirationMs: number;
}

/** A name for this host that tells others on the same machine whether it still runs. */
export function newOwner(): string {
  const { pid, started = '' } = thisProcess();
  return [hostname(), pid, started, randomUUID()].join('|');
}

function isAlive(owner: string): boolean {
  const [host, pid, started] = owner.split('|');
  return host !== hostname() || isRunning({ pid: Number(pid), ...(started ? { started } : {}) });
}

/** Whether a lease is held by somebody who still renews it. */
function isHeld(lease: Lease, { now, expirationMs }: LeaseTimes): boolean {
  return lease.Owner !== undefined && now() - lease.renewedMs < expirationMs && isAlive(lease.Owner);
}

/**
 * Which leases a host should take now: its fair share of all, free ones first, else one from the host that has most.
 * @param leases one per range
 */
export function leasesToTake(leases: readonly Lease[], owner: string, times: LeaseTimes): Lease[] {
  const held = leases.filter((lease) => isHeld(lease, times));
  const byOwner = Map.groupBy(held, (lease) => lease.Owner ?? '');
  const mine = byOwner.get(owner)?.length ?? 0;
  byOwner.delete(owner);
  const share = Math.ceil(leases.length / (byOwner.size + 1));
  if (mine >= share) return [];
  const free = leases.filter((lease) => !held.includes(lease));
  if (free.length > 0) return free.slice(0, share - mine);
  const [most = []] = [...byOwner.values()].toSorted((a, b) => b.length - a.length);
  // Taking one from a host that has just one more would go on for ever, back and forth.
  return most.length > mine + 1 ? most.slice(0, 1) : [];
}

/** The lease document of a range; made when it is missing. */
export async function readLease(container: Container, id: string, range: string): Promise<Lease> {
  const found = await container.item(id, id).read<Lease>();
  if (found.resource !== undefined) return found.resource;
  const fresh: Lease = { id, version: 1, LeaseToken: range, renewedMs: 0 };
  try {
    const { resource } = await container.items.create(fresh);
    return resource ?? fresh;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 409) throw error;
    return readLease(container, id, range);
  }
}

/** Replaces a lease if nobody else did since; `undefined` when somebody did. */
export async function writeLease(container: Container, lease: Lease): Promise<Lease | undefined> {
  try {
    const accessCondition = { type: 'IfMatch', condition: lease._etag ?? '' };
    const { resource } = await container.item(lease.id, lease.id).replace<Lease>(lease, { accessCondition });
    return resource;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 412 || code === 404) return undefined;
    throw error;
  }
}
