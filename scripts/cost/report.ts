/** The estimate as text, and the command line that asks for it. */
import { parseArgs } from 'node:util';
import { estimate, type Size } from './model.ts';

/** The help text of `npm run cost`. */
export const COST_USAGE = `npm run cost -- --devices N --every S [--streams K]

  --devices N  devices that send, 1 to 10,000,000
  --every S    seconds between two events of a device, 0.1 to 86,400
  --streams K  streams that are open all month (default 0), at most 1,000,000
  --help`;

const RULES = {
  devices: { min: 1, max: 10_000_000, whole: true },
  every: { min: 0.1, max: 86_400, whole: false },
  streams: { min: 0, max: 1_000_000, whole: true },
};

/**
 * Reads the flags.
 * @returns undefined when help was asked for
 * @throws Error with one line that names the flag and its rule
 */
export function readSize(args: string[]): Size | undefined {
  const { values } = parseArgs({
    args,
    options: {
      devices: { type: 'string' },
      every: { type: 'string' },
      streams: { type: 'string', default: '0' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  return {
    devices: flag('devices', values.devices),
    everySeconds: flag('every', values.every),
    streams: flag('streams', values.streams),
  };
}

function flag(name: keyof typeof RULES, given: string | undefined): number {
  const { min, max, whole } = RULES[name];
  const value = given !== undefined && /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    const kind = whole ? 'a whole number' : 'a number';
    throw new Error(
      `--${name} must be ${kind} from ${min} to ${max}, ${given === undefined ? 'and is missing' : `not '${given}'`}.`,
    );
  }
  return value;
}

/** The estimate for people. */
export function report(size: Size): string {
  const { lines, total, assumptions, dominates, lever } = estimate(size);
  const row = (name: string, usd: number, why: string) =>
    `${name.padEnd(22)}${dollars(usd).padStart(9)}  ${why}`.trimEnd();
  return [
    `${size.devices} devices, an event every ${size.everySeconds} s each, ${size.streams} open streams: USD a month`,
    '',
    ...lines.map(({ resource, usd, why }) => row(resource, usd, why)),
    row('total', total, ''),
    '',
    `Most of it: ${dominates.resource} (${Math.round((dominates.usd / total) * 100)} %).`,
    `To lower it: ${lever}`,
    '',
    'Assumed:',
    ...assumptions.map((line) => `- ${line}`),
  ].join('\n');
}

function dollars(usd: number): string {
  return usd.toLocaleString('en-US', { maximumFractionDigits: 0 });
}
