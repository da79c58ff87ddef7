import { describe, expect, test } from '@jest/globals';
import { Chaos } from '../../../local/simulator/chaos.ts';
import type { Message } from '../../../local/simulator/chaos.ts';
import type { DeviceEvent } from '../../../local/simulator/playback.ts';

const START_MS = Date.UTC(2026, 10, 24);
const DEVICES = ['a', 'b', 'c', 'd'];
const SECONDS = 4_000;

/** What four devices mean to send, once a second. */
function meant(second: number): DeviceEvent[] {
  return DEVICES.map((deviceId, index) => ({
    deviceId,
    ts: new Date(START_MS + second * 1000 + index).toISOString(),
    readings: { x: second },
    messageId: `${deviceId}-${second}`,
  }));
}

interface Sent extends Message {
  atMs: number;
}

function play(seed: number): Sent[] {
  const chaos = new Chaos(seed, DEVICES);
  const sent: Sent[] = [];
  for (let second = 0; second < SECONDS; second++) {
    const atMs = START_MS + second * 1000;
    for (const message of chaos.pass(meant(second), atMs)) sent.push({ ...message, atMs });
  }
  return sent;
}

function isGood(message: Sent): message is Sent & { body: DeviceEvent } {
  return !message.messageId.includes('-bad-');
}

const sent = play(1);
const good = sent.filter(isGood);

test('the same seed gives the same trouble, another seed another', () => {
  expect(play(1)).toEqual(sent);
  expect(play(2)).not.toEqual(sent);
});

describe('on the way', () => {
  test('some messages come twice, the very same ones', () => {
    const bodies = new Map<string, object>();
    const twice = good.filter(({ messageId, body }) => {
      const earlier = bodies.get(messageId);
      bodies.set(messageId, body);
      return earlier !== undefined && JSON.stringify(earlier) === JSON.stringify(body);
    });
    expect(twice.length / good.length).toBeGreaterThan(0.01);
    expect(twice.length / good.length).toBeLessThan(0.04);
  });

  test('some come late, some a place too late', () => {
    const newest = new Map<string, number>();
    let late = 0;
    let swapped = 0;
    for (const { key, body, atMs } of good) {
      const second = Number(body.readings['x']);
      const behind = (newest.get(key) ?? -1) - second;
      if (behind === 1) swapped++;
      if (behind > 1) late++;
      newest.set(key, Math.max(second, newest.get(key) ?? 0));
      expect(atMs - (START_MS + second * 1000)).toBeLessThanOrEqual(91_000);
    }
    expect(late).toBeGreaterThan(20);
    expect(swapped).toBeGreaterThan(20);
  });

  test('devices fall silent for a while and come back', () => {
    const silences = DEVICES.flatMap((device) => {
      const times = good.filter(({ key }) => key === device).map(({ atMs }) => atMs);
      return times.slice(1).map((time, index) => time - (times[index] ?? time));
    }).filter((pause) => pause > 15_000);
    expect(silences.length).toBeGreaterThan(5);
    expect(Math.max(...silences)).toBeLessThan(120_000);
  });

  test('silence is a matter of time: sixty times as many events bring no more of it', () => {
    const chaos = new Chaos(3, DEVICES);
    let meantInAll = 0;
    let passed = 0;
    for (let round = 0; round < SECONDS; round++) {
      const events = meant(0).map((event, index) => ({
        ...event,
        ts: new Date(START_MS + (round * 1000) / 60 + index).toISOString(),
        messageId: `${round}-${index}`,
      }));
      meantInAll += events.length;
      passed += new Set(chaos.pass(events, START_MS + (round * 1000) / 60).map(({ messageId }) => messageId)).size;
    }
    expect(passed / meantInAll).toBeGreaterThan(0.8);
  });

  test('the clock of exactly one device is wrong, always by the same', () => {
    const errors = new Map<string, Set<number>>();
    for (const { key, body } of good) {
      const index = DEVICES.indexOf(key);
      const error = Date.parse(body.ts) - (START_MS + Number(body.readings['x']) * 1000 + index);
      errors.set(key, (errors.get(key) ?? new Set()).add(error));
    }
    const wrong = [...errors.values()].filter((all) => !all.has(0));
    expect(wrong).toHaveLength(1);
    expect([...errors.values()].every((all) => all.size === 1)).toBe(true);
  });
});

describe('malformed messages', () => {
  const bad = sent.filter((message) => !isGood(message));
  const texts = bad.map(({ body }) => (typeof body === 'string' ? body : JSON.stringify(body)));
  const some = (match: (text: string) => boolean): boolean => texts.some(match);

  test.each<[string, (text: string) => boolean]>([
    ['broken JSON', (text) => !isJson(text) && text.startsWith('{')],
    ['no JSON', (text) => !isJson(text) && !text.startsWith('{')],
    ['readings that are an array', (text) => /"readings":\[/.test(text)],
    ['a nested value', (text) => /"readings":\{"temperature":\{/.test(text)],
    ['a time that is none', (text) => text.includes('"yesterday"')],
    ['a device id that is a number', (text) => text.includes('"deviceId":42')],
    ['an unknown device', (text) => text.includes('"deviceId":"nobody-')],
    ['a claim of another tenant', (text) => text.includes('"tenantId":"somebody-else"')],
    ['too many bytes', (text) => text.length > 256 * 1024],
  ])('%s', (_what, match) => {
    expect(some(match)).toBe(true);
  });

  test('never replace a good one', () => {
    expect(bad.length / sent.length).toBeLessThan(0.03);
    expect(new Set(bad.map(({ messageId }) => messageId)).size).toBe(bad.length);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
