import { describe, expect, test } from '@jest/globals';
import { NO_EPISODES, REST_POINTS, stepAnomalies } from '../../shared/anomalies/anomaly-episodes.ts';
import type { AnomalyEpisodes, AnomalyOptions, AnomalyTransition } from '../../shared/anomalies/anomaly-episodes.ts';
import { DETECTORS_MAX, DeviceDetectors } from '../../shared/anomalies/device-detectors.ts';
import type { DetectorInput, DeviceDetectorsState } from '../../shared/anomalies/device-detectors.ts';
import {
  FIVE_MINUTES_MS,
  MONDAY_MS,
  POINTS_PER_DAY,
  flat,
  noise,
  roomTemperature,
  seeded,
} from '../support/signals.ts';

type Event = DetectorInput & { deviceId: string };

/** Everything a device has between two events, as ingest holds it. */
interface Device {
  detectors: DeviceDetectors;
  episodes: AnomalyEpisodes;
  transitions: AnomalyTransition[];
}

function newDevice(): Device {
  return { detectors: new DeviceDetectors(), episodes: NO_EPISODES, transitions: [] };
}

function feed(device: Device, events: readonly Event[], options?: AnomalyOptions): Device {
  for (const event of events) {
    const { episodes, transitions } = stepAnomalies(device.detectors, device.episodes, event, options);
    device.episodes = episodes;
    device.transitions.push(...transitions);
  }
  return device;
}

/** A device with a temperature that spikes twice, a humidity that shifts, and readings that are no numbers. */
function eventful(seed: number, points = 6 * POINTS_PER_DAY): Event[] {
  const random = seeded(seed);
  return roomTemperature(points, seed).map(({ value, ts }, i) => ({
    deviceId: 'room-1',
    ts,
    readings: {
      temperature: i === 900 || i === 1300 ? value + 20 : value,
      humidity: 45 + noise(random) + (i >= 1100 ? 9 : 0),
      open: i % 2 === 0,
      mode: 'auto',
    },
  }));
}

function json<T>(value: T): T {
  const copy: T = JSON.parse(JSON.stringify(value));
  return copy;
}

describe('an anomaly', () => {
  const device = feed(newDevice(), eventful(1));
  const temperature = device.transitions.filter(({ event }) => event.parameter === 'temperature');

  test('opens at the point that was unusual and says what would have been normal', () => {
    const opened = temperature.find(
      ({ event }) => event.ts === new Date(MONDAY_MS + 900 * FIVE_MINUTES_MS).toISOString(),
    );
    expect(opened?.event).toMatchObject({ state: 'opened', kind: 'spike', direction: 'up', deviceId: 'room-1' });
    if (!opened) throw new Error('no anomaly opened at the spike');
    const { event, anomaly } = opened;
    expect(event.value).toBeGreaterThan(event.upper);
    expect(event.expected).toBeGreaterThan(event.lower);
    expect(event.expected).toBeLessThan(event.upper);
    expect(event.message).toMatch(/^temperature is \d+.*higher than anything seen before/);
    expect(anomaly).toMatchObject({ id: event.anomalyId, state: 'open', openedAt: event.openedAt, score: event.score });
    expect(event).not.toHaveProperty('closedAt');
  });

  test('closes after the rest, and keeps what it was opened with', () => {
    const at = temperature.findIndex(
      ({ event }) => event.ts === new Date(MONDAY_MS + 900 * FIVE_MINUTES_MS).toISOString(),
    );
    const [opened, closed] = temperature.slice(at);
    const closedAt = closed?.event.closedAt ?? '';
    const points = (Date.parse(closedAt) - MONDAY_MS) / FIVE_MINUTES_MS - 900;
    expect(points).toBeGreaterThanOrEqual(REST_POINTS);
    expect(points).toBeLessThan(REST_POINTS + 20);
    expect(closed?.event).toEqual({
      ...opened?.event,
      eventId: `${opened?.event.anomalyId}~closed`,
      state: 'closed',
      ts: closedAt,
      closedAt,
    });
    expect(closed?.anomaly).toMatchObject({ state: 'closed', closedAt });
  });

  test('is never open twice for one parameter, and has an id of its own', () => {
    const ids = device.transitions.filter(({ event }) => event.state === 'opened').map(({ event }) => event.anomalyId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id, index) => id.endsWith(`~room-1~${index + 1}`))).toBe(true);
    const open = new Set<string>();
    for (const { event } of device.transitions) {
      const sort = `${event.parameter} ${event.kind === 'stuck'}`;
      expect(open.has(sort)).toBe(event.state === 'closed');
      if (event.state === 'opened') open.add(sort);
      else open.delete(sort);
    }
  });

  test('is only ever one of a number', () => {
    expect(new Set(device.transitions.map(({ event }) => event.parameter))).toEqual(
      new Set(['temperature', 'humidity']),
    );
    expect(Object.keys(device.detectors.state())).toEqual(['temperature', 'humidity']);
  });

  test('leaves little behind in the state document', () => {
    expect(JSON.stringify(device.episodes).length).toBeLessThan(1000);
    expect(feed(newDevice(), eventful(2).slice(0, 50)).episodes).toBe(NO_EPISODES);
  });
});

test('a stuck parameter opens an anomaly of its own, which the first change closes', () => {
  const events = flat(1000, 3).map(({ value, ts }, i) => ({
    deviceId: 'pump',
    ts,
    readings: { pressure: i >= 800 && i < 900 ? 50 : value },
  }));
  const stuck = feed(newDevice(), events).transitions.filter(({ event }) => event.kind === 'stuck');
  expect(stuck.map(({ event }) => [event.state, (Date.parse(event.ts) - MONDAY_MS) / FIVE_MINUTES_MS])).toEqual([
    ['opened', 811],
    ['closed', 900],
  ]);
  expect(stuck[0]?.event).toMatchObject({ direction: 'none', value: 50, score: 1 });
});

test('a higher sensitivity never has fewer openings', () => {
  const events = eventful(4, 10 * POINTS_PER_DAY);
  const count = (sensitivity: AnomalyOptions['sensitivity'] & string): number => {
    const { transitions } = feed(newDevice(), events, { sensitivity });
    return transitions.filter(({ event }) => event.state === 'opened').length;
  };
  const counts = [count('low'), count('normal'), count('high'), count('max')];
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts[0]).toBeGreaterThan(0);
});

describe('a restart', () => {
  test.each([1, 2, 3])(
    'at any point, from a memory saved earlier and the events after it, changes nothing (seed %i)',
    (seed) => {
      const events = eventful(seed);
      const undisturbed = feed(newDevice(), events);
      const random = seeded(seed + 300);
      let device = newDevice();
      let saved: { at: number; detectors: DeviceDetectorsState } = { at: 0, detectors: {} };
      for (const [i, event] of events.entries()) {
        feed(device, [event]);
        if (i % 50 === 49) saved = json({ at: i + 1, detectors: device.detectors.state() });
        if (random() >= 0.02) continue;
        const detectors = DeviceDetectors.restore(json(saved.detectors));
        for (const missed of json(events.slice(saved.at, i + 1))) detectors.learn(missed);
        device = { ...json({ episodes: device.episodes, transitions: device.transitions }), detectors };
      }
      expect(device.transitions).toEqual(undisturbed.transitions);
      expect(device.episodes).toEqual(undisturbed.episodes);
      expect(device.detectors.state()).toEqual(undisturbed.detectors.state());
    },
  );

  test('after a commit that failed gives the same ids again', () => {
    const events = eventful(5);
    const before = feed(newDevice(), events.slice(0, 800));
    const saved = json(before.detectors.state());
    const once = feed({ ...before, detectors: DeviceDetectors.restore(saved), transitions: [] }, events.slice(800));
    const again = feed({ ...before, detectors: DeviceDetectors.restore(saved), transitions: [] }, events.slice(800));
    expect(once.transitions.length).toBeGreaterThan(2);
    expect(again.transitions).toEqual(once.transitions);
  });
});

test('a saved memory that cannot be read costs its parameter the memory, and nothing else', () => {
  const device = feed(newDevice(), eventful(8).slice(0, 400));
  const saved = json(device.detectors.state());
  const damaged = json({ ...saved, temperature: { v: 9, t: 0, m: 'AAAA' } }) as unknown as DeviceDetectorsState;
  const restored = DeviceDetectors.restore(damaged);
  expect(restored.restarted).toEqual(['temperature']);
  expect(restored.state()['humidity']).toEqual(saved['humidity']);
  expect(restored.state()['temperature']).toEqual(new DeviceDetectors().of('temperature')?.state());
});

describe('limits', () => {
  test(`only the first ${DETECTORS_MAX} numeric parameters of a device are watched`, () => {
    const names = Array.from({ length: DETECTORS_MAX + 5 }, (_, i) => `p${i}`);
    const random = seeded(6);
    const events = Array.from({ length: 300 }, (_, i) => ({
      deviceId: 'many',
      ts: MONDAY_MS + i * 1000,
      readings: Object.fromEntries(names.map((name) => [name, i === 250 ? 1000 : random()])),
    }));
    const device = feed(newDevice(), events);
    expect(Object.keys(device.detectors.state())).toEqual(names.slice(0, DETECTORS_MAX));
    const watched = new Set(device.transitions.map(({ event }) => event.parameter));
    expect([...watched].toSorted()).toEqual(names.slice(0, DETECTORS_MAX).toSorted());
    expect(JSON.stringify(device.detectors.state()).length).toBeLessThan(DETECTORS_MAX * 4200);
  });

  test('an event without numbers, or from the past, changes nothing', () => {
    const device = feed(newDevice(), eventful(7).slice(0, 400));
    const state = device.detectors.state();
    const step = (event: Event): void => {
      const { episodes, transitions } = stepAnomalies(device.detectors, device.episodes, event);
      expect(episodes).toBe(device.episodes);
      expect(transitions).toEqual([]);
    };
    step({ deviceId: 'room-1', ts: MONDAY_MS + 1e12, readings: { mode: 'off', open: true } });
    step({ deviceId: 'room-1', ts: MONDAY_MS + 1e12, readings: {} });
    expect(device.detectors.state()).toEqual(state);
    step({ deviceId: 'room-1', ts: MONDAY_MS, readings: { temperature: 1e6, humidity: -1e6 } });
  });
});
