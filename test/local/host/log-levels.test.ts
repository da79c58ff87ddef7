import { app } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { compileLogLevels, logLevelRules } from '../../../local/host/config/log-levels.ts';
import { emptyApp, runApp } from '../../support/functions-app.ts';

beforeEach(emptyApp);

const levelsOf = (rules: object) => compileLogLevels(logLevelRules.parse(rules));

test('the longest matching category decides, in any case; information when nothing says otherwise', () => {
  const levelOf = levelsOf({
    default: 'Warning',
    Function: 'Error',
    'function.A': 'Trace',
    'Function.*.User': 'Debug',
  });
  expect(levelOf('Host.General')).toBe('warning');
  expect(levelOf('Function.B')).toBe('error');
  expect(levelOf('Function.A')).toBe('trace');
  expect(levelOf('Function.B.User')).toBe('debug');
  expect(levelsOf({})('Anything')).toBe('information');
});

test('host.json keeps categories quiet: the app speaks, the host does not', async () => {
  app.http('web', {
    handler: (_, context) => {
      context.log('from the app');
      context.debug('too much detail');
      return {};
    },
  });
  app.http('quiet', {
    handler: (_, context) => {
      context.warn('not wanted');
      context.error('wanted');
      return {};
    },
  });
  await using running = await runApp({
    logLevel: 'trace',
    hostJson: {
      logging: { logLevel: { default: 'None', 'Function.web.User': 'Information', 'Function.quiet.User': 'Error' } },
    },
  });
  await fetch(`${running.host.url}/api/web`);
  await fetch(`${running.host.url}/api/quiet`);
  expect(running.log.map((line) => line.replace(/^\S+ /, ''))).toEqual([
    'information [web] from the app',
    'error       [quiet] wanted',
  ]);
});

test('a level that does not exist is named at the start', async () => {
  await expect(runApp({ hostJson: { logging: { logLevel: { default: 'Loud' } } } })).rejects.toThrow(
    /logging\.logLevel\.default: must be one of trace, debug/,
  );
});
