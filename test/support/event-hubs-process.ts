/** Runs the Event Hubs stand-in alone in a process, so that a test can kill it: `node event-hubs-process.ts FOLDER PORT`. */
import { startEventHubs } from '../../local/event-hubs/event-hubs.ts';

const [dataDir, port] = process.argv.slice(2);
const server = await startEventHubs({
  hubs: [{ name: 'telemetry', partitionCount: 4, retentionHours: 24, consumerGroups: ['ingest'] }],
  dataDir,
  port: Number(port ?? 0),
});
process.send?.(server.connectionString);
