/**
 * The simulated fleet: which devices there are and the recorded measurements that each of them repeats for ever.
 * Without a file it is eleven weather stations, whose data the npm package `vega-datasets` ships.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readReplay, slug, toSeries } from './replay-file.ts';
import type { RecordedDevice } from './replay-file.ts';
import type { Series } from './series.ts';

/** A device as it has to be registered before its telemetry is accepted. */
interface FleetDevice {
  id: string;
  name: string;
  /** Ids of the groups that it belongs to. */
  groups: string[];
}

interface FleetGroup {
  id: string;
  name: string;
}

export interface Fleet {
  devices: FleetDevice[];
  groups: FleetGroup[];
  /** What each device sends, by device id. */
  series: ReadonlyMap<string, Series>;
}

export interface FleetOptions {
  /** A CSV file with a time column; without it the weather stations. */
  replay?: string;
}

/**
 * Loads the recorded measurements.
 * @throws {Error} with one sentence for people when the file is missing, has no time column, no rows or is no CSV
 */
export function loadFleet({ replay }: FleetOptions = {}): Fleet {
  return replay === undefined ? weatherStations() : replayed(replay);
}

function replayed(file: string): Fleet {
  const { name, devices } = readReplay(file);
  const group = { id: slug(name), name };
  return {
    devices: devices.map((device) => ({ id: device.id, name: device.name, groups: [group.id] })),
    groups: [group],
    series: new Map(devices.map((device) => [device.id, toSeries(device)])),
  };
}

/** Stations per city; each repeats the same recorded years, starting one year after the one before it. */
const DAILY_STATIONS = 4;
/** Days by which the stations of a city are apart. */
const DAILY_OFFSET_ROWS = 365;
/** Stations that repeat the hourly climate of Seattle, each starting a third of a year after the one before it. */
const HOURLY_STATIONS = 3;
const HOURLY_OFFSET_ROWS = 2920;

const DAILY_GROUP = { id: 'daily-stations', name: 'Stations with daily extremes' };
const HOURLY_GROUP = { id: 'hourly-stations', name: 'Stations with hourly values' };

/**
 * Daily observations of Seattle and New York, 2012 to 2015 (precipitation mm, temperatures C, wind m/s, weather in a
 * word), and the hourly climate of Seattle (pressure hPa, temperature C, wind m/s; means of thirty recorded years).
 */
function weatherStations(): Fleet {
  const daily = readReplay(datasetPath('weather.csv')).devices;
  const hourly = readReplay(datasetPath('seattle-weather-hourly-normals.csv')).devices;
  const fleet = { devices: [] as FleetDevice[], groups: [] as FleetGroup[], series: new Map<string, Series>() };
  const add = (recorded: RecordedDevice, station: string, number: number, offset: number, groups: string[]): void => {
    const id = `${slug(station)}-${number}`;
    fleet.devices.push({ id, name: `${station} ${number}`, groups });
    fleet.series.set(id, { ...toSeries(recorded), first: (number - 1) * offset });
  };
  for (const city of daily) {
    const group = { id: city.id, name: city.name };
    fleet.groups.push(group);
    for (let n = 1; n <= DAILY_STATIONS; n++) add(city, city.name, n, DAILY_OFFSET_ROWS, [group.id, DAILY_GROUP.id]);
  }
  for (const recorded of hourly) {
    for (let n = 1; n <= HOURLY_STATIONS; n++) add(recorded, 'Climate', n, HOURLY_OFFSET_ROWS, [HOURLY_GROUP.id]);
  }
  fleet.groups.push(DAILY_GROUP, HOURLY_GROUP);
  return fleet;
}

/** @throws {Error} when the development dependencies are not installed */
function datasetPath(name: string): string {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve('vega-datasets'));
    readFileSync(entry);
  } catch (cause) {
    throw new Error('The recorded weather data is missing: run "npm ci" without --omit=dev, or give --replay FILE.', {
      cause,
    });
  }
  return fileURLToPath(new URL(`../data/${name}`, `file://${entry}`));
}
