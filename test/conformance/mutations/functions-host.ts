/** Defects of the Functions host stand-in that its conformance suite must notice. */
import type { Mutation } from './mutation.ts';

const FOLDER = 'local/host';

export const functionsHostMutations: readonly Mutation[] = [
  {
    id: 'the last function by name answers',
    file: `${FOLDER}/http/router.ts`,
    replace: ['return left < right ? -1 : 1;', 'return left < right ? 1 : -1;'],
    caughtBy: ['http.test.ts', 'the first function by name'],
  },
  {
    id: 'a wrong verb is taken',
    file: `${FOLDER}/http/router.ts`,
    replace: ['!target.methods.includes(method)', 'target.methods.length > 9'],
    caughtBy: ['http.test.ts', 'a verb that no function has'],
  },
  {
    id: 'literals of a route want their own case',
    file: `${FOLDER}/http/route-template.ts`,
    replace: ["`^${pattern}$`, 'is'", "`^${pattern}$`, 's'"],
    caughtBy: ['http.test.ts', 'literals match in any case'],
  },
  {
    id: 'the host key opens the level admin',
    file: `${FOLDER}/http/keys.ts`,
    replace: ["if (level === 'admin') return false;", ''],
    caughtBy: ['http.test.ts', 'the level admin'],
  },
  {
    id: 'a key in the query does not count',
    file: `${FOLDER}/http/keys.ts`,
    replace: ["header : url.searchParams.get('code')", 'header : null'],
    caughtBy: ['http.test.ts', 'the level function'],
  },
  {
    id: 'an answer waits until it is complete',
    file: `${FOLDER}/http/stream.ts`,
    replace: [
      'answer.pipe(response);',
      "const all: Buffer[] = []; answer.on('data', (part: Buffer) => all.push(part)).on('end', () => response.end(Buffer.concat(all)));",
    ],
    caughtBy: ['http.test.ts', 'the first bytes arrive'],
  },
  {
    id: 'parameters are not polluted by the query',
    file: `${FOLDER}/http/binding-data.ts`,
    replace: ["if (name.toLowerCase() !== 'code')", "if (name.toLowerCase() === 'headers')"],
    caughtBy: ['http.test.ts', 'params carry every query value'],
  },
  {
    id: 'the headers of a request cannot be replaced',
    file: `${FOLDER}/http/binding-data.ts`,
    replace: ["if (!data.has('Headers')) data", 'data'],
    caughtBy: ['http.test.ts', '?Headers= replaces'],
  },
  {
    id: 'the invocation id of a client reaches the hop',
    file: `${FOLDER}/http/stream.ts`,
    replace: ["  'content-length',\n  'x-ms-invocation-id',", "  'content-length',"],
    caughtBy: ['http.test.ts', 'an invocation id of the client'],
  },
  {
    id: 'the trace of a caller is lost',
    file: `${FOLDER}/http/trace-context.ts`,
    replace: ['`00-${match[1]}-', "`00-${randomBytes(16).toString('hex')}-"],
    caughtBy: ['http.test.ts', 'an invocation goes on with the trace'],
  },
  {
    id: 'hooks behind the handler are not run',
    file: `${FOLDER}/worker.ts`,
    replace: ["  await runHooks('postInvocation', after);", ''],
    caughtBy: ['http.test.ts', 'hooks run around'],
  },
  {
    id: 'nothing returned is a 200',
    file: `${FOLDER}/http/buffered.ts`,
    replace: ['response.writeHead(204).end();', 'response.writeHead(200).end();'],
    caughtBy: ['http.test.ts', 'nothing returned'],
  },
  {
    id: 'a body may be as large as it likes',
    file: `${FOLDER}/http/request-body.ts`,
    replace: ['REQUEST_BODY_BYTES_MAX = 104_857_600', 'REQUEST_BODY_BYTES_MAX = 1_048_576_000'],
    caughtBy: ['http.test.ts', 'a body above the limit'],
  },
  {
    id: 'sequence numbers are numbers',
    file: `${FOLDER}/rpc/event-hub-payload.ts`,
    replace: [
      '{ collectionSint64: { sint64: events.map((event) => toLong(event.sequenceNumber)) } }',
      'asJson(events.map((event) => event.sequenceNumber))',
    ],
    caughtBy: ['triggers.test.ts', 'its metadata has the platform'],
  },
  {
    id: 'times say their zone',
    file: `${FOLDER}/rpc/typed-data.ts`,
    replace: ['    .slice(0, -1)\n', ''],
    caughtBy: ['triggers.test.ts', 'its metadata has the platform'],
  },
  {
    id: 'empty events are kept',
    file: `${FOLDER}/rpc/typed-data.ts`,
    replace: ["includeEmpty || text !== ''", "includeEmpty || text !== 'nothing'"],
    caughtBy: ['triggers.test.ts', 'an event without a body'],
  },
  {
    id: 'a failed batch is not tried again',
    file: `${FOLDER}/retry.ts`,
    replace: ['for (let retry = 1; !outcome.ok; retry += 1)', 'for (let retry = 1; outcome.ok; retry += 1)'],
    caughtBy: ['triggers.test.ts', 'a batch that fails is tried again'],
  },
  {
    id: 'a failed batch is tried without end',
    file: `${FOLDER}/retry.ts`,
    replace: ['retry > policy.maxRetryCount) break;', 'retry > policy.maxRetryCount) retry = 1;'],
    caughtBy: ['triggers.test.ts', 'a batch that fails for good'],
  },
  {
    id: 'retries keep their invocation id',
    file: `${FOLDER}/executor.ts`,
    replace: ['invocationId: string = newInvocationId(),', "invocationId: string = 'always the same',"],
    caughtBy: ['triggers.test.ts', 'a batch that fails is tried again'],
  },
  {
    id: 'an array of an output is one event',
    file: `${FOLDER}/outputs/output.ts`,
    replace: ['return Array.isArray(value) ? value : [value];', 'return [value];'],
    caughtBy: ['triggers.test.ts', 'an output becomes events'],
  },
  {
    id: 'timers below a minute are monitored',
    file: `${FOLDER}/triggers/timer/schedule.ts`,
    replace: ['const MONITORED_MS_MIN = 60_000;', 'const MONITORED_MS_MIN = 1000;'],
    caughtBy: ['triggers.test.ts', 'a timer below a minute'],
  },
  {
    id: 'the change feed begins with what comes next',
    file: `${FOLDER}/triggers/cosmos/cosmos-trigger.ts`,
    replace: ['if (startFromBeginning) return', 'if (startFromBeginning && startFromTime === null) return'],
    caughtBy: ['triggers.test.ts', 'changes of a container'],
  },
];
