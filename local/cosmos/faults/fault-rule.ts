/** Rules for what goes wrong with operations, and what `POST /$faults` may say. */
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { OPERATION_KINDS, type OperationKind } from '../protocol/message.ts';

/** What may go wrong with an operation. */
const FAULT_KINDS = [
  'throttle',
  'unavailable',
  'error',
  'delay',
  'drop',
  'duplicate',
  'cut-before',
  'cut-after',
] as const;
/** What else there is to ask for. */
const SETTING_KINDS = ['disk-full', 'slow-disk', 'request-units', 'clock', 'kill'] as const;

/** A rule: what goes wrong, with which operations, how often. */
export interface FaultRule {
  /**
   * throttle = 429; unavailable = 503, nothing applied; error = any other refusal, nothing applied; delay = wait first;
   * drop = the request is lost, and never answered; duplicate = applied twice, as when a repeat follows an answer that was
   * lost: the second answer is given; cut-before = close the connection, nothing applied; cut-after = apply, then close
   * the connection before the answer (the caller cannot know).
   */
  kind: (typeof FAULT_KINDS)[number];
  /** Only this kind of operation. */
  operation?: OperationKind;
  /** Only operations on this container. */
  container?: string;
  /** Matching operations let through first. */
  after?: number;
  /** Times it happens; 1 when absent, -1 = until cleared. */
  count?: number;
  /** Chance that a matching operation is hit, above 0 and up to 1; 1 when absent. */
  probability?: number;
  /** Start of the sequence of chances: the same seed hits the same operations. */
  seed?: number;
  /** Milliseconds of `delay`. */
  delayMs?: number;
  /** Milliseconds that `throttle` asks to wait. */
  retryAfterMs?: number;
  /** HTTP status of `error`, from 400 to 599. */
  status?: number;
  /** Sub-status of `error` (`x-ms-substatus`); none when absent. */
  subStatus?: number;
}

/** What is asked for besides rules. */
export type FaultSetting =
  /** The file cannot grow: writes that need more room answer 503. */
  | { kind: 'disk-full'; full: boolean }
  /** Every write waits before it is applied. */
  | { kind: 'slow-disk'; delayMs: number }
  /** A budget for one container, or each; or the one that its offer provisions. */
  | { kind: 'request-units'; perSecond: number; container?: string }
  | { kind: 'request-units'; provisioned: true }
  /** Moves time on: for time to live, budgets and timestamps. */
  | { kind: 'clock'; advanceMs: number }
  /** Ends the stand-in as `kill -9` does. */
  | { kind: 'kill' };

/** Milliseconds that a fault may ask for. */
const WAIT_MAX_MS = 600_000;
const RULE_FIELDS = 'operation container after count probability seed delayMs retryAfterMs status subStatus'.split(' ');

const isSettingKind = (kind: Value): boolean => SETTING_KINDS.some((known) => known === kind);
export const isSetting = (fault: FaultRule | FaultSetting): fault is FaultSetting => isSettingKind(fault.kind);

/**
 * Reads one fault.
 * @throws 400 naming the field and the rule
 */
export function readFault(entry: JsonValue): FaultRule | FaultSetting {
  if (!isJsonObject(entry)) throw badRequest('A fault must be a JSON object.');
  return isSettingKind(entry['kind'] ?? null) ? readSetting(entry) : readRule(entry);
}

function readSetting(entry: JsonObject): FaultSetting {
  switch (entry['kind'] as FaultSetting['kind']) {
    case 'disk-full': {
      only(entry, ['full']);
      const { full = true } = entry;
      if (typeof full !== 'boolean') throw badRequest('The field full of disk-full must be true or false.');
      return { kind: 'disk-full', full };
    }
    case 'slow-disk':
      only(entry, ['delayMs']);
      return { kind: 'slow-disk', delayMs: required(entry, 'delayMs', 0, WAIT_MAX_MS) };
    case 'request-units': {
      only(entry, ['perSecond', 'container', 'provisioned']);
      const { provisioned } = entry;
      if (provisioned === true) return { kind: 'request-units', provisioned };
      if (provisioned !== undefined) throw badRequest('The field provisioned of request-units must be true or absent.');
      const container = text(entry, 'container');
      const perSecond = required(entry, 'perSecond', 1);
      return { kind: 'request-units', perSecond, ...(container === undefined ? {} : { container }) };
    }
    case 'clock':
      only(entry, ['advanceMs']);
      return { kind: 'clock', advanceMs: required(entry, 'advanceMs', 0) };
    case 'kill':
      only(entry, []);
      return { kind: 'kill' };
  }
}

function readRule(entry: JsonObject): FaultRule {
  const kind = FAULT_KINDS.find((known) => known === entry['kind']);
  if (kind === undefined)
    throw badRequest(
      `The kind ${JSON.stringify(entry['kind'] ?? null)} of a fault must be one of ${[...FAULT_KINDS, ...SETTING_KINDS].join(', ')}.`,
    );
  only(entry, RULE_FIELDS);
  const operationName = text(entry, 'operation');
  const operation = OPERATION_KINDS.find((known) => known === operationName);
  if (operationName !== undefined && operation === undefined)
    throw badRequest(`The operation '${operationName}' of a fault must be one of ${OPERATION_KINDS.join(', ')}.`);
  const rule: Record<keyof FaultRule, Value> = {
    kind,
    operation,
    container: text(entry, 'container'),
    after: whole(entry, 'after', 0),
    count: whole(entry, 'count', -1),
    probability: share(entry, 'probability'),
    seed: whole(entry, 'seed', 0),
    delayMs: whole(entry, 'delayMs', 0, WAIT_MAX_MS),
    retryAfterMs: whole(entry, 'retryAfterMs', 0, WAIT_MAX_MS),
    status: kind === 'error' ? required(entry, 'status', 400, 599) : undefined,
    subStatus: whole(entry, 'subStatus', 0),
  };
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) as unknown as FaultRule;
}

/** A field that means nothing is a field that somebody has misspelt. */
function only(entry: JsonObject, fields: Iterable<string>): void {
  const known = new Set([...fields, 'kind']);
  for (const field of Object.keys(entry))
    if (!known.has(field))
      throw badRequest(
        `The field ${field} is none of ${JSON.stringify(entry['kind'] ?? null)}: ${[...known].join(', ')}.`,
      );
}

function text(entry: JsonObject, field: string): string | undefined {
  const value = entry[field];
  if (value !== undefined && typeof value !== 'string')
    throw badRequest(`The field ${field} of a fault must be a string.`);
  return value;
}

function required(entry: JsonObject, field: string, min: number, max?: number): number {
  const value = whole(entry, field, min, max);
  if (value === undefined)
    throw badRequest(`A fault of the kind ${JSON.stringify(entry['kind'] ?? null)} needs the field ${field}.`);
  return value;
}

function whole(
  entry: JsonObject,
  field: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = entry[field];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw badRequest(`The field ${field} of a fault must be a whole number from ${min} to ${max}.`);
  return value;
}

function share(entry: JsonObject, field: string): number | undefined {
  const value = entry[field];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value > 0 && value <= 1))
    throw badRequest(`The field ${field} of a fault must be a number above 0 and up to 1.`);
  return value;
}
