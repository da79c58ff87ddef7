import { createRequire } from 'node:module';
import { type InvocationContext, app, input, output } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { appState } from '../../../local/host/core/app-state.ts';
import * as core from '../../support/functions-core.ts';
import { emptyApp, runApp } from '../../support/functions-app.ts';

beforeEach(emptyApp);

const ok = { handler: () => ({ body: 'ok' }) };

test('the module has the eight members of the contract, no more', () => {
  expect(Object.keys(core).toSorted()).toEqual([
    'Disposable',
    'getProgrammingModel',
    'hostVersion',
    'log',
    'registerFunction',
    'registerHook',
    'setProgrammingModel',
    'version',
  ]);
  expect(createRequire(import.meta.url).resolve('@azure/functions')).toContain('azure-functions');
});

test('a name can be taken once, in whatever case', () => {
  app.http('one', ok);
  expect(() => app.http('ONE', ok)).toThrow('A function with name "ONE" has already been registered.');
});

test('a registration can be disposed of before the start, not after', async () => {
  const early = core.registerFunction({ name: 'early', bindings: {} }, () => {});
  early.dispose();
  early.dispose();
  app.http('one', ok);
  const late = core.registerFunction(
    {
      name: 'late',
      bindings: { req: { type: 'httpTrigger', direction: 'in' }, $return: { type: 'http', direction: 'out' } },
    },
    () => {},
  );
  await using running = await runApp();
  expect(running.host.functions).toEqual(['late', 'one']);
  expect(() => late.dispose()).toThrow('only be disposed during app startup');
  expect(() => app.http('two', ok)).toThrow('only be registered during app startup');
});

test('an unknown hook is a RangeError that is marked as the platform’s own', () => {
  let caught: unknown;
  try {
    core.registerHook('preflight', () => {});
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ name: 'RangeError', isAzureFunctionsSystemError: true });
});

test('a disposable runs once, and from() disposes of all', () => {
  let count = 0;
  const both = core.Disposable.from(new core.Disposable(() => (count += 1)), new core.Disposable(() => (count += 10)));
  both.dispose();
  both.dispose();
  expect(count).toBe(11);
});

test('setup is locked and capabilities are merged once the app has started', async () => {
  app.http('one', ok);
  await using _running = await runApp();
  expect(() => app.setup({ enableHttpStream: false })).toThrow("can't be changed after app startup");
});

test('hooks run in order around the handler, may replace inputs, handler, result and error, and share data', async () => {
  const order: string[] = [];
  app.hook.appStart(({ hookData }) => {
    hookData['started'] = true;
    order.push('start');
  });
  app.hook.preInvocation((context) => {
    order.push(`pre ${context.invocationContext.functionName}`);
    context.hookData['at'] = 'pre';
    const handler = context.functionHandler;
    context.functionHandler = (...args: unknown[]) => {
      order.push('wrapped');
      return handler(...(args as [never, InvocationContext]));
    };
  });
  app.hook.postInvocation((context) => {
    order.push(`post ${String(context.hookData['at'])}`);
    if (context.error) {
      context.error = null;
      context.result = { status: 503, body: 'mended' };
    }
  });
  app.hook.appTerminate(() => {
    order.push('terminate');
  });
  app.http('fine', { handler: () => ({ body: 'fine' }) });
  app.http('faulty', { handler: () => Promise.reject(new Error('no')) });
  const running = await runApp();
  expect(await (await fetch(`${running.host.url}/api/fine`)).text()).toBe('fine');
  const mended = await fetch(`${running.host.url}/api/faulty`);
  expect([mended.status, await mended.text()]).toEqual([503, 'mended']);
  await running[Symbol.asyncDispose]();
  expect(order).toEqual(['start', 'pre fine', 'wrapped', 'post pre', 'pre faulty', 'wrapped', 'post pre', 'terminate']);
});

test('log hooks edit entries of the user only', async () => {
  app.hook.log((context) => {
    context.message = `${context.message} (edited)`;
    context.level = 'warning';
  });
  app.http('talks', {
    handler: (_, context) => {
      context.log('a word');
      return { body: 'ok' };
    },
  });
  await using running = await runApp({ logLevel: 'debug' });
  await fetch(`${running.host.url}/api/talks`);
  expect(running.log.find((line) => line.includes('a word'))).toMatch(/warning +\[talks\] a word \(edited\)/);
  expect(running.log.some((line) => line.includes('Executing') && line.includes('(edited)'))).toBe(false);
});

test('durations of a retry policy are rounded to whole seconds by the library', () => {
  app.timer('t', {
    schedule: '0 * * * * *',
    retry: { strategy: 'fixedDelay', delayInterval: 50, maxRetryCount: 1 },
    handler: () => {},
  });
  app.timer('u', {
    schedule: '0 * * * * *',
    retry: { strategy: 'fixedDelay', delayInterval: { minutes: 1, milliseconds: 600 }, maxRetryCount: 1 },
    handler: () => {},
  });
  const [t, u] = [...appState().functions.values()].map((fn) => fn.metadata.retryOptions?.delayInterval);
  expect([t, u]).toEqual([{ seconds: 0 }, { seconds: 61 }]);
});

test('what the host does not have is refused at the start, naming function and type', async () => {
  app.storageQueue('worker', { queueName: 'q', connection: 'C', handler: () => {} });
  await expect(runApp()).rejects.toThrow('Function "worker": the local host has no in binding of type "queueTrigger"');
  emptyApp();
  app.http('writes', {
    ...ok,
    extraOutputs: [output.generic({ type: 'sendGrid', name: 'mail' })],
  });
  await expect(runApp()).rejects.toThrow('Function "writes": the local host has no out binding of type "sendGrid"');
  emptyApp();
  app.http('reads', { ...ok, extraInputs: [input.table({ tableName: 't', connection: 'C' })] });
  await expect(runApp()).rejects.toThrow('Function "reads": the local host has no in binding of type "table"');
});
