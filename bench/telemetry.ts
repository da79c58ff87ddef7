/**
 * One event from bytes to the canonical form: JSON.parse and our decoder (validation, device, clock, ids) against
 * JSON.parse and validation alone by zod, with the schema one would naturally write. Run: `npx node bench/telemetry.ts`
 */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { decodeDirect } from '../shared/telemetry/decode-direct.ts';
import { directReadingSet } from '../shared/telemetry/direct-body.ts';
import { readDirectSet } from '../shared/telemetry/read-direct-set.ts';
import { measure, seeded } from './measure.ts';

const EVENTS = 2000;
const REPEATS = 20;
const ROUNDS = 7;
const NOW = 1_795_514_400_000;

const random = seeded(20261124);
/** About 300 bytes: ten readings, as a device with a radio sends them. */
const texts = Array.from({ length: EVENTS }, (_, index) =>
  JSON.stringify({
    deviceId: `freezer-${index % 100}`,
    ts: new Date(NOW - index * 1000).toISOString(),
    messageId: `m-${index}`,
    readings: {
      ...Object.fromEntries(
        Array.from({ length: 8 }, (__, at) => [`sensor_${at}`, Math.round(random() * 10_000) / 100]),
      ),
      door: random() < 0.5 ? 'open' : 'closed',
      power: random() < 0.9,
    },
  }),
);
const parsed = texts.map((text) => JSON.parse(text) as unknown);

/** What one writes with zod when nothing is hand-made. */
const natural = z.object({
  deviceId: z.string().min(1).max(128),
  ts: z.iso.datetime({ offset: true }).optional(),
  messageId: z.string().optional(),
  readings: z.record(z.string().max(64), z.union([z.number(), z.string().max(256), z.boolean()])),
});

function decode(body: unknown, seq: number) {
  return decodeDirect({ body, properties: {}, lane: 'direct-0', seq, enqueuedMs: NOW });
}

for (const [seq, text] of texts.entries()) {
  const decoded = decode(text, seq);
  const checked = natural.parse(JSON.parse(text));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.events[0]?.readings, checked.readings);
  assert.equal(decoded.deviceId, checked.deviceId);
}

const over = (run: (index: number) => unknown) => () => {
  for (let repeat = 0; repeat < REPEATS; repeat++) for (let index = 0; index < EVENTS; index++) run(index);
};
const operations = EVENTS * REPEATS;
const times = await measure(
  [
    { name: 'JSON.parse', operations, run: over((index) => JSON.parse(texts[index] ?? '') as unknown) },
    { name: 'JSON.parse + zod', operations, run: over((index) => natural.parse(JSON.parse(texts[index] ?? ''))) },
    { name: 'JSON.parse + decodeDirect', operations, run: over((index) => decode(texts[index], index)) },
    { name: 'zod alone', operations, run: over((index) => natural.parse(parsed[index])) },
    { name: 'our schema in zod alone', operations, run: over((index) => directReadingSet.parse(parsed[index])) },
    { name: 'our guard alone', operations, run: over((index) => readDirectSet(parsed[index])) },
  ],
  ROUNDS,
);

const ratio = (slow: string, fast: string): number =>
  Math.round(((times.get(slow) ?? Number.NaN) / (times.get(fast) ?? Number.NaN)) * 10) / 10;
console.log(`${EVENTS} events of ${texts[0]?.length} bytes, 10 readings; results equal`);
for (const [name, ns] of times) console.log(`${name.padEnd(28)}${ns.toFixed(0).padStart(8)} ns/event`);
console.log(
  JSON.stringify({
    bench: 'telemetry',
    parseAndValidateRatio: ratio('JSON.parse + zod', 'JSON.parse + decodeDirect'),
    validateRatio: ratio('zod alone', 'our guard alone'),
    goals: { parseAndValidateRatio: 2, validateRatio: 5 },
  }),
);
