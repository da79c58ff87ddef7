/**
 * The function app that the suite calls: deployed to Azure on one instance, or run by `serve.ts`. HTTP is streamed when
 * the setting HTTP_STREAM is true; the suite wants it deployed both ways. What triggers saw is kept in memory, for `seen`.
 */
import { type InvocationContext, type PreInvocationContext, app, output } from '@azure/functions';

const isStreamed = process.env['HTTP_STREAM'] === 'true';
app.setup({ enableHttpStream: isStreamed });

/** What triggers noted, by a key that a test chose. */
const seen = new Map<string, unknown[]>();
const note = (key: string, entry: unknown): void => {
  const entries = seen.get(key) ?? [];
  seen.set(key, entries);
  entries.push(entry);
};

app.http('seen', { route: 'seen/{key}', handler: ({ params }) => ({ jsonBody: seen.get(params['key'] ?? '') ?? [] }) });

/* Routes: the names decide which of two matching functions answers. */
app.http('hello', { route: 'hello/{name}', handler: ({ params }) => ({ body: `hello ${params['name']}` }) });
app.http('order-a', { route: 'order/{any}', methods: ['GET'], handler: () => ({ body: 'any' }) });
app.http('order-b', { route: 'order/special', methods: ['GET'], handler: () => ({ body: 'special' }) });
app.http('order-c', { route: 'order/special', methods: ['PUT'], handler: () => ({ body: 'put' }) });
app.http('number', { route: 'number/{n:int:min(5)}', handler: ({ params }) => ({ body: `n=${params['n']}` }) });
app.http('rest', { route: 'rest/{first=none}/{*rest}', handler: ({ params }) => ({ jsonBody: { ...params } }) });

/* Keys. */
app.http('keyed', { authLevel: 'function', handler: () => ({ body: 'opened' }) });
app.http('guarded', { authLevel: 'admin', handler: () => ({ body: 'opened' }) });

/* Requests and answers. */
app.http('echo', {
  route: 'echo/{id?}',
  methods: ['GET', 'POST'],
  handler: async (request, context) => ({
    status: 201,
    headers: { 'x-own': 'kept', te: 'trailers', 'keep-alive': 'timeout=1' },
    cookies: [
      { name: 'a', value: '1' },
      { name: 'b', value: '2', httpOnly: true },
    ],
    jsonBody: {
      method: request.method,
      params: request.params,
      query: [...request.query],
      authorization: request.headers.get('authorization'),
      trace: context.traceContext?.traceParent,
      body: request.method === 'POST' ? await request.text() : null,
    },
  }),
});
app.http('nothing', { handler: () => undefined as never });
app.http('throws', { handler: () => Promise.reject(new Error('no luck')) });
app.http('drip', {
  route: 'drip/{key}',
  handler: ({ params }) => ({
    headers: { 'content-type': 'text/event-stream' },
    body: ReadableStream.from(drip(params['key'] ?? '')),
  }),
});

/** One line, and the next only when the test has said that it has read the first. */
async function* drip(key: string): AsyncGenerator<string> {
  yield 'data: first\n\n';
  while (!seen.has(key)) await new Promise((resolve) => setTimeout(resolve, 20));
  yield 'data: second\n\n';
}
app.http('go-on', { route: 'go-on/{key}', methods: ['POST'], handler: ({ params }) => go(params['key'] ?? '') });
function go(key: string): object {
  note(key, 'go');
  return { status: 204 };
}

/* Hooks. */
app.hook.preInvocation((context: PreInvocationContext) => {
  if (context.invocationContext.functionName === 'hooked') context.hookData['began'] = 'before';
});
app.hook.postInvocation((context) => {
  if (context.invocationContext.functionName === 'hooked') {
    context.result = { body: `${String(context.hookData['began'])}, ${String(context.result)}, after` };
  }
});
app.http('hooked', { handler: () => 'handler' as never });

/* Triggers and outputs. */
app.timer('every-second', {
  schedule: '* * * * * *',
  handler: (timer, context) => note('timer', { timer, metadata: context.triggerMetadata ?? null }),
});

interface Reading {
  /** Under which key the batch is noted. */
  key?: string;
  /** Attempts of its batch that fail. */
  fail?: number;
}

app.eventHub('readings', {
  connection: 'EVENT_HUB',
  eventHubName: process.env['EVENT_HUB_NAME'] ?? 'telemetry',
  consumerGroup: process.env['EVENT_HUB_GROUP'] ?? '$Default',
  cardinality: 'many',
  retry: { strategy: 'fixedDelay', delayInterval: { seconds: 0 }, maxRetryCount: 2 },
  handler: (messages, context: InvocationContext) => {
    const batch = messages as Reading[];
    const key = batch.find((message) => message?.key !== undefined)?.key;
    if (key === undefined) return;
    const attempt = context.retryContext?.retryCount ?? 0;
    const { invocationId, triggerMetadata, retryContext } = context;
    note(key, { messages: batch, invocationId, triggerMetadata, retryContext: retryContext ?? null });
    if (batch.some(({ fail = 0 }) => attempt < fail)) throw new Error('asked to fail');
  },
});
const toHub = output.eventHub({
  connection: 'EVENT_HUB',
  eventHubName: process.env['EVENT_HUB_NAME'] ?? 'telemetry',
});
app.http('send', {
  methods: ['POST'],
  extraOutputs: [toHub],
  handler: async (request, context) => {
    context.extraOutputs.set(toHub, await request.json());
    return { status: 202 };
  },
});
app.cosmosDB('changes', {
  connection: 'COSMOS',
  databaseName: 'conformance-functions',
  containerName: 'items',
  createLeaseContainerIfNotExists: true,
  startFromBeginning: true,
  feedPollDelay: 100,
  // Deployed twice, the app reads the changes twice.
  leaseContainerPrefix: isStreamed ? 'streamed' : 'buffered',
  handler: (documents: { key?: string }[], context: InvocationContext) => {
    for (const document of documents) {
      note(document.key ?? '', { document, isArray: Array.isArray(documents), metadata: context.triggerMetadata });
    }
  },
});
