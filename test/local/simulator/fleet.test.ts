import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadFleet } from '../../../local/simulator/fleet.ts';
import type { Fleet } from '../../../local/simulator/fleet.ts';
import type { Series } from '../../../local/simulator/series.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-replay-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function replay(csv: string | Buffer, name = 'pumps.csv'): Fleet {
  const file = path.join(folder, name);
  writeFileSync(file, csv);
  return loadFleet({ replay: file });
}

function seriesOf(fleet: Fleet, id: string): Series {
  const series = fleet.series.get(id);
  if (!series) throw new Error(`no series for ${id}`);
  return series;
}

describe('the weather stations', () => {
  const fleet = loadFleet();

  test('are about ten devices with several parameters each, in groups that exist', () => {
    expect(fleet.devices.length).toBeGreaterThanOrEqual(8);
    expect(fleet.devices.length).toBeLessThanOrEqual(12);
    expect(new Set(fleet.devices.map(({ id }) => id)).size).toBe(fleet.devices.length);
    const groups = new Set(fleet.groups.map(({ id }) => id));
    for (const device of fleet.devices) {
      expect(device.groups.every((group) => groups.has(group))).toBe(true);
      expect(device.groups.length).toBeGreaterThan(0);
      const first = seriesOf(fleet, device.id).rows[0] ?? {};
      expect(Object.keys(first).length).toBeGreaterThanOrEqual(3);
    }
  });

  test('repeat whole years, so that starting again is no jump', () => {
    for (const series of fleet.series.values()) {
      expect(series.wrap).toBe('loop');
      expect(series.rows.length).toBeGreaterThan(1000);
    }
  });

  test('never send the same at the same time', () => {
    const now = fleet.devices.map(({ id }) => {
      const { rows, first } = seriesOf(fleet, id);
      return JSON.stringify(rows.slice(first, first + 20));
    });
    expect(new Set(now).size).toBe(fleet.devices.length);
  });
});

describe('a CSV', () => {
  test('with a device column becomes a device per value, each in order of time', () => {
    const fleet = replay(
      [
        'timestamp,device_id,temp (°C),2nd,running,mode,toString',
        '2026-01-01 00:10:00,Pump A,20.5,1,true,auto,1',
        '2026-01-01 00:00:00,Pump A,20.0,2,FALSE,manual,2',
        '2026-01-01 00:05:00,pump/b,NaN,-3e2,true,,3',
      ].join('\n'),
    );
    expect(fleet.devices).toEqual([
      { id: 'pump-a', name: 'Pump A', groups: ['pumps'] },
      { id: 'pump-b', name: 'pump/b', groups: ['pumps'] },
    ]);
    expect(seriesOf(fleet, 'pump-a').rows).toEqual([
      { temp_C_: 20, _2nd: 2, running: false, mode: 'manual', toString_7: 2 },
      { temp_C_: 20.5, _2nd: 1, running: true, mode: 'auto', toString_7: 1 },
    ]);
    expect(seriesOf(fleet, 'pump-b').rows).toEqual([{ _2nd: -300, running: true, toString_7: 3 }]);
  });

  test.each([
    ['ISO with a zone', '2026-01-01T00:00:00+02:00', '2026-01-01T00:00:30+02:00'],
    ['ISO without', '2026-01-01 00:00', '2026-01-01 00:01'],
    ['dates', '2026-01-01', '2026-01-02'],
    ['epoch seconds', '1767225600', '1767225660'],
    ['epoch milliseconds', '1767225600000', '1767225660000'],
    ['words', 'Jan 1 2026', 'Jan 2 2026'],
  ])('may give times as %s', (_what, first, second) => {
    const series = seriesOf(replay(`Time,x\n${second},2\n${first},1\n`), 'pumps');
    expect(series.rows).toEqual([{ x: 1 }, { x: 2 }]);
  });

  test('may have a byte order mark, Windows line ends, quotes, and date and time in two columns', () => {
    const csv = '\uFEFF"date","time","x"\r\n"2026-01-01","09:00","1,5"\r\n"2026-01-01","08:00","2"\r\n';
    expect(seriesOf(replay(csv), 'pumps').rows).toEqual([{ x: 2 }, { x: '1,5' }]);
  });

  test('keeps its pauses in proportion, but not a hole', () => {
    const at = [0, 60, 120, 300, 360, 100_000, 100_060];
    const csv = `ts,x\n${at.map((second) => `${1767225600 + second},1`).join('\n')}`;
    expect(seriesOf(replay(csv), 'pumps').gaps).toEqual([1, 1, 3, 1, 10, 1, 1]);
  });

  test('that ends far from where it began is played back and forth', () => {
    const csv = `time,x\n${Array.from({ length: 50 }, (_, i) => `2026-01-01T00:${String(i).padStart(2, '0')},${i}`).join('\n')}`;
    expect(seriesOf(replay(csv), 'pumps').wrap).toBe('fold');
  });
});

describe('says in one sentence what is wrong with', () => {
  test.each<[string, string | Buffer, RegExp]>([
    [
      'a file without a time column',
      'a,b\n1,2\n',
      /^\S+ has no time column; one of its columns \(a, b\) must be named/,
    ],
    ['an empty file', '', /is empty; a CSV with a header line is needed\.$/],
    ['a header without rows', 'time,x\n', /has a header but no rows\.$/],
    ['a header with a time alone', 'time\n2026-01-01\n', /has no column beside its time column\.$/],
    ['rows without values', 'time,x\n2026-01-01,\n2026-01-02,NaN\n', /has no values beside its time column\.$/],
    ['a time that is none', 'time,x\n2026-01-01,1\nsoon,2\n', /row 3: "soon" in time is not a time\.$/],
    ['rows of different lengths', 'time,x\n2026-01-01,1,2\n', /is not a CSV: Invalid Record Length/],
    ['an open quote', 'time,x\n"2026-01-01,1\n', /is not a CSV: Quote Not Closed/],
    ['bytes that are no text', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]), /has no time column/],
    [
      'too many devices',
      `time,device,x\n${Array.from({ length: 1001 }, (_, i) => `2026-01-01,d${i},1`).join('\n')}`,
      /describes 1001 devices; at most 1000/,
    ],
  ])('%s', (_what, csv, sentence) => {
    let message = '';
    try {
      replay(csv);
    } catch (error) {
      message = Error.isError(error) ? error.message : '';
    }
    expect(message).toMatch(sentence);
    expect(message).not.toContain('\n');
  });

  test('a file that is not there, and a folder', () => {
    expect(() => loadFleet({ replay: path.join(folder, 'nothing.csv') })).toThrow(/^There is no file .*nothing\.csv/);
    expect(() => loadFleet({ replay: folder })).toThrow(/^Cannot read /);
  });
});
