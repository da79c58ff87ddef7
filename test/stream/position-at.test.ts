import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { positionAt } from '../../shared/stream/position-at.ts';
import { MemoryJournal, telemetry } from '../support/stream-world.ts';

const lanes = fc.array(
  fc.record({ steps: fc.array(fc.nat(5), { minLength: 1, maxLength: 60 }), expired: fc.nat(60) }),
  { maxLength: 4 },
);

test('since begins before the first kept entry of that time or later, in every lane', async () => {
  await fc.assert(
    fc.asyncProperty(lanes, fc.nat(320), async (shape, atMs) => {
      const journal = new MemoryJournal();
      for (const [index, { steps, expired }] of shape.entries()) {
        let enq = 0;
        for (const step of steps) journal.append('acme', `direct-${index}`, [telemetry('d1', 'x')], (enq += step));
        // The last entry is always kept: it is at most as old as the others.
        journal.expire('acme', `direct-${index}`, Math.min(expired, steps.length - 1));
      }
      const position = await positionAt(journal, 'acme', atMs);
      for (const [index, { steps, expired }] of shape.entries()) {
        const kept = (journal.entries.get(`acme|direct-${index}`) ?? []).slice(Math.min(expired, steps.length - 1));
        const first = kept.find(({ to }) => to.enq >= atMs);
        const place = position.get(`direct-${index}`);
        expect(place?.i).toBe(0);
        // What is read after the position is exactly what is not older; expired entries before it do not matter.
        const next = kept.find(({ n }) => n > (place?.n ?? 0));
        expect(next?.n).toBe(first?.n);
      }
    }),
    { numRuns: 200 },
  );
});
