/** `npm run cost`: what a month in Azure would cost for so many devices and streams. */
import { COST_USAGE, readSize, report } from './cost/report.ts';

try {
  const size = readSize(process.argv.slice(2));
  console.log(size ? report(size) : COST_USAGE);
} catch (error) {
  console.error(Error.isError(error) ? error.message.split('\n')[0] : error);
  process.exitCode = 1;
}
