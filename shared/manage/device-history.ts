/** What the store has of a device for trying rules: its applied readings in order, and what rules remember of it. */
import { z } from 'zod';
import type { Store } from '../store/store.ts';
import type { LastValues, RuleStates } from '../rules/rule-states.ts';
import { AHEAD_MAX_MS, type Readings, type TelemetryEvent } from '../telemetry/telemetry-event.ts';

/** Chunks of readings read at a time. */
const CHUNKS_PER_PAGE = 500;

/** What of a stored chunk is read (container `device-data`, kind `readings`). */
interface Chunk {
  n: number;
  lane: string;
  e: { at: { seq: number; enq: number }; id: string; t: number; v: Readings }[];
}

/** The part of a device's state that rules made. */
export interface RememberedOfDevice {
  rules?: RuleStates;
  last?: LastValues;
}

/** A moment as it comes from outside: ISO 8601, or epoch milliseconds. Comes out as epoch milliseconds. */
export const moment = z
  .union([z.number(), z.string().max(40)], { error: 'must be a time: ISO 8601, or epoch milliseconds' })
  .transform((value, context) => {
    const ms = typeof value === 'number' ? value : Date.parse(value);
    // The years 1970 to 9999: what a Date can say in four digits.
    if (Number.isFinite(ms) && ms >= 0 && ms < 253_402_300_800_000) return Math.round(ms);
    context.addIssue({ code: 'custom', message: 'must be a time: ISO 8601, or epoch milliseconds' });
    return z.NEVER;
  });

/** The device's events whose event time lies in `[from, to)`, in the order in which they were applied. */
export async function* eventsOf(
  store: Store,
  { tenantId, deviceId }: { tenantId: string; deviceId: string },
  range: { fromMs: number; toMs: number },
): AsyncGenerator<TelemetryEvent> {
  const since = Math.floor((range.fromMs - AHEAD_MAX_MS) / 1000) - 1;
  let after = 0;
  for (;;) {
    const query = `SELECT c.n, c.lane, c.e FROM c WHERE c.kind = 'readings' AND c.n > @after AND c._ts >= @since ORDER BY c.n ASC OFFSET 0 LIMIT ${CHUNKS_PER_PAGE}`;
    const parameters = [
      { name: '@after', value: after },
      { name: '@since', value: since },
    ];
    const page = await store.all<Chunk>('device-data', { query, parameters }, `${tenantId}|${deviceId}`);
    for (const { lane, e } of page) {
      for (const { at, id, t, v } of e) {
        if (t < range.fromMs || t >= range.toMs) continue;
        yield { eventId: id, deviceId, ts: t, receivedTs: at.enq, lane, seq: at.seq, readings: v };
      }
    }
    after = page.at(-1)?.n ?? after;
    if (page.length < CHUNKS_PER_PAGE) return;
  }
}

/** What rules remember of a device now. */
export async function rememberedOf(
  store: Store,
  { tenantId, deviceId }: { tenantId: string; deviceId: string },
): Promise<RememberedOfDevice> {
  const state = await store.read<{ id: string } & RememberedOfDevice>(
    'device-data',
    'state',
    `${tenantId}|${deviceId}`,
  );
  return { ...(state?.rules ? { rules: state.rules } : {}), ...(state?.last ? { last: state.last } : {}) };
}
