import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';

const MAIN = path.join(import.meta.dirname, '../../../local/simulator/main.ts');
/** A port on which nothing listens: refused at once. */
const NOBODY =
  'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=k;UseDevelopmentEmulator=true';

test.each([
  ['no hub', [], /^--connection-string and --event-hub are needed\.\nUsage:/],
  ['a speed that is no number', ['--speed', 'fast'], /^--speed must be a number, not "fast"\.\n$/],
  ['a speed out of range', ['--speed', '0'], /^The simulator's speed must be above 0 and at most 1000, not 0\.\n$/],
  ['a file that is not there', ['--replay', '/no/such.csv'], /^There is no file \/no\/such\.csv to replay\.\n$/],
  ['an unknown option', ['--sped', '2'], /--sped/],
])('%s is said in a sentence, with exit code 1', async (what, args, sentence) => {
  const hub = what === 'no hub' ? [] : ['--connection-string', NOBODY, '--event-hub', 'telemetry'];
  const child = spawn(process.execPath, [MAIN, ...hub, ...args]);
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(err).toMatch(sentence);
  expect(err).not.toMatch(/\n +at /);
  expect(code).toBe(1);
});

test('Ctrl-C ends it while the hub is away', async () => {
  const child = spawn(process.execPath, [MAIN, '--connection-string', NOBODY, '--event-hub', 'telemetry']);
  const exited = once(child, 'exit');
  const out = text(child.stdout);
  await once(child.stderr, 'data');
  child.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
  expect(await out).toBe('11 devices send to telemetry. Ctrl-C stops.\n0 messages sent.\n');
});
