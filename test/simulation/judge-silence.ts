/**
 * Invariants of time: no sweep lets time pass beyond an event that has not been applied; no silence is told while the
 * device was sending, and every silence is told. Judged from the log alone, by the times at which the hub accepted.
 */
import type { StateDocument } from '../../shared/ingest/device-state.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { DeviceHistory } from './judge-device.ts';
import { BROKER_OFF_MS } from './scenario.ts';

/** Judges one device. @param state as it is at the end */
export function judgeSilence(
  rules: readonly RuleDefinition[],
  { device, applied, ticks, transitions }: DeviceHistory,
  state: StateDocument | undefined,
): string[] {
  const wrong: string[] = [];
  const { deviceId } = device;
  for (const { processedMs, after } of ticks) {
    const overtaken = applied.slice(after).find(({ enq }) => enq < processedMs);
    if (overtaken)
      wrong.push(`${deviceId}: time is let pass ${processedMs - overtaken.enq} ms beyond ${overtaken.event.eventId}.`);
  }
  for (const rule of rules) {
    if (rule.when.kind !== 'nodata') continue;
    const { after } = rule.when;
    const told = transitions
      .flatMap(({ e }) => e)
      .flatMap(({ k, d }) =>
        k === 'alert' && d.ruleId === rule.id && d.change === 'opened' ? [Date.parse(d.openedAt)] : [],
      );
    // The device's own time: what arrives late says nothing about now.
    const heard: number[] = [];
    for (const { event } of applied) if (event.ts >= (heard.at(-1) ?? -Infinity)) heard.push(event.ts);
    const silences = heard.flatMap((ts, index) => {
      const next = heard[index + 1] ?? Infinity;
      return next - ts >= after ? [{ from: ts + after, isOver: next !== Infinity }] : [];
    });
    for (const at of told) {
      if (silences.some(({ from }) => from === at)) continue;
      // Something of that time that was sent later does not make the silence a false one: the hub had not heard of it.
      const acceptedBy = at - device.clockOffMs - BROKER_OFF_MS;
      const heardOf = applied.some(({ event, enq }) => event.ts > at - after && event.ts <= at && enq <= acceptedBy);
      if (heardOf) wrong.push(`${deviceId}: a false alarm of silence at ${at}.`);
    }
    for (const { from, isOver } of silences) {
      if (told.includes(from)) continue;
      if (isOver || (state?.due !== undefined && state.due <= from))
        wrong.push(`${deviceId}: the silence from ${from} was missed.`);
    }
  }
  return wrong;
}
