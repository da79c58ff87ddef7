import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { Terminal } from '../../local/terminal.ts';

const CLEAR = '\r\u001b[2K';

/** A terminal of 20 columns, or a pipe, and what was written to it. */
function screen({ isTTY }: { isTTY: boolean }) {
  const written: string[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 20 });
  stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  const output = stream as unknown as NodeJS.WriteStream;
  return { terminal: new Terminal(output, output), text: () => written.join('') };
}

test('a line that stays goes above the line that is refreshed', () => {
  const { terminal, text } = screen({ isTTY: true });
  terminal.status('events 1');
  terminal.complain('The host died.');
  expect(text()).toBe(`${CLEAR}events 1${CLEAR}The host died.\n${CLEAR}events 1`);
});

test('the refreshed line is cut before it wraps, not drawn twice, and gone when it ends', () => {
  const { terminal, text } = screen({ isTTY: true });
  terminal.status('a line longer than the screen');
  terminal.status('a line longer than the screen');
  terminal.status('');
  terminal.print('Stopped.');
  expect(text()).toBe(`${CLEAR}a line longer than ${CLEAR}Stopped.\n`);
});

test('without a terminal there are plain lines and no control characters', () => {
  const { terminal, text } = screen({ isTTY: false });
  terminal.status('events 1');
  terminal.print('Sluice is running.');
  terminal.complain('The host died.');
  expect(text()).toBe('Sluice is running.\nThe host died.\n');
});
