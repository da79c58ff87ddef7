/** How a server of this benchmark tells its parent what it costs: `{ cpu }` on request, microseconds of processor time. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The client that asks both for tokens. */
export const CLIENT = 'slca_BenchBenchBenchBench12';

/** Listens on a free port, tells the parent what to ask and answers it. */
export function contend(server: Server, path: string, form: Record<string, string>): void {
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.send?.({ url: `http://127.0.0.1:${port}${path}`, form });
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpu: user + system });
  });
  process.on('disconnect', () => process.exit());
}
