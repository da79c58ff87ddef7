import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import rhea, { type Message } from 'rhea';
import { readEvent } from '../../../local/event-hubs/event-message.ts';
import { PartitionLog, type PartitionLogOptions } from '../../../local/event-hubs/partition-log.ts';
import { type WriteAt, writeAt } from '../../../local/event-hubs/segment.ts';
import { parseSelector, resolveStart } from '../../../local/event-hubs/start-position.ts';
import { temporaryFolder } from '../../support/event-hubs.ts';

const { message } = rhea;
const HOUR = 3_600_000;

const event = (body: string) => readEvent(message.encode({ body }));
const decode = (bytes: Buffer): Message => message.decode(bytes) as unknown as Message;

function open(options: Partial<PartitionLogOptions> = {}): PartitionLog {
  return new PartitionLog({ now: () => 1_000_000, retentionMs: HOUR, ...options });
}

/** Everything a log holds, as bodies, read in the small portions a slow reader would take. */
function bodies(log: PartitionLog, from = 0, portion = 3): unknown[] {
  const all: unknown[] = [];
  for (let next = from; ;) {
    const { first, events } = log.read(next, portion, 1_000_000);
    if (events.length === 0) return all;
    all.push(...events.map((bytes) => decode(bytes).body));
    next = first + events.length;
  }
}

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `e${from + i}`);

describe('a partition', () => {
  test('gives gapless sequence numbers and growing offsets, and reports its end', () => {
    const log = open();
    expect(log.state()).toEqual({
      isEmpty: true,
      beginSequence: 0,
      lastSequence: -1,
      lastOffset: '-1',
      lastEnqueuedMs: 0,
    });
    expect(log.append([event('a'), event('b')])).toBe(0);
    expect(log.append([event('c')], 'k')).toBe(2);
    const annotations = log.read(0, 9, 1e6).events.map((bytes) => decode(bytes).message_annotations ?? {});
    expect(annotations.map((its) => its['x-opt-sequence-number'])).toEqual([0, 1, 2]);
    expect(annotations.map((its) => its['x-opt-partition-key'])).toEqual([undefined, undefined, 'k']);
    const offsets = annotations.map((its) => Number(its['x-opt-offset']));
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(new Set(offsets).size).toBe(3);
    expect(log.state()).toMatchObject({ isEmpty: false, lastSequence: 2, lastOffset: String(offsets[2]) });
  });

  test('never goes back in time, even when the clock does', () => {
    let now = 5000;
    const log = open({ now: () => now });
    log.append([event('a')]);
    now = 1000;
    log.append([event('b')]);
    expect(log.state().lastEnqueuedMs).toBe(5000);
  });

  test('drops what is older than its retention, by the event', () => {
    let now = 1_000_000;
    const log = open({ now: () => now, segmentBytes: 400 });
    for (const body of numbered(10)) {
      log.append([event(body)]);
      now += HOUR / 10;
    }
    now = 1_000_000 + HOUR + HOUR / 4;
    expect(bodies(log)).toEqual(numbered(7, 3));
    expect(log.state().beginSequence).toBe(3);
    now += 10 * HOUR;
    expect(log.state()).toMatchObject({ isEmpty: true, beginSequence: 10, lastSequence: 9 });
    expect(log.append([event('next')])).toBe(10);
  });

  test('in memory drops its oldest events when it is full; who wanted one starts at the oldest kept', () => {
    const log = open({ segmentBytes: 500, memoryBytesMax: 2000 });
    for (const body of numbered(100)) log.append([event(body)]);
    const kept = bodies(log);
    expect(kept.length).toBeGreaterThan(10);
    expect(kept.length).toBeLessThan(30);
    expect(kept).toEqual(numbered(100).slice(-kept.length));
    expect(resolveStart(log, parseSelector("amqp.annotation.x-opt-sequence-number > '5'"))).toBe(100 - kept.length);
  });

  test('gives back at most the bytes asked for, but always one event', () => {
    const log = open();
    for (const body of numbered(20)) log.append([event(body.padEnd(1000, 'x'))]);
    expect(log.read(0, 20, 5000).events.length).toBeGreaterThan(1);
    expect(Buffer.concat(log.read(0, 20, 5000).events).length).toBeLessThanOrEqual(5000);
    expect(log.read(0, 20, 10).events.length).toBe(1);
  });
});

describe('positions', () => {
  const times = [1000, 2000, 2000, 3000];
  function filled(): { log: PartitionLog; offsets: string[] } {
    let now = 0;
    const log = open({ now: () => now, segmentBytes: 200 });
    for (const time of times) {
      now = time;
      log.append([event(`at ${time}`)]);
    }
    const offsets: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const [bytes = Buffer.alloc(0)] = log.read(i, 1, 1e6).events;
      offsets.push(String(decode(bytes).message_annotations?.['x-opt-offset']));
    }
    return { log, offsets };
  }
  const start = (log: PartitionLog, selector: string): number =>
    resolveStart(log, parseSelector(`amqp.annotation.x-opt-${selector}`));

  test('by sequence number, offset and time, exclusive and inclusive, quoted or not', () => {
    const { log, offsets } = filled();
    expect(start(log, "sequence-number > '1'")).toBe(2);
    expect(start(log, "sequence-number >= '1'")).toBe(1);
    expect(start(log, 'sequence-number > -1')).toBe(0);
    expect(start(log, `offset > '${offsets[1]}'`)).toBe(2);
    expect(start(log, `offset >= ${offsets[1]}`)).toBe(1);
    expect(start(log, "enqueued-time > '1999'")).toBe(1);
    expect(start(log, "enqueued-time > '2000'")).toBe(3);
    expect(start(log, "enqueued-time >= '2000'")).toBe(1);
  });

  test('the start, the end, and a time to come', () => {
    const { log } = filled();
    expect(start(log, "offset > '-1'")).toBe(0);
    expect(start(log, "offset > '@latest'")).toBe(4);
    expect(start(log, "sequence-number > '3'")).toBe(4);
    expect(start(log, "enqueued-time > '9999999'")).toBe(4);
  });

  test.each([
    ["offset > '99999'", /supplied offset '99999' is invalid. The last offset/],
    ["sequence-number > '4'", /supplied sequence number '4' is invalid. The last sequence number .* '3'/],
    ["offset > 'abc'", /not a whole number/],
    ["offset < '1'", /not understood/],
    ["other > '1'", /not understood/],
  ])('%s is refused', (selector, reason) => {
    const { log } = filled();
    expect(() => start(log, selector)).toThrow(reason);
  });
});

describe('on disk', () => {
  const reopened = (directory: string, options: Partial<PartitionLogOptions> = {}) => open({ directory, ...options });

  test('a log is the same after a restart, over several segments', () => {
    using folder = temporaryFolder();
    const log = reopened(folder.path, { segmentBytes: 300 });
    for (const body of numbered(10)) log.append([event(body)], body);
    const before = log.state();
    log.close();
    expect(fs.readdirSync(folder.path).length).toBeGreaterThan(2);
    const again = reopened(folder.path, { segmentBytes: 300 });
    expect(again.state()).toEqual(before);
    expect(bodies(again)).toEqual(numbered(10));
    expect(again.append([event('e10')])).toBe(10);
    expect(bodies(again, 8)).toEqual(numbered(3, 8));
    again.close();
  });

  test('events beyond the memory are read back from their file', () => {
    using folder = temporaryFolder();
    const log = reopened(folder.path, { segmentBytes: 300, memoryBytesMax: 600 });
    for (const body of numbered(30)) log.append([event(body)]);
    expect(bodies(log)).toEqual(numbered(30));
    log.close();
  });

  test('retention deletes files, and the numbers go on after a restart', () => {
    using folder = temporaryFolder();
    let now = 1_000_000;
    const options = { segmentBytes: 300, now: () => now };
    const log = reopened(folder.path, options);
    for (const body of numbered(30)) log.append([event(body)]);
    const files = fs.readdirSync(folder.path).length;
    now += 2 * HOUR;
    expect(log.state().isEmpty).toBe(true);
    expect(fs.readdirSync(folder.path).length).toBeLessThan(files);
    log.close();
    const again = reopened(folder.path, options);
    expect(again.append([event('e30')])).toBe(30);
    again.close();
  });

  test('cut at any byte, a log keeps every whole send before the cut and no part of a later one (property)', () => {
    using folder = temporaryFolder();
    const log = reopened(folder.path);
    const ends: { bytes: number; events: number }[] = [];
    const file = path.join(folder.path, `${'0'.repeat(20)}.log`);
    for (let i = 0; i < 8; i += 1) {
      log.append(numbered(3, i * 3).map(event));
      ends.push({ bytes: fs.statSync(file).size, events: (i + 1) * 3 });
    }
    log.close();
    const whole = fs.readFileSync(file);
    fc.assert(
      fc.property(fc.nat(whole.length), (cut) => {
        fs.writeFileSync(file, whole.subarray(0, cut));
        const again = reopened(folder.path);
        const expected = ends.findLast((end) => end.bytes <= cut)?.events ?? 0;
        expect(bodies(again)).toEqual(numbered(expected));
        expect(again.append([event('after')])).toBe(expected);
        again.close();
        const last = reopened(folder.path);
        expect(bodies(last).at(-1)).toBe('after');
        last.close();
      }),
      { numRuns: 100 },
    );
  });

  test('a byte that changed inside the log is reported, not skipped', () => {
    using folder = temporaryFolder();
    const log = reopened(folder.path);
    for (const body of numbered(5)) log.append([event(body)]);
    log.close();
    const file = path.join(folder.path, `${'0'.repeat(20)}.log`);
    const bytes = fs.readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(100) ^ 0xff, 100);
    fs.writeFileSync(file, bytes);
    expect(() => reopened(folder.path)).toThrow(/damaged at byte \d+/);
    fs.writeFileSync(file, 'something else entirely, long enough');
    expect(() => reopened(folder.path)).toThrow(/not a partition log/);
  });

  test('a segment that is missing is reported', () => {
    using folder = temporaryFolder();
    const log = reopened(folder.path, { segmentBytes: 300 });
    for (const body of numbered(20)) log.append([event(body)]);
    log.close();
    fs.rmSync(path.join(folder.path, fs.readdirSync(folder.path).toSorted()[1] ?? ''));
    expect(() => reopened(folder.path)).toThrow(/lacks the file with event/);
  });

  test('a full disk refuses the send and leaves the log as it was, before and after a restart', () => {
    using folder = temporaryFolder();
    let room = Infinity;
    const write: WriteAt = (file, bytes, position) => {
      if (room <= 0) throw new Error('ENOSPC: no space left on device, write');
      const part = bytes.subarray(0, Math.min(bytes.length, room));
      room -= part.length;
      return writeAt(file, part, position);
    };
    const log = reopened(folder.path, { write, segmentBytes: 400 });
    for (const body of numbered(3)) log.append([event(body)]);
    for (room of [0, 1, 50, 100]) expect(() => log.append([event('lost'), event('lost too')])).toThrow(/ENOSPC/);
    expect(bodies(log)).toEqual(numbered(3));
    room = Infinity;
    for (const body of numbered(3, 3)) log.append([event(body)]);
    expect(bodies(log)).toEqual(numbered(6));
    log.close();
    const again = reopened(folder.path);
    expect(bodies(again)).toEqual(numbered(6));
    again.close();
  });
});
