/** Programs of the system that some suites need: Debian packages that .ci/run installs. */
import { accessSync, constants } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';

/**
 * Where a program is; undefined where it is not installed, and then its suite is left out with a notice.
 * @throws Error where REQUIRE_PROGRAMS is set: in CI a suite that silently does nothing is a failure
 */
export function findProgram(...names: string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin'];
  const found = names.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isExecutable);
  if (found !== undefined) return found;
  const notice = `None of ${names.join(', ')} is installed`;
  if (process.env['REQUIRE_PROGRAMS']) throw new Error(`${notice}, and REQUIRE_PROGRAMS is set.`);
  process.stderr.write(`${notice}: what needs it is left out.\n`);
  return undefined;
}

/** A port that nothing listens at, for programs that cannot choose one. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
