import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Account } from '../../../local/cosmos/containers/account.ts';
import { DatabaseFile } from '../../../local/cosmos/database-file.ts';
import { GroupCommit } from '../../../local/cosmos/protocol/group-commit.ts';
import type { CosmosRequest, CosmosResponse } from '../../../local/cosmos/protocol/message.ts';
import { startCosmosUnderTest } from '../../support/cosmos.ts';

describe('requests that arrive together', () => {
  let file: DatabaseFile;
  beforeEach(() => {
    file = DatabaseFile.open(undefined);
    file.exec('CREATE TABLE written (name TEXT)');
  });
  afterEach(() => file.close());

  const request = (path: string): CosmosRequest => ({ method: 'POST', path, headers: {}, body: '' });
  const written = () => file.all('SELECT name FROM written').map(({ name }) => name);
  /** Whether each request found a transaction begun when it was its turn. */
  const shared: [string, boolean][] = [];
  beforeEach(() => void shared.splice(0));
  /** Groups over a handler that writes the path of each request, or answers 503 when `work` throws. */
  const groups = (work: (path: string) => void = () => {}) =>
    new GroupCommit({ file, account: new Account(file), now: Date.now, ranges: [] }, ({ path }): CosmosResponse => {
      shared.push([path, file.inTransaction]);
      try {
        file.transaction(() => {
          file.run('INSERT INTO written VALUES (?)', path);
          work(path);
        });
        return { status: 201, headers: {}, body: path };
      } catch {
        return { status: 503, headers: {}, body: path };
      }
    });

  test('share a transaction, keep their order, and are answered when it is committed', async () => {
    const group = groups();
    const answers = await Promise.all(
      ['a', 'b', 'c'].map(async (path) => {
        const { body } = await group.run(request(path), 'create');
        return [body, file.inTransaction];
      }),
    );
    expect(answers).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
    ]);
    expect(shared.map(([, within]) => within)).toEqual([true, true, true]);
    expect(written()).toEqual(['a', 'b', 'c']);
  });

  test.each([[1], [2]])('run one by one when SQLite undoes what they share (a fault met %i times)', async (times) => {
    let met = 0;
    const group = groups((path) => {
      if (path !== 'b' || met++ >= times) return;
      file.exec('ROLLBACK');
      throw new Error('database or disk is full');
    });
    const answers = await Promise.all(['a', 'b', 'c'].map((path) => group.run(request(path), 'batch')));
    const survivors = times === 1 ? ['a', 'b', 'c'] : ['a', 'c'];
    expect(answers.filter(({ status }) => status === 201).map(({ body }) => body)).toEqual(survivors);
    expect(written()).toEqual(survivors);
  });

  test('write nothing after SQLite undid what they share, whatever one of them still tries', () => {
    expect(() =>
      file.transaction(() => {
        try {
          file.transaction(() => {
            file.exec('ROLLBACK');
            throw new Error('database or disk is full');
          });
        } catch {
          file.transaction(() => file.run("INSERT INTO written VALUES ('stray')"));
        }
      }),
    ).toThrow('database or disk is full');
    expect(written()).toEqual([]);
  });

  test('leave what changes definitions to a transaction of its own', async () => {
    const group = groups();
    const kinds = [
      ['a', 'create'],
      ['b', 'upsert'],
      ['colls', 'container'],
      ['c', 'patch'],
    ] as const;
    await Promise.all(kinds.map(([path, kind]) => group.run(request(path), kind)));
    expect(shared).toEqual([
      ['a', true],
      ['b', true],
      ['colls', false],
      ['c', false],
    ]);
  });
});

test('a disk that fills up under many at once: whoever was told so is stored, and nobody else', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cosmos-'));
  const cosmos = await startCosmosUnderTest({ dataDir });
  try {
    const container = await cosmos.container();
    cosmos.server.faults.diskFull(true);
    const ids = Array.from({ length: 120 }, (_, index) => `i${index}`);
    const told = await Promise.all(
      ids.map(async (id) => {
        const text = 'x'.repeat(2_000);
        return container.items.create({ id, pk: id, text }).then(
          ({ etag }) => etag,
          (error: { code: number }) => error.code,
        );
      }),
    );
    cosmos.server.faults.diskFull(false);
    const stored = await Promise.all(ids.map(async (id) => (await container.item(id, id).read()).etag));
    expect(told).toContain(503);
    expect(told.map((answer) => (answer === 503 ? undefined : answer))).toEqual(
      stored.map((etag, index) => (told[index] === 503 && etag === undefined ? undefined : etag)),
    );
    expect((await container.items.create({ id: 'after', pk: 'after' })).statusCode).toBe(201);
  } finally {
    await cosmos.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
