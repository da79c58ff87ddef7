import { describe, expect, test } from '@jest/globals';
import type { Fleet } from '../../../local/simulator/fleet.ts';
import { Playback } from '../../../local/simulator/playback.ts';
import { gapAfter, rowAt } from '../../../local/simulator/series.ts';
import type { Series } from '../../../local/simulator/series.ts';

const START_MS = Date.UTC(2026, 10, 24);

function series(values: number[], wrap: Series['wrap'] = 'loop', gaps = values.map(() => 1), first = 0): Series {
  return { rows: values.map((x) => ({ x })), gaps, first, wrap };
}

function fleetOf(all: Record<string, Series>): Fleet {
  const devices = Object.keys(all).map((id) => ({ id, name: id, groups: [] }));
  return { devices, groups: [], series: new Map(Object.entries(all)) };
}

describe('going through a recording', () => {
  test('again and again, from where the device starts', () => {
    const rows = Array.from({ length: 7 }, (_, position) => rowAt(series([1, 2, 3], 'loop', [1, 1, 1], 2), position));
    expect(rows).toEqual([2, 0, 1, 2, 0, 1, 2]);
  });

  test('back and forth, without playing an end twice, with each pause on its own side', () => {
    const folded = series([1, 2, 3], 'fold', [1, 5, 9]);
    const positions = [0, 1, 2, 3, 4, 5, 6];
    expect(positions.map((position) => rowAt(folded, position))).toEqual([0, 1, 2, 1, 0, 1, 2]);
    expect(positions.map((position) => gapAfter(folded, position))).toEqual([1, 5, 5, 1, 1, 5, 5]);
  });

  test('of a single row', () => {
    expect(rowAt(series([1], 'fold'), 5)).toBe(0);
    expect(gapAfter(series([1], 'fold'), 5)).toBe(1);
  });
});

describe('at speed 1', () => {
  test('each device sends once a second, the devices spread over it, with event times in order', () => {
    const playback = new Playback(fleetOf({ a: series([1, 2]), b: series([3, 4]) }), 1, START_MS);
    const events = playback.due(START_MS + 2_999);
    const of = (id: string): string[] => events.filter(({ deviceId }) => deviceId === id).map(({ ts }) => ts.slice(17));
    expect(of('a')).toEqual(['00.000Z', '01.000Z', '02.000Z']);
    expect(of('b')).toEqual(['00.500Z', '01.500Z', '02.500Z']);
    expect(events.filter(({ deviceId }) => deviceId === 'b').map(({ readings }) => readings['x'])).toEqual([3, 4, 3]);
    expect(new Set(events.map(({ messageId }) => messageId)).size).toBe(events.length);
    expect(playback.due(START_MS + 2_999)).toEqual([]);
    expect(playback.nextMs).toBe(START_MS + 3_000);
  });

  test('a recorded pause is a pause', () => {
    const playback = new Playback(fleetOf({ a: series([1, 2, 3], 'loop', [1, 4, 1]) }), 1, START_MS);
    expect(playback.due(START_MS + 6_000).map(({ ts }) => ts.slice(17, 19))).toEqual(['00', '01', '05', '06']);
  });
});

test('speed 60 is sixty times as much', () => {
  const playback = new Playback(fleetOf({ a: series([1, 2]) }), 60, START_MS);
  expect(playback.due(START_MS + 999)).toHaveLength(60);
});

test('the highest speed gives every reading a millisecond of its own', () => {
  const playback = new Playback(fleetOf({ a: series([1, 2]) }), 1000, START_MS);
  const times = playback.due(START_MS + 500).map(({ ts }) => ts);
  expect(new Set(times).size).toBe(times.length);
});

test('after an outage the devices go on where they were and do not catch up', () => {
  const playback = new Playback(fleetOf({ a: series([1, 2, 3]), b: series([4, 5, 6]) }), 1, START_MS);
  playback.due(START_MS + 600);
  playback.skipTo(START_MS + 60_000);
  const events = playback.due(START_MS + 60_600);
  expect(events.map(({ deviceId, readings }) => [deviceId, readings['x']])).toEqual([
    ['a', 2],
    ['b', 5],
  ]);
});

test.each([0, -1, NaN, 1001, Infinity])('a speed of %d is refused', (speed) => {
  expect(() => new Playback(fleetOf({ a: series([1]) }), speed, START_MS)).toThrow(
    /speed must be above 0 and at most 1000/,
  );
});
