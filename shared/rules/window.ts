/**
 * A window over the samples of one parameter. Up to 60 samples it keeps every one, and its edge is exact; beyond that it
 * merges them into 60 panes, and its edge moves in steps of a sixtieth of the period. So what it remembers is bounded
 * whatever the rate, sums are made anew from panes and cannot drift, and a sample costs the same at any rate.
 *
 * An entry is a sample or a pane: its time `t`, and what `window-sum.ts` keeps of its samples.
 */
import type { WindowSpec } from './watched.ts';
import { combine, foldEntries, USES_A, USES_B, type Sum } from './window-sum.ts';

/** Panes of a window; up to as many samples are kept as they are. */
export const WINDOW_PANES = 60;

/** A window as it is stored. Lists that would hold nothing but ones, or nothing at all, are left out. */
export interface StoredWindow {
  /** Time of the first entry, epoch milliseconds. */
  o: number;
  /** From each entry to the next, milliseconds, one shorter than the entries; one number where all are the same. */
  d: number[] | number;
  c?: number[];
  a?: number[];
  b?: number[];
  /** When the device's first sample came: before a whole period has passed, sums and counts are lower bounds. */
  f: number;
  /** Time of the last sample, where it is not the last entry's. */
  l?: number;
  /** Tumbling: what the last whole window came to; absent while unknown. */
  y?: number;
}

/** What a window came to. */
export interface Closed {
  /** When it ended, epoch milliseconds. */
  at: number;
  /** NaN: unknown. */
  value: number;
}

/** Windows in a row of which a rule is told when a device wakes up: more than any `times` that people use. */
const CLOSED_MAX = 100;

/** A window at hand. Changed by its methods; the stored one never is. */
export class Window {
  /** Live windows by what they were stored as: opening one anew costs more than its sample. Taken out by who uses one. */
  static readonly #live = new WeakMap<StoredWindow, Window>();

  readonly spec: WindowSpec;
  /** It differs from what it was opened from. */
  touched = false;
  readonly #paneMs: number;
  #t: number[];
  #c: number[];
  #a: number[];
  #b: number[];
  #first: number;
  #last: number;
  #closed: number;
  /** Entries before it have left the window. */
  #head = 0;
  #samples = 0;
  /** Of all entries but the last: a new sample touches only that one. */
  #older = { valid: false, c: 0, a: 0, b: 0 };

  constructor(spec: WindowSpec, stored?: StoredWindow) {
    this.spec = spec;
    this.#paneMs = spec.periodMs / WINDOW_PANES;
    this.#t = stored ? [stored.o] : [];
    for (const gap of gapsOf(stored)) this.#t.push((this.#t.at(-1) ?? 0) + gap);
    const empty = stored !== undefined && stored.c?.length === 0;
    if (empty) this.#t = [];
    this.#c = stored?.c?.slice() ?? this.#t.map(() => 1);
    this.#a = stored?.a?.slice() ?? [];
    this.#b = stored?.b?.slice() ?? [];
    this.#first = stored?.f ?? Number.NaN;
    this.#last = stored?.l ?? this.#t.at(-1) ?? 0;
    this.#closed = stored?.y ?? Number.NaN;
    for (const count of this.#c) this.#samples += count;
  }

  /** Opens a stored window, or a new one. */
  static open(spec: WindowSpec, stored: StoredWindow | undefined): Window {
    const live = stored && Window.#live.get(stored);
    if (!live || live.spec.key !== spec.key) return new Window(spec, stored);
    Window.#live.delete(stored);
    return live;
  }

  /**
   * How it is stored; the caller is done with it then.
   * @param before what it was opened from
   */
  close(before: StoredWindow | undefined): StoredWindow {
    const stored = this.touched || !before ? this.store() : before;
    this.touched = false;
    Window.#live.set(stored, this);
    return stored;
  }

  /** How it is stored. */
  store(): StoredWindow {
    this.#drop();
    const { fn } = this.spec;
    const [start = 0] = this.#t;
    const gaps = this.#t.slice(1).map((time, index) => time - (this.#t[index] ?? 0));
    const [gap] = gaps;
    const hasCounts = this.#t.length === 0 || this.#samples !== this.#t.length;
    // How many there are is then for the other lists to say.
    const isRegular = gap !== undefined && (hasCounts || USES_A.has(fn)) && gaps.every((each) => each === gap);
    return {
      o: start,
      d: isRegular ? gap : gaps,
      ...(hasCounts ? { c: this.#c.slice() } : undefined),
      ...(USES_A.has(fn) ? { a: this.#a.slice() } : undefined),
      ...(USES_B.has(fn) ? { b: this.#b.slice() } : undefined),
      f: this.#first,
      ...(this.#last === (this.#t.at(-1) ?? 0) ? undefined : { l: this.#last }),
      ...(Number.isNaN(this.#closed) ? undefined : { y: this.#closed }),
    };
  }

  /**
   * Takes a sample. One that is late goes to its place while the window still reaches there; a rate and a delta, which
   * hang on the order, ignore it.
   */
  add(ts: number, value: number): void {
    this.touched = true;
    if (Number.isNaN(this.#first)) this.#first = ts;
    if (this.spec.mode === 'tumbling') {
      if (this.#t.length > 0 && ts < (this.#t[0] ?? 0)) return;
      if (this.#t.length === 0) this.#insert(0, Math.floor(ts / this.spec.periodMs) * this.spec.periodMs, value);
      else this.#merge(0, value);
      return;
    }
    const end = this.#t.length - 1;
    const newest = this.#t[end];
    if (newest === undefined || ts >= this.#last) {
      this.#last = ts;
      this.#expire(ts);
      if (this.#head > end) this.#drop();
      const paned = this.#samples > WINDOW_PANES;
      const last = this.#t.length - 1;
      if (paned && newest !== undefined && this.#samePane(newest, ts)) this.#merge(last, value);
      else this.#insert(last + 1, ts, value);
      if (this.#samples === WINDOW_PANES + 1) this.#intoPanes();
      return;
    }
    if (USES_B.has(this.spec.fn) && this.spec.fn !== 'stddev') return;
    if (ts <= this.#last - this.spec.periodMs) return;
    let at = end;
    while (at >= this.#head && (this.#t[at] ?? 0) > ts) at--;
    const before = this.#t[at];
    const after = this.#t[at + 1];
    if (this.#samples > WINDOW_PANES) {
      if (at >= this.#head && before !== undefined && this.#samePane(before, ts)) return this.#merge(at, value);
      if (after !== undefined && this.#samePane(after, ts)) return this.#merge(at + 1, value);
    }
    this.#insert(at + 1, ts, value);
  }

  /** What the window comes to at a moment; NaN where that is not known. */
  value(now: number): number {
    if (this.spec.mode === 'tumbling') return this.#closed;
    this.#expire(now);
    return this.#at(this.#head, now);
  }

  /** Tumbling: closes the windows that ended by now, oldest first. */
  roll(now: number): Closed[] {
    const { periodMs, fn, whole } = this.spec;
    const closed: Closed[] = [];
    let start = this.#t[0];
    if (start === undefined) return closed;
    while (start + periodMs <= now) {
      this.touched = true;
      this.#closed = whole && this.#first > start ? Number.NaN : this.#result(0);
      closed.push({ at: start + periodMs, value: this.#closed });
      start += periodMs;
      this.#clear(start);
      // What follows is empty: of a count each says something, of the others none does.
      if (fn === 'count' && closed.length < CLOSED_MAX) continue;
      start += Math.floor((now - start) / periodMs) * periodMs;
      if (start > (this.#t[0] ?? 0)) this.#closed = fn === 'count' ? 0 : Number.NaN;
      this.#clear(start);
      break;
    }
    return closed;
  }

  /** Tumbling: when the present window ends and says something new; undefined where it will not. */
  end(): number | undefined {
    const [start] = this.#t;
    if (start === undefined) return undefined;
    const nothingNew = this.#samples === 0 && (this.spec.fn !== 'count' || this.#closed === 0);
    return nothingNew ? undefined : start + this.spec.periodMs;
  }

  /**
   * Sliding: when, without another sample, what has left the window makes the answer another one.
   * @param answer what a rule makes of a value
   */
  turn(now: number, answer: (value: number) => unknown): number | undefined {
    this.#expire(now);
    const present = answer(this.#at(this.#head, now));
    const covered = this.#first + this.spec.periodMs;
    if (this.spec.whole && now < covered) {
      let from = this.#head;
      while (from < this.#t.length && (this.#t[from] ?? 0) <= this.#first) from++;
      if (answer(this.#at(from, covered)) !== present) return covered;
    }
    for (let from = this.#head; from < this.#t.length; from++) {
      const at = (this.#t[from] ?? 0) + this.spec.periodMs;
      if (answer(this.#at(from + 1, at)) !== present) return at;
    }
    return undefined;
  }

  /** Before a whole period has passed since the first sample, a count or a sum is a lower bound and no more. */
  #at(from: number, now: number): number {
    return this.spec.whole && now - this.#first < this.spec.periodMs ? Number.NaN : this.#result(from);
  }

  #samePane(one: number, other: number): boolean {
    return Math.floor(one / this.#paneMs) === Math.floor(other / this.#paneMs);
  }

  #expire(now: number): void {
    const edge = now - this.spec.periodMs;
    const older = this.#older;
    const isExtreme = this.spec.fn === 'min' || this.spec.fn === 'max';
    let head = this.#head;
    while (head < this.#t.length && (this.#t[head] ?? 0) <= edge) {
      const count = this.#c[head] ?? 0;
      // What leaves and was not the extreme leaves it as it is; a sum is made anew, or it would drift.
      if (!isExtreme || this.#a[head] === older.a) older.valid = false;
      older.c -= count;
      this.#samples -= count;
      head++;
    }
    if (head === this.#head) return;
    this.#head = head;
    if (head >= this.#t.length) older.valid = false;
    if (head >= WINDOW_PANES) this.#drop();
  }

  #drop(): void {
    if (this.#head === 0) return;
    for (const list of [this.#t, this.#c, this.#a, this.#b]) list.splice(0, this.#head);
    this.#head = 0;
  }

  #clear(start: number): void {
    this.#t = [start];
    this.#c = [0];
    this.#a = USES_A.has(this.spec.fn) ? [0] : [];
    this.#b = USES_B.has(this.spec.fn) ? [0] : [];
    this.#samples = 0;
    this.#older.valid = false;
  }

  #insert(at: number, ts: number, value: number): void {
    const { fn } = this.spec;
    const older = this.#older;
    const end = this.#t.length - 1;
    // The last entry joins the older ones, from left to right as #fold does it.
    if (at <= end || !older.valid || end < this.#head || fn === 'stddev') older.valid = false;
    else if (older.c === 0) Object.assign(older, { c: this.#c[end] ?? 0, a: this.#a[end] ?? 0, b: this.#b[end] ?? 0 });
    else combine(fn, older, this.#c[end] ?? 0, this.#a[end] ?? 0, this.#b[end] ?? 0);
    this.#samples++;
    const second = fn === 'stddev' ? 0 : value;
    if (at === this.#t.length) {
      this.#t.push(ts);
      this.#c.push(1);
      if (USES_A.has(fn)) this.#a.push(value);
      if (USES_B.has(fn)) this.#b.push(second);
      return;
    }
    this.#t.splice(at, 0, ts);
    this.#c.splice(at, 0, 1);
    if (USES_A.has(fn)) this.#a.splice(at, 0, value);
    if (USES_B.has(fn)) this.#b.splice(at, 0, second);
  }

  #merge(at: number, value: number): void {
    if (at < this.#t.length - 1) this.#older.valid = false;
    this.#samples++;
    const count = (this.#c[at] = (this.#c[at] ?? 0) + 1);
    const a = this.#a[at] ?? 0;
    if (count === 1) {
      if (USES_A.has(this.spec.fn)) this.#a[at] = value;
      if (USES_B.has(this.spec.fn)) this.#b[at] = this.spec.fn === 'stddev' ? 0 : value;
      return;
    }
    switch (this.spec.fn) {
      case 'avg':
      case 'sum':
        this.#a[at] = a + value;
        return;
      case 'min':
        if (value < a) this.#a[at] = value;
        return;
      case 'max':
        if (value > a) this.#a[at] = value;
        return;
      case 'delta':
      case 'rate':
        this.#b[at] = value;
        return;
      case 'stddev': {
        const mean = a + (value - a) / count;
        this.#b[at] = (this.#b[at] ?? 0) + (value - a) * (value - mean);
        this.#a[at] = mean;
        return;
      }
      case 'count':
      case 'anomalies':
    }
  }

  /** Merges what shares a pane, once there are too many to keep apart. */
  #intoPanes(): void {
    this.#drop();
    const { fn } = this.spec;
    let to = 0;
    for (let from = 1; from < this.#t.length; from++) {
      if (this.#samePane(this.#t[to] ?? 0, this.#t[from] ?? 0)) {
        const sum = combine(
          fn,
          { c: this.#c[to] ?? 0, a: this.#a[to] ?? 0, b: this.#b[to] ?? 0 },
          this.#c[from] ?? 0,
          this.#a[from] ?? 0,
          this.#b[from] ?? 0,
        );
        this.#set(to, this.#t[to] ?? 0, sum);
      } else if (++to !== from) {
        this.#set(to, this.#t[from] ?? 0, { c: this.#c[from] ?? 0, a: this.#a[from] ?? 0, b: this.#b[from] ?? 0 });
      }
    }
    for (const list of [this.#t, this.#c, this.#a, this.#b]) list.length = Math.min(list.length, to + 1);
    this.#older.valid = false;
  }

  #set(at: number, ts: number, { c, a, b }: Sum): void {
    this.#t[at] = ts;
    this.#c[at] = c;
    if (USES_A.has(this.spec.fn)) this.#a[at] = a;
    if (USES_B.has(this.spec.fn)) this.#b[at] = b;
  }

  /** The function over the entries from `from` on. */
  #result(from: number): number {
    const { fn, minSamples, perMs, periodMs } = this.spec;
    const end = this.#t.length - 1;
    if (fn === 'count' || fn === 'anomalies') return this.#countFrom(from);
    if (from > end) return Number.NaN;
    const sum = this.#sumFrom(from, end);
    if (sum.c < minSamples) return Number.NaN;
    switch (fn) {
      case 'avg':
        return sum.a / sum.c;
      case 'sum':
      case 'min':
      case 'max':
        return sum.a;
      case 'delta':
        return sum.b - sum.a;
      case 'stddev':
        return Math.sqrt(Math.max(0, sum.b) / sum.c);
      case 'rate': {
        const span = this.#last - (this.#t[from] ?? 0);
        return span * 2 >= periodMs ? ((sum.b - sum.a) / span) * perMs : Number.NaN;
      }
    }
  }

  #countFrom(from: number): number {
    if (from === this.#head) return this.#samples;
    let count = 0;
    for (let at = from; at < this.#c.length; at++) count += this.#c[at] ?? 0;
    return count;
  }

  #sumFrom(from: number, end: number): Sum {
    const { fn } = this.spec;
    const older = this.#older;
    if (from !== this.#head) return this.#fold(from, end + 1);
    if (!older.valid) {
      const { c, a, b } = this.#fold(from, end);
      older.valid = true;
      older.c = c;
      older.a = a;
      older.b = b;
    }
    const [c = 0, a = 0, b = 0] = [this.#c[end], this.#a[end], this.#b[end]];
    return older.c === 0 ? { c, a, b } : combine(fn, { c: older.c, a: older.a, b: older.b }, c, a, b);
  }

  #fold(from: number, to: number): Sum {
    const isOneEach = this.#samples === this.#t.length - this.#head && from >= this.#head;
    return foldEntries(this.spec.fn, { c: this.#c, a: this.#a, b: this.#b }, from, to, isOneEach);
  }
}

function gapsOf(stored: StoredWindow | undefined): readonly number[] {
  if (typeof stored?.d !== 'number') return stored?.d ?? [];
  const entries = stored.a?.length ?? stored.c?.length ?? 1;
  return Array.from({ length: entries - 1 }, () => Number(stored.d));
}
