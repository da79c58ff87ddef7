/** A local Cosmos DB in a process of its own, so that a test can kill it: `node cosmos-process.ts DIR` prints its endpoint. */
import { startCosmos } from '../../local/cosmos/cosmos.ts';

try {
  const { endpoint } = await startCosmos({
    dataDir: String(process.argv[2]),
    kill: () => process.kill(process.pid, 'SIGKILL'),
  });
  process.stdout.write(`${endpoint}\n`);
} catch (error) {
  process.stderr.write(Error.isError(error) ? error.message : String(error));
  process.exitCode = 1;
}
