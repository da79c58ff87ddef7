import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StateFolder } from '../../local/state-folder.ts';

let root: string;
beforeEach(() => void (root = mkdtempSync(path.join(os.tmpdir(), 'sluice-state-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const LINUX = process.platform === 'linux' ? ['/proc/nope', '/proc/nope/deeper'] : [];

test('a folder is made with what is missing above it, for this user alone', () => {
  const folder = StateFolder.open(path.join(root, 'a', 'b'), false);
  expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  folder.close();
});

test('a folder in use is refused, and free again once closed', () => {
  const folder = StateFolder.open(root, false);
  expect(() => StateFolder.open(root, true)).toThrow(/is in use by another process; stop it/);
  folder.close();
  StateFolder.open(root, false).close();
});

// Below /proc a recursive mkdir of Node never returns.
test.each(['file', 'file/below', ...LINUX])('%s cannot be used, and the sentence says so', (name) => {
  writeFileSync(path.join(root, 'file'), '');
  expect(() => StateFolder.open(path.resolve(root, name), false)).toThrow(/^The state folder \S+ cannot be used: /);
});

test('a lock that is no lock is not taken for another process', () => {
  writeFileSync(path.join(root, 'lock'), 'not a database, though long enough to be taken for one'.repeat(20));
  expect(() => StateFolder.open(root, false)).toThrow(/cannot be used: file is not a database/);
});

test('--fresh empties what is ours and nothing else', () => {
  mkdirSync(path.join(root, 'cosmos'));
  writeFileSync(path.join(root, 'mine.txt'), '');
  StateFolder.open(root, true).close();
  expect([existsSync(path.join(root, 'cosmos')), existsSync(path.join(root, 'mine.txt'))]).toEqual([false, true]);
});
