/** `node local/simulator/main.ts --connection-string … --event-hub …`: the simulator alone, against any Event Hub. */
import { parseArgs } from 'node:util';
import { loadFleet } from './fleet.ts';
import { startSimulator } from './simulator.ts';

const USAGE = `Usage: node local/simulator/main.ts --connection-string CS --event-hub NAME [options]
  --replay FILE   a CSV with a time column instead of the weather stations
  --speed N       times faster than one reading per device and second (default 1, at most 1000)
  --chaos         late, repeated, reordered and malformed messages, silence, a wrong clock
  --seed N        makes chaos repeatable (default 1)`;

/** A number of the command line. @throws {Error} naming the option */
function numberOption(name: string, text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(number)) throw new Error(`--${name} must be a number, not "${text}".`);
  return number;
}

function start(): void {
  const { values } = parseArgs({
    options: {
      'connection-string': { type: 'string' },
      'event-hub': { type: 'string' },
      replay: { type: 'string' },
      speed: { type: 'string' },
      chaos: { type: 'boolean', default: false },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const connectionString = values['connection-string'];
  const eventHub = values['event-hub'];
  if (!connectionString || !eventHub) throw new Error(`--connection-string and --event-hub are needed.\n${USAGE}`);
  const fleet = loadFleet(values.replay === undefined ? {} : { replay: values.replay });
  let troubled = false;
  const simulator = startSimulator({
    connectionString,
    eventHub,
    fleet,
    speed: numberOption('speed', values.speed, 1),
    seed: numberOption('seed', values.seed, 1),
    chaos: values.chaos,
    onSent: () => {
      if (troubled) console.error('The hub is back.');
      troubled = false;
    },
    onTrouble: (error) => {
      if (!troubled) console.error(`The hub does not accept messages: ${messageOf(error)}. Trying again.`);
      troubled = true;
    },
  });
  console.log(`${fleet.devices.length} devices send to ${eventHub}. Ctrl-C stops.`);
  const stop = async (): Promise<void> => {
    await simulator.stop();
    console.log(`${simulator.sent} messages sent.`);
    // A connection that broke in the last moment can leave timers behind that would keep the process alive.
    process.exit();
  };
  process.once('SIGINT', () => void stop());
  process.once('SIGTERM', () => void stop());
}

function messageOf(error: unknown): string {
  return Error.isError(error) ? error.message : String(error);
}

try {
  start();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
