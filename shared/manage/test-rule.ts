/** `POST /v1/rules/test`: what a rule says of events, comparison by comparison. Nothing is changed by it. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { deviceId } from '../devices/devices.ts';
import { appliesTo, compileForDevice, type RuleDevice } from '../rules/compile-rules.ts';
import { explainRule } from '../rules/explain-rule.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import { openFold } from '../rules/rule-fold.ts';
import { ruleHash } from '../rules/rule-hash.ts';
import type { RuleStates } from '../rules/rule-states.ts';
import type { RuleTransition } from '../rules/rule-transition.ts';
import { step } from '../rules/step.ts';
import { tick } from '../rules/tick.ts';
import { isParameterName, PARAMETERS_PER_READING_MAX, STRING_VALUE_CHARS_MAX } from '../telemetry/telemetry-event.ts';
import { moment, rememberedOf, type RememberedOfDevice } from './device-history.ts';
import { ruleBody, rulePath } from './manage-rules.ts';
import type { ManageCall, ManageServices } from './manage-services.ts';
import { everywhere, inline, ownDevice, ruleDevice, storedRule, viewOfTransition } from './rule-trial.ts';

/** Events of one test. */
const TEST_EVENTS_MAX = 1000;
/** A device never seen: what a rule is tested on when none is named. */
const UNSEEN: RuleDevice = { id: 'test', groups: [] };

const readings = z
  .record(
    z.string().refine(isParameterName, 'must be a parameter name: [A-Za-z_][A-Za-z0-9_.-]{0,63}'),
    z.union([z.number(), z.string().max(STRING_VALUE_CHARS_MAX), z.boolean()], {
      error: `must be a finite number, a string of at most ${STRING_VALUE_CHARS_MAX} characters or true/false`,
    }),
    { error: 'must be an object: value by parameter' },
  )
  .refine(
    (all) => Object.keys(all).length <= PARAMETERS_PER_READING_MAX,
    `must hold at most ${PARAMETERS_PER_READING_MAX} parameters`,
  );
const event = z.strictObject({
  /** Absent: one second after the one before, the first one now. */
  ts: moment.optional(),
  readings,
});

/** The body of a test. */
export const ruleTest = z
  .strictObject({
    rule: ruleBody.optional(),
    ruleId: rulePath.shape.ruleId.optional(),
    /** The device whose attributes hold and from whose present state the test starts; absent: a device never seen. */
    deviceId: deviceId.optional(),
    /** False: the device's state is not looked at. */
    fromState: z.boolean('must be true or false').default(true),
    event: event.optional(),
    events: z
      .array(event, 'must be an array of {ts, readings}')
      .max(TEST_EVENTS_MAX, `must hold at most ${TEST_EVENTS_MAX} events`)
      .optional(),
    /** Lets time pass after the last event, until then: what the sweep would do. */
    until: moment.optional(),
  })
  .refine((body) => (body.rule === undefined) !== (body.ruleId === undefined), {
    path: ['rule'],
    error: 'give either a rule or the ruleId of a stored one',
  })
  .refine((body) => body.event !== undefined || (body.events ?? []).length > 0 || body.until !== undefined, {
    path: ['event'],
    error: 'give an event, or events',
  });

/**
 * Says what a rule makes of events, comparison by comparison.
 * @throws Problem 404 for a rule or device that the tenant does not have
 */
export async function testRule(
  services: ManageServices,
  call: ManageCall<unknown, undefined, z.output<typeof ruleTest>>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { body } = call;
  const definition = body.rule ? inline(body.rule, 'rule') : await storedRule(services, tenantId, body.ruleId ?? '');
  const stored = body.deviceId === undefined ? undefined : await ownDevice(services, tenantId, body.deviceId);
  const device = stored ? await ruleDevice(services, stored) : UNSEEN;
  const remembered = stored && body.fromState ? await rememberedOf(services.store, stored) : {};
  const isFor = appliesTo(definition, device);
  // Asked for by name: a rule is tried whether or not it is switched on, or for this device.
  const compiled = compileForDevice([everywhere(definition)], device);
  const fold = openFold(compiled, statesOf(remembered, definition), remembered.last);
  const [rule] = compiled.rules;
  if (!rule) throw new Error('a rule for every device was compiled for none');
  const transitions: RuleTransition[] = [];
  let ts = Math.max(services.now() - 1000, fold.now);
  for (const [index, { ts: given, readings: values }] of [body.event ?? [], body.events ?? []].flat().entries()) {
    ts = given ?? ts + 1000;
    const occurred = { eventId: `test:${index}`, deviceId: device.id, ts, receivedTs: ts, lane: 'test', seq: index };
    transitions.push(...step(fold, { ...occurred, readings: values }));
  }
  const explained = explainRule(fold, rule);
  if (body.until !== undefined) transitions.push(...tick(fold, body.until));
  const { truth, ...rest } = explained;
  return {
    jsonBody: {
      truth,
      /** Whether the rule is for this device and switched on: what it would do live hangs on both. */
      appliesToDevice: isFor,
      enabled: definition.enabled,
      opens: transitions.some(({ kind }) => kind === 'opened'),
      clears: transitions.some(({ kind }) => kind === 'resolved'),
      ...rest,
      transitions: transitions.map(viewOfTransition),
    },
  };
}

/** Of what is remembered the part of this rule, as long as it still means the same. */
function statesOf({ rules }: RememberedOfDevice, definition: RuleDefinition): RuleStates | undefined {
  if (!rules) return undefined;
  const state = rules.r[definition.id];
  return { ...rules, r: state?.h === ruleHash(definition) ? { [definition.id]: state } : {} };
}
