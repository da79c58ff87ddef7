/** What every server of the benchmark sends: the same telemetry events. */
import type { JournalEvent } from '../../shared/journal/journal-entry.ts';

/** The device that all streams may see. */
export const DEVICE = 'bench-device';

type Telemetry = Extract<JournalEvent, { k: 'telemetry' }>['d'];

/** An event whose JSON has about `bytes` characters, always the same number for the same `bytes`. */
export function telemetry(sequence: number, bytes: number): Telemetry {
  const ts = '2026-11-24T09:00:00.000Z';
  // Fixed width: readers count bytes.
  const eventId = `direct-0:${String(sequence).padStart(12, '0')}`;
  const event = { eventId, deviceId: DEVICE, ts, receivedTs: ts, readings: { temperature: 21.5, note: '' } };
  event.readings.note = 'x'.repeat(Math.max(0, bytes - JSON.stringify(event).length));
  return event;
}
