/** Which room may import which: the picture in docs/architecture.md, held against the code. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Rooms of shared/ by floor, lowest first. A room may import every room of a lower floor. */
const FLOORS = [
  ['config', 'observability', 'azure'],
  ['store', 'http'],
  ['telemetry', 'devices', 'rules', 'anomalies', 'alerts', 'applications', 'identity', 'journal', 'notifications'],
  ['ingest', 'stream', 'oauth', 'actions', 'manage'],
];

/** Imports within a floor: one way only. */
const SAME_FLOOR: Record<string, string[]> = {
  azure: ['config', 'observability'],
  http: ['store'],
  identity: [],
  telemetry: [],
  anomalies: [],
  rules: ['telemetry', 'identity'],
  alerts: ['rules', 'telemetry'],
  devices: ['telemetry', 'identity'],
  applications: ['devices', 'identity'],
  notifications: ['alerts', 'rules', 'identity', 'telemetry'],
  journal: ['telemetry', 'alerts', 'anomalies'],
};

interface Import {
  file: string;
  target: string;
}

function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?ts$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
}

/** Relative imports of a file, static and dynamic, as paths from the root. */
function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/(?:\bfrom|\bimport\()\s*'(\.{1,2}\/[^']+)'/g)].map(([, specifier = '']) => ({
    file,
    target: path.join(path.dirname(file), specifier),
  }));
}

function roomOf(file: string): string | undefined {
  const [top, room] = file.split(path.sep);
  return top === 'shared' ? room?.replace(/\.ts$/, '') : undefined;
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const [fromFloor, toFloor] = [from, to].map((room) => FLOORS.findIndex((floor) => floor.includes(room)));
  if (fromFloor === undefined || toFloor === undefined || fromFloor < 0 || toFloor < 0) return false;
  return fromFloor === toFloor ? (SAME_FLOOR[from] ?? []).includes(to) : fromFloor > toFloor;
}

describe('floors', () => {
  const shared = sources('shared').flatMap(importsOf);

  test('every room of shared/ stands on a floor', () => {
    const unknown = new Set(
      sources('shared')
        .map(roomOf)
        .filter((room) => room !== undefined && !FLOORS.flat().includes(room)),
    );
    expect([...unknown]).toEqual([]);
  });

  test('rooms import only downwards, flows never one another', () => {
    const wrong = shared.filter(({ file, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      return from !== undefined && to !== undefined && !mayImport(from, to);
    });
    expect(wrong).toEqual([]);
  });

  test('the table itself goes one way only', () => {
    const both = Object.entries(SAME_FLOOR).flatMap(([from, targets]) =>
      targets.filter((to) => SAME_FLOOR[to]?.includes(from)).map((to) => `${from} <-> ${to}`),
    );
    expect(both).toEqual([]);
  });

  test.each([
    ['shared', ['functions', 'local', 'test', 'bench', 'scripts']],
    ['local', ['functions', 'shared', 'test', 'bench', 'scripts']],
    ['functions', ['local', 'test', 'bench', 'scripts']],
  ])('%s imports nothing of %j', (folder, forbidden) => {
    const wrong = sources(folder)
      .flatMap(importsOf)
      .filter(({ target }) => forbidden.includes(target.split(path.sep)[0] ?? ''));
    expect(wrong).toEqual([]);
  });

  test('only shared/azure makes SDK clients, and only config reads the environment', () => {
    const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
    const makers = sources('shared').filter((file) =>
      /new (CosmosClient|WebPubSubServiceClient|WebPubSubClient|EventHub\w+Client)\b/.test(text(file)),
    );
    expect(makers.filter((file) => roomOf(file) !== 'azure')).toEqual([]);
    const readers = [...sources('shared'), ...sources('functions')].filter((file) =>
      /\bprocess\.env\b/.test(text(file)),
    );
    expect(readers.filter((file) => file !== path.join('shared', 'config.ts'))).toEqual([]);
  });
});
