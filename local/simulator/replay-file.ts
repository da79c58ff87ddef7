/** Reads a CSV of recorded measurements: finds its time column, its device column if it has one, and its parameters. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { parseTime } from './recorded-time.ts';
import { chooseWrap } from './series.ts';
import type { Readings, Series } from './series.ts';

/** Bytes of a file to replay: it is held in memory. */
const REPLAY_BYTES_MAX = 256 * 1024 * 1024;
/** Devices that one file may describe. */
const DEVICES_MAX = 1000;
/** Parameters that one device may send in one event. */
const PARAMETERS_MAX = 64;
/** Characters of a parameter name, of a text value and of a device id. */
const NAME_CHARS_MAX = 64;
const TEXT_CHARS_MAX = 256;
const ID_CHARS_MAX = 128;
/** Longest pause that is kept, in multiples of the usual interval: a recording with a hole in it must not fall silent. */
const GAP_MAX = 10;

/** Names of time columns, best first; spelling is compared without case, spaces and punctuation. */
const TIME_NAMES = ['timestamp', 'datetime', 'ts', 'time', 'date', 'utc', 'epoch', 'day'];
const TIME_ENDINGS = /(timestamp|datetime|time|date|at|utc)$/;
/** Names of device columns, best first. */
const DEVICE_NAMES = [
  'deviceid',
  'device',
  'stationid',
  'station',
  'sensorid',
  'sensor',
  'location',
  'city',
  'site',
  'machineid',
  'machine',
  'host',
  'unit',
];
/** Cells that mean "not measured". */
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '-', '?']);

export interface RecordedDevice {
  id: string;
  name: string;
  /** Epoch milliseconds, ascending. */
  times: number[];
  rows: Readings[];
}

interface Layout {
  /** Indices of the columns that together give the time: one, or a date and a time of day. */
  time: number[];
  device: number | undefined;
  parameters: { column: number; name: string }[];
}

/**
 * Reads a file.
 * @throws {Error} with one sentence that names the file and what is wrong with it
 */
export function readReplay(file: string): { name: string; devices: RecordedDevice[] } {
  const name = path.basename(file).replace(/\.[^.]*$/, '') || 'replay';
  const [header, ...records] = readRecords(file);
  if (!header) throw new Error(`${file} is empty; a CSV with a header line is needed.`);
  const layout = readHeader(file, header);
  if (records.length === 0) throw new Error(`${file} has a header but no rows.`);

  const devices = new Map<string, RecordedDevice>();
  for (const [index, record] of records.entries()) {
    const at = parseTime(layout.time.map((column) => record[column] ?? '').join(' '));
    if (at === undefined) {
      const column = layout.time.map((place) => header[place]).join(' and ');
      throw new Error(`${file}, row ${index + 2}: "${cut(record[layout.time[0] ?? 0])}" in ${column} is not a time.`);
    }
    const label = layout.device === undefined ? name : record[layout.device]?.trim() || name;
    const id = slug(label);
    let device = devices.get(id);
    if (!device) devices.set(id, (device = { id, name: label.slice(0, ID_CHARS_MAX), times: [], rows: [] }));
    const readings = readCells(record, layout);
    if (Object.keys(readings).length === 0) continue;
    device.times.push(at);
    device.rows.push(readings);
  }
  if (devices.size > DEVICES_MAX) {
    throw new Error(`${file} describes ${devices.size} devices; at most ${DEVICES_MAX} can be replayed.`);
  }
  const useful = [...devices.values()].filter((device) => device.rows.length > 0);
  if (useful.length === 0) throw new Error(`${file} has no values beside its time column.`);
  return { name, devices: useful.map(sortByTime) };
}

/** A recording as it is repeated: the values in order, and how the pauses between them compare. */
export function toSeries({ times, rows }: RecordedDevice): Series {
  const pauses = times.map((time, index) => (times[index + 1] ?? time) - time);
  const usual = pauses.filter((pause) => pause > 0).toSorted((a, b) => a - b);
  const median = usual[usual.length >> 1] ?? 1;
  const gaps = pauses.map((pause) => (pause > 0 ? Math.min(pause / median, GAP_MAX) : 1));
  return { rows, gaps, first: 0, wrap: chooseWrap(rows) };
}

/** A text as an id: lower-case letters, digits, dots, underscores and dashes. */
export function slug(text: string): string {
  const id = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, ID_CHARS_MAX);
  return id || 'device';
}

function readRecords(file: string): string[][] {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new Error(`There is no file ${file} to replay.`);
  if (size > REPLAY_BYTES_MAX)
    throw new Error(`${file} has ${size} bytes; at most ${REPLAY_BYTES_MAX} can be replayed.`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`Cannot read ${file}: ${Error.isError(cause) ? cause.message : String(cause)}.`, { cause });
  }
  try {
    return parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (cause) {
    throw new Error(`${file} is not a CSV: ${Error.isError(cause) ? cause.message : String(cause)}.`, { cause });
  }
}

function readHeader(file: string, header: string[]): Layout {
  const plain = header.map((title) => title.toLowerCase().replace(/[^a-z0-9]/g, ''));
  const find = (names: string[]): number | undefined =>
    names.map((wanted) => plain.indexOf(wanted)).find((column) => column >= 0);
  let time = find(TIME_NAMES);
  if (time === undefined) {
    const column = plain.findIndex((title) => TIME_ENDINGS.test(title));
    if (column >= 0) time = column;
  }
  if (time === undefined) {
    throw new Error(
      `${file} has no time column; one of its columns (${cut(header.join(', '))}) must be named time, timestamp or date.`,
    );
  }
  const date = plain.indexOf('date');
  const clock = plain.indexOf('time');
  const times = date >= 0 && clock >= 0 && (time === date || time === clock) ? [date, clock] : [time];
  const device = find(DEVICE_NAMES);
  const taken = new Set<string>();
  const parameters = header
    .map((title, column) => ({ title, column }))
    .filter(({ column }) => !times.includes(column) && column !== device)
    .slice(0, PARAMETERS_MAX)
    .map(({ title, column }) => ({ column, name: parameterName(title, column, taken) }));
  if (parameters.length === 0) throw new Error(`${file} has no column beside its time column.`);
  return { time: times, device, parameters };
}

/** A column title as a parameter name: letters, digits, `_`, `.` and `-`, not starting with a digit, unique. */
function parameterName(title: string, column: number, taken: Set<string>): string {
  let name = title
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .replace(/^(?![A-Za-z_])/, '_')
    .slice(0, NAME_CHARS_MAX);
  if (name === '_' || taken.has(name) || name in {}) name = `${name.slice(0, NAME_CHARS_MAX - 8)}_${column + 1}`;
  taken.add(name);
  return name;
}

function readCells(record: string[], layout: Layout): Readings {
  const readings: Readings = {};
  for (const { column, name } of layout.parameters) {
    const cell = record[column] ?? '';
    const lower = cell.toLowerCase();
    if (MISSING.has(lower)) continue;
    const number = Number(cell);
    if (Number.isFinite(number)) readings[name] = number;
    else if (lower === 'true' || lower === 'false') readings[name] = lower === 'true';
    else if (cell.length <= TEXT_CHARS_MAX) readings[name] = cell;
  }
  return readings;
}

function sortByTime(device: RecordedDevice): RecordedDevice {
  const { times, rows } = device;
  const order = times.map((_, index) => index).toSorted((a, b) => (times[a] ?? 0) - (times[b] ?? 0));
  return {
    ...device,
    times: order.map((index) => times[index] ?? 0),
    rows: order.map((index) => rows[index] ?? {}),
  };
}

function cut(text = ''): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
