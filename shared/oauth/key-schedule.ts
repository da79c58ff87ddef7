/**
 * When a signing key is published, signs and is dropped. Every instance decides by the clock alone, so nothing has to be
 * coordinated at a switch-over. A key is published a day before it signs, because verifiers cache key sets: one that
 * signed at once failed every verification for 30 s with a popular client.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How long a key signs. */
const SIGN_MS = 30 * DAY_MS;
/** How long a key is published before it signs. */
const PUBLISH_AHEAD_MS = DAY_MS;
/** How long before the end of the active key the next one is made: a daily timer may then fail three days in a row. */
const RENEW_BEFORE_MS = 5 * DAY_MS;
/** How long a key verifies after it signed last: the longest token life that a later setting may allow, and an hour. */
const VERIFY_AFTER_MS = 14 * DAY_MS + HOUR_MS;

/** The life of a key; epoch milliseconds. */
export interface KeyLife {
  publishAt: number;
  signFrom: number;
  signUntil: number;
  dropAt: number;
}

/** The life of the key after `latest`; without a predecessor that still signs, it signs at once. */
export function nextLife(latest: KeyLife | undefined, nowMs: number): KeyLife {
  const urgent = latest === undefined || latest.signUntil <= nowMs;
  const signFrom = urgent ? nowMs : Math.max(nowMs + PUBLISH_AHEAD_MS, latest.signUntil);
  const signUntil = signFrom + SIGN_MS;
  return { publishAt: nowMs, signFrom, signUntil, dropAt: signUntil + VERIFY_AFTER_MS };
}

/** Whether a next key has to be made now. */
export function needsNext(lives: readonly KeyLife[], nowMs: number): boolean {
  const lastEnd = Math.max(-Infinity, ...lives.map(({ signUntil }) => signUntil));
  return lastEnd - nowMs < RENEW_BEFORE_MS;
}

/** The key that signs now: of several, the one that began last. */
export function signingNow<Key extends KeyLife>(keys: readonly Key[], nowMs: number): Key | undefined {
  return keys
    .filter(({ signFrom, signUntil }) => signFrom <= nowMs && nowMs < signUntil)
    .toSorted((a, b) => b.signFrom - a.signFrom)[0];
}

/** The keys that verify now. */
export function publishedNow<Key extends KeyLife>(keys: readonly Key[], nowMs: number): Key[] {
  return keys.filter(({ publishAt, dropAt }) => publishAt <= nowMs && nowMs < dropAt);
}
