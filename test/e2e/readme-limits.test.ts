/** The README's table of limits says what the code holds. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { BULK_ALERTS_MAX, SNOOZE_DAYS_MAX } from '../../shared/alerts/handle-alert.ts';
import { DETECTORS_MAX } from '../../shared/anomalies/device-detectors.ts';
import {
  APPLICATION_DEVICES_MAX,
  APPLICATION_GROUPS_MAX,
  REVOKED_TOKENS_MAX,
  SECRETS_MAX,
} from '../../shared/applications/applications.ts';
import { CLIENT_KEYS_MAX } from '../../shared/applications/client-keys.ts';
import { GRACE_DEFAULT_SECONDS, GRACE_MAX_SECONDS } from '../../shared/applications/rotate-secret.ts';
import { ACCESS_TOKEN_SECONDS, ACCESS_TOKEN_SECONDS_MAX } from '../../shared/applications/token-lifetime.ts';
import { APPLICATION_ORIGINS_MAX } from '../../shared/applications/web-origin.ts';
import { settings } from '../../shared/config.ts';
import { ATTRIBUTES_MAX, PROFILE_PARAMETERS_MAX } from '../../shared/devices/device-profiles.ts';
import { BODY_BYTES_MAX } from '../../shared/http/body.ts';
import { BACKTEST_DEVICES_MAX, BACKTEST_EVENTS_MAX, BACKTEST_RULES_MAX } from '../../shared/manage/backtest-rules.ts';
import { APPLICATION_BODY_BYTES_MAX } from '../../shared/manage/manage-applications.ts';
import { GROUP_BODY_BYTES_MAX } from '../../shared/manage/manage-groups.ts';
import { PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN } from '../../shared/identity/passwords.ts';
import { PAGE_MAX } from '../../shared/manage/paging.ts';
import { CODE_SECONDS } from '../../shared/oauth/authorization-code.ts';
import { SESSION_SECONDS } from '../../shared/oauth/browser-session.ts';
import { ASSERTION_SECONDS_MAX } from '../../shared/oauth/client-assertion.ts';
import { PERIOD_MS, PERIODS } from '../../shared/oauth/dpop-nonce.ts';
import { PROOF_SECONDS } from '../../shared/oauth/dpop-proof.ts';
import { ADDRESS_FAILURES_MAX, FAILURES_MAX, WINDOW_MS } from '../../shared/oauth/failure-throttle.ts';
import { FAMILY_SECONDS, REUSE_GRACE_MS } from '../../shared/oauth/grant-family.ts';
import { ACTIONS_PER_TENANT_MAX } from '../../shared/notifications/action.ts';
import { GROUP_BYTES_MAX, GROUP_MAX } from '../../shared/actions/claim.ts';
import { JSON_TEMPLATE_BYTES_MAX, PLACE_CHARS_MAX } from '../../shared/notifications/channel-template.ts';
import { WINDOW_DAYS_MAX, WINDOWS_PER_TENANT_MAX } from '../../shared/notifications/maintenance-window.ts';
import { ATTEMPTS_MAX } from '../../shared/notifications/delivery.ts';
import { CONDITION_DEPTH_MAX, CONDITION_LEAVES_MAX } from '../../shared/rules/condition.ts';
import { RULE_STATE_BYTES_MAX, WINDOWS_PER_DEVICE_MAX } from '../../shared/rules/device-load.ts';
import { SCOPE_ENTRIES_MAX } from '../../shared/rules/rule-definition.ts';
import { WINDOW_PERIOD_MAX_MS } from '../../shared/rules/rule-kinds.ts';
import { PARAMETERS_PER_DEVICE_MAX } from '../../shared/rules/rule-states.ts';
import { RULES_PER_TENANT_MAX, VERSIONS_KEPT } from '../../shared/rules/rules-repository.ts';
import { WINDOW_PANES } from '../../shared/rules/window.ts';
import { OPENS_PER_SECOND } from '../../shared/stream/open-rate.ts';
import { SNAPSHOT_DEVICES_MAX } from '../../shared/stream/permitted.ts';
import { APPLICATION_SHARE, TENANT_SHARE } from '../../shared/stream/stream-caps.ts';
import {
  FILTER_DEVICES_MAX,
  FILTER_GROUPS_MAX,
  FILTER_PARAMETERS_MAX,
  PULL_EVENTS_MAX,
} from '../../shared/stream/stream-request.ts';
import { STREAM_BUFFER_BYTES } from '../../shared/stream/stream.ts';
import * as telemetry from '../../shared/telemetry/telemetry-event.ts';

const KB = 1024;
const MB = 1024 * KB;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const number = (value: number) => value.toLocaleString('en');
const byDefault = (name: 'JOURNAL_HOURS' | 'STREAM_MAX_SECONDS' | 'STREAMS_PER_INSTANCE') =>
  settings.shape[name].parse(undefined);

/** What the table must say, row by row. */
const LIMITS: [what: string, limit: string][] = [
  [
    'one event',
    `${telemetry.EVENT_BYTES_MAX / KB} KB, ${telemetry.READING_SETS_MAX} reading sets, ${telemetry.PARAMETERS_PER_READING_MAX} parameters each`,
  ],
  [
    'device id, parameter name, string value',
    `${telemetry.DEVICE_ID_CHARS_MAX}, ${telemetry.PARAMETER_NAME_CHARS_MAX}, ${telemetry.STRING_VALUE_CHARS_MAX} characters`,
  ],
  [
    'device clock',
    `${telemetry.LATE_MAX_MS / HOUR_MS} h behind to ${telemetry.AHEAD_MAX_MS / MINUTE_MS} min ahead of the hub`,
  ],
  ['parameters remembered, detectors per device', `${PARAMETERS_PER_DEVICE_MAX}, ${DETECTORS_MAX}`],
  ['rules per tenant', number(RULES_PER_TENANT_MAX)],
  ['one condition', `${CONDITION_LEAVES_MAX} comparisons, ${CONDITION_DEPTH_MAX} levels`],
  ['one window of a rule', `${WINDOW_PERIOD_MAX_MS / HOUR_MS} h, ${WINDOW_PANES} panes`],
  ['rules of one device', `${WINDOWS_PER_DEVICE_MAX} windows, ${RULE_STATE_BYTES_MAX / KB} KB of state`],
  ['devices, groups, profiles, exclusions of a rule', `${number(SCOPE_ENTRIES_MAX)} each`],
  [
    'one backtest',
    `${number(BACKTEST_EVENTS_MAX)} events, ${BACKTEST_DEVICES_MAX} devices, ${BACKTEST_RULES_MAX} rules`,
  ],
  ['versions of a rule', String(VERSIONS_KEPT)],
  ['attributes of a device, group, profile or tenant', String(ATTRIBUTES_MAX)],
  ['parameters of a profile', String(PROFILE_PARAMETERS_MAX)],
  [
    'devices, groups, web origins of an application',
    `${number(APPLICATION_DEVICES_MAX)}, ${APPLICATION_GROUPS_MAX}, ${APPLICATION_ORIGINS_MAX}`,
  ],
  ['alerts of one bulk request', String(BULK_ALERTS_MAX)],
  ['actions per tenant', String(ACTIONS_PER_TENANT_MAX)],
  ['maintenance windows per tenant, days of a single one', `${WINDOWS_PER_TENANT_MAX}, ${WINDOW_DAYS_MAX}`],
  [
    'a template of an action in JSON, placeholders filled',
    `${JSON_TEMPLATE_BYTES_MAX / KB} KB, ${number(PLACE_CHARS_MAX)} characters each`,
  ],
  ['alerts of one message', `${GROUP_MAX}, ${GROUP_BYTES_MAX / 1000} KB`],
  ['attempts of a delivery', `${ATTEMPTS_MAX}, over three days`],
  ['a snooze, an acknowledgement with an end', `${SNOOZE_DAYS_MAX} days`],
  ['entries of a list', String(PAGE_MAX)],
  [
    'request body of the API',
    `${BODY_BYTES_MAX / KB} KB; group ${GROUP_BODY_BYTES_MAX / MB} MB; application ${APPLICATION_BODY_BYTES_MAX / MB} MB`,
  ],
  ['failed sign-ins of a client and address', `${FAILURES_MAX} ${WINDOW_MS === MINUTE_MS ? 'a minute' : '?'}`],
  [
    'failed sign-ins of people from one address',
    `${ADDRESS_FAILURES_MAX} ${WINDOW_MS === MINUTE_MS ? 'a minute' : '?'}`,
  ],
  [
    'access token',
    `${ACCESS_TOKEN_SECONDS / 60} min, at most ${ACCESS_TOKEN_SECONDS_MAX / 86_400} days; clamped to the application's expiry`,
  ],
  ['secrets, public keys of an application', `${SECRETS_MAX}, ${CLIENT_KEYS_MAX}`],
  ['grace of a rotated secret', `${GRACE_MAX_SECONDS / 86_400} days, ${GRACE_DEFAULT_SECONDS / 3600} h by default`],
  ['assertion of a client (`private_key_jwt`)', `${ASSERTION_SECONDS_MAX / 60} min, once`],
  ['DPoP proof', `${PROOF_SECONDS} s either way, once; nonce ${(PERIODS * PERIOD_MS) / MINUTE_MS} min`],
  ['tokens of an application revoked one by one', String(REVOKED_TOKENS_MAX)],
  ['authorization code', `${CODE_SECONDS} s, once`],
  ['refresh tokens', `${FAMILY_SECONDS / 86_400} days; ${REUSE_GRACE_MS / 1000} s for a repeat`],
  ['signed in on the sign-in page', `${SESSION_SECONDS / 3600} h`],
  ['password', `${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`],
  ['resume window', `${byDefault('JOURNAL_HOURS')} h (\`JOURNAL_HOURS\`)`],
  ['one stream', `${byDefault('STREAM_MAX_SECONDS') / 60} min, jittered (\`STREAM_MAX_SECONDS\`)`],
  ['streams per instance', `${number(byDefault('STREAMS_PER_INSTANCE'))} (\`STREAMS_PER_INSTANCE\`)`],
  [
    'streams of a tenant, of an application, per instance',
    `${TENANT_SHARE * 100} %, ${APPLICATION_SHARE * 100} % of that`,
  ],
  ['openings of streams by an application', `${OPENS_PER_SECOND} a second, after a burst of its share`],
  [
    'devices, groups, parameters a stream names',
    `${FILTER_DEVICES_MAX}, ${FILTER_GROUPS_MAX}, ${FILTER_PARAMETERS_MAX}`,
  ],
  [
    'devices of a snapshot, events of a pull',
    SNAPSHOT_DEVICES_MAX === PULL_EVENTS_MAX ? `${number(PULL_EVENTS_MAX)} each` : '?',
  ],
  ['unread bytes of a slow reader', `${STREAM_BUFFER_BYTES / KB} KB`],
];

test('every limit in the table is the constant of the code', () => {
  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const section = /^## Limits\n([^]*?)^## /m.exec(readme)?.[1] ?? '';
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '')));
  expect(rows.map(([what, limit]) => [what, limit])).toEqual(LIMITS);
  for (const [, , beyond] of rows) expect(beyond).toMatch(/\w/);
});
