/** Defects of the Web PubSub stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

const FOLDER = 'local/web-pubsub';

export const webPubSubMutations: readonly Mutation[] = [
  {
    id: 'a token for another hub opens this one',
    file: `${FOLDER}/access-token.ts`,
    replace: ['sameHost(url.host) === sameHost(host) && samePath', 'samePath(path) === samePath(path) || samePath'],
    caughtBy: ['sessions.test.ts', 'a token opens its hub until it expires'],
  },
  {
    id: 'tokens never expire',
    file: `${FOLDER}/access-token.ts`,
    replace: ['currentDate: new Date(nowMs),', 'currentDate: new Date(0),'],
    caughtBy: ['sessions.test.ts', 'a token opens its hub until it expires'],
  },
  {
    id: 'excluded connections are not',
    file: `${FOLDER}/service-operations.ts`,
    replace: ['!excluded.has(connection.id) && matches(connection)', 'matches(connection)'],
    caughtBy: ['sends.test.ts', 'excluded connections get nothing'],
  },
  {
    id: 'the filter of a send is ignored',
    file: `${FOLDER}/service-operations.ts`,
    replace: ['!excluded.has(connection.id) && matches(connection)', '!excluded.has(connection.id)'],
    caughtBy: ['sends.test.ts', 'a filter chooses by user'],
  },
  {
    id: 'and means or',
    file: `${FOLDER}/connection-filter.ts`,
    replace: ['a.of(one) === true && b.of(one) === true', 'a.of(one) === true || b.of(one) === true'],
    caughtBy: ['sends.test.ts', 'a filter chooses by user'],
  },
  {
    id: 'a send to an absent connection succeeds',
    file: `${FOLDER}/service-operations.ts`,
    replace: ['connectionId: existing(call).id }', "connectionId: call.parameter('connectionId') }"],
    caughtBy: ['sends.test.ts', 'an absent group or user is a success'],
  },
  {
    id: 'a client may join any group',
    file: `${FOLDER}/group-permissions.ts`,
    replace: ['  #every = false;', '  #every = true;'],
    caughtBy: ['groups.test.ts', 'what no role allows is Forbidden'],
  },
  {
    id: 'one star crosses dots',
    file: `${FOLDER}/group-pattern.ts`,
    replace: [
      "case 'many':\n          if (character !== '.') after.add(at);",
      "case 'many':\n          after.add(at);",
    ],
    caughtBy: ['groups.test.ts', 'a role with a pattern'],
  },
  {
    id: 'revoking a permission does nothing',
    file: `${FOLDER}/group-permissions.ts`,
    replace: ['this.#groups.delete(group);', ''],
    caughtBy: ['groups.test.ts', 'a permission is granted'],
  },
  {
    id: 'noEcho echoes',
    file: `${FOLDER}/client-requests.ts`,
    replace: ['connection !== sender', 'connection !== undefined'],
    caughtBy: ['groups.test.ts', 'a client sends to a group'],
  },
  {
    id: 'a repeated request is done again',
    file: `${FOLDER}/client-requests.ts`,
    replace: ['if (ackId !== undefined) connection.remember(ackId);', ''],
    caughtBy: ['groups.test.ts', 'a request repeated under its number'],
  },
  {
    id: 'the next page begins with the last of the one before',
    file: `${FOLDER}/list-connections.ts`,
    replace: ['id > after', 'id >= after'],
    caughtBy: ['groups.test.ts', 'the connections of a group are listed'],
  },
  {
    id: 'a recovered session gets only what is new',
    file: `${FOLDER}/connection.ts`,
    replace: ['for (const { frame } of this.#unacked) this.#write(frame);', ''],
    caughtBy: ['sessions.test.ts', 'a session that was cut comes back'],
  },
  {
    id: 'an acknowledgement forgets one message too many',
    file: `${FOLDER}/connection.ts`,
    replace: ['waiting.sequenceId > sequenceId', 'waiting.sequenceId > sequenceId + 1'],
    caughtBy: ['sessions.test.ts', 'a session that was cut comes back'],
  },
  {
    id: 'any reconnection token brings a session back',
    file: `${FOLDER}/connection.ts`,
    replace: [
      'given.length === own.length && timingSafeEqual(given, own)',
      'given.length > 0 || timingSafeEqual(given, own)',
    ],
    caughtBy: ['sessions.test.ts', 'a session that is not known'],
  },
  {
    id: 'unacknowledged messages pile up without end',
    file: `${FOLDER}/limits.ts`,
    replace: ['UNACKED_MESSAGES_MAX = 1000', 'UNACKED_MESSAGES_MAX = 1_000_000'],
    caughtBy: ['sessions.test.ts', 'a session ends when more than 1,000'],
  },
  {
    id: 'a session survives being closed',
    file: `${FOLDER}/connection.ts`,
    replace: [
      '    this.#socket = undefined;\n    this.#end();\n  }\n\n  #write',
      '    this.#socket = undefined;\n  }\n\n  #write',
    ],
    caughtBy: ['sessions.test.ts', 'who is closed hears why'],
  },
  {
    id: 'closing a user closes nobody',
    file: `${FOLDER}/hub.ts`,
    replace: ['userId === target.userId', 'userId === `${target.userId} `'],
    caughtBy: ['sessions.test.ts', 'closing a user or a group'],
  },
];
