import { describe, expect, test } from '@jest/globals';
import { DeviceDetectors } from '../../shared/anomalies/device-detectors.ts';
import { newState } from '../../shared/ingest/device-state.ts';
import { foldDevice, type ReadingSet } from '../../shared/ingest/fold-device.ts';
import { compileForDevice } from '../../shared/rules/compile-rules.ts';
import { ruleDefinition } from '../../shared/rules/rule-definition.ts';

const LANE = 'direct-0';
const START = Date.parse('2026-01-01T00:00:00Z');

const hot = {
  ...ruleDefinition.parse({ name: 'Hot', when: { kind: 'condition', if: { param: 'level', op: 'gt', value: 100 } } }),
  id: 'rul_1',
};
const compiled = compileForDevice([hot], { id: 'pump', groups: [] });

function reading(seq: number, level: number | string, more: { i?: number; messageId?: string } = {}): ReadingSet {
  const { i, messageId } = more;
  const enq = START + seq * 1000;
  return {
    at: { seq, enq, ...(i === undefined ? {} : { i }) },
    event: {
      eventId: `${LANE}:${seq}${i === undefined ? '' : `.${i}`}`,
      deviceId: 'pump',
      ts: enq,
      receivedTs: enq,
      lane: LANE,
      seq,
      readings: { level },
    },
    ...(messageId === undefined ? {} : { messageId }),
  };
}

function fold(sets: ReadingSet[], state = newState('demo', 'pump'), setsMax?: number) {
  return foldDevice(state, DeviceDetectors.restore(), compiled, LANE, sets, setsMax);
}

describe('folding a device', () => {
  test('applies what is new and skips what the state has applied', () => {
    const first = fold([reading(1, 50), reading(2, 200)]);
    expect(first.applied.map(({ id }) => id)).toEqual(['direct-0:1', 'direct-0:2']);
    expect(first.caused.map(({ cause }) => cause)).toEqual(['direct-0:2']);
    expect(first.state).toMatchObject({ n: 2, pos: { [LANE]: { seq: 2, enq: START + 2000 } } });

    const again = fold([reading(1, 50), reading(2, 200), reading(3, 50)], first.state);
    expect(again.repeated.map(({ at }) => at.seq)).toEqual([1, 2]);
    expect(again.applied.map(({ id }) => id)).toEqual(['direct-0:3']);
    expect(again.caused).toHaveLength(1);
  });

  test('never changes the state it was given', () => {
    const state = newState('demo', 'pump');
    const before = structuredClone(state);
    fold([reading(1, 200), reading(2, 1, { messageId: 'a' })], state);
    expect(state).toEqual(before);
  });

  test('accepts the numbers of a hub that was made anew, because they are later', () => {
    const before = fold([reading(500, 50)]).state;
    const anew = { ...reading(0, 60), at: { seq: 0, enq: START + 900_000 } };
    expect(fold([anew], before).applied).toHaveLength(1);
  });

  test('counts a message that the device sent twice once, and moves on', () => {
    const { applied, duplicates, state } = fold([
      reading(1, 50, { messageId: 'm' }),
      reading(2, 50, { messageId: 'm' }),
      reading(3, 51, { messageId: 'n' }),
    ]);
    expect(applied.map(({ at }) => at.seq)).toEqual([1, 3]);
    expect(duplicates).toBe(1);
    expect(state.pos[LANE]?.seq).toBe(3);
  });

  test('does not take the sets of one event for repeats of one another', () => {
    const sets = [
      reading(1, 1, { i: 0, messageId: 'm' }),
      reading(1, 2, { i: 1, messageId: 'm' }),
      reading(1, 3, { messageId: 'm' }),
    ];
    expect(fold(sets).applied).toHaveLength(3);
  });

  test('a slice may end within an event, and the rest goes on where it ended', () => {
    const sets = [
      reading(1, 1, { i: 0, messageId: 'm' }),
      reading(1, 2, { i: 1, messageId: 'm' }),
      reading(1, 3, { messageId: 'm' }),
    ];
    const slice = fold(sets, undefined, 2);
    expect([slice.taken, slice.state.pos[LANE]]).toEqual([2, { seq: 1, enq: START + 1000, i: 1 }]);
    const rest = fold(sets, slice.state);
    expect([rest.repeated.length, rest.applied.length]).toEqual([2, 1]);
    expect(rest.state.pos[LANE]).toEqual({ seq: 1, enq: START + 1000 });
  });

  test('ends a slice before a commit could become too large', () => {
    const long = 'x'.repeat(256);
    const many = Array.from({ length: 200 }, (_, seq) => {
      const set = reading(seq + 1, long);
      set.event.readings = Object.fromEntries(Array.from({ length: 64 }, (_unused, index) => [`p${index}`, long]));
      return set;
    });
    const { taken, applied } = fold(many);
    expect(taken).toBe(applied.length);
    expect(taken).toBeLessThan(many.length);
    expect(Buffer.byteLength(JSON.stringify(applied))).toBeLessThan(1_000_000);
  });

  test('cut anywhere, the slices give what the whole gives', () => {
    const sets = Array.from({ length: 60 }, (_, seq) => reading(seq + 1, seq % 7 === 3 ? 150 : 20 + (seq % 3)));
    const whole = fold(sets);
    for (const cut of [1, 7, 30, 59]) {
      const detectors = DeviceDetectors.restore();
      const head = foldDevice(newState('demo', 'pump'), detectors, compiled, LANE, sets.slice(0, cut));
      const tail = foldDevice(
        JSON.parse(JSON.stringify(head.state)) as typeof head.state,
        detectors,
        compiled,
        LANE,
        sets,
      );
      expect([...head.caused, ...tail.caused]).toEqual(whole.caused);
      expect(tail.state).toEqual(JSON.parse(JSON.stringify(whole.state)));
    }
  });
});
