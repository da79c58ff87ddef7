/**
 * Brings the clients of other languages: Microsoft's Python SDKs for Event Hubs and Cosmos DB and Apache Qpid Proton as Debian packages,
 * unpacked rather than installed, and programs on the .NET clients from NuGet. All of it lands in build/foreign.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = path.join(root, 'build/foreign');
/** The clients, and what they import beyond Python's own library. */
const PACKAGES =
  'python3-azure python3-azure-cosmos python3-qpid-proton libqpid-proton11 python3-typing-extensions python3-requests python3-urllib3 ' +
  'python3-certifi python3-charset-normalizer python3-chardet python3-idna python3-six python3-isodate';

/** Where they are unpacked; another list of packages goes to another folder. */
const debian = path.join(build, `debian-${createHash('sha256').update(PACKAGES).digest('hex').slice(0, 8)}`);

/** Of python3-azure, half a gigabyte with every client of Azure, only these are unpacked. */
const AZURE_PARTS = ['__init__.py', 'core', 'eventhub'].map((part) => `./usr/lib/python3/dist-packages/azure/${part}`);

const runs = (command: string, args: readonly string[], cwd = root): boolean =>
  spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'ignore'] }).status === 0;

function download(folder: string): boolean {
  const get = (): boolean => runs('apt-get', ['download', ...PACKAGES.split(' ')], folder);
  // A fresh machine has no package lists; only root may fetch them.
  return get() || (runs('apt-get', ['update']) && get());
}

function unpack(file: string, into: string): boolean {
  if (!path.basename(file).startsWith('python3-azure_')) return runs('dpkg-deb', ['-x', file, into]);
  const tar = `dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" ${AZURE_PARTS.join(' ')}`;
  return runs('bash', ['-o', 'pipefail', '-c', tar, file, into]);
}

/** Environment in which `python3` finds both clients; undefined when this is no Debian that has them. */
export function pythonClients(): Record<string, string> | undefined {
  if (!existsSync(debian)) {
    const fresh = `${debian}.new`;
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    if (!download(fresh)) return undefined;
    const files = readdirSync(fresh).filter((file) => file.endsWith('.deb'));
    if (!files.every((file) => unpack(path.join(fresh, file), fresh))) return undefined;
    renameSync(fresh, debian);
  }
  const [libraries = ''] = readdirSync(path.join(debian, 'usr/lib')).filter((name) => name.endsWith('-linux-gnu'));
  return {
    PYTHONPATH: path.join(debian, 'usr/lib/python3/dist-packages'),
    LD_LIBRARY_PATH: path.join(debian, 'usr/lib', libraries),
  };
}

/** A program on a .NET client, by its folder in test/foreign and its name, built; undefined without the .NET SDK. */
export function dotnetProgram(folder: string, name: string): string | undefined {
  const program = path.join(build, folder, `${name}.dll`);
  return runs('dotnet', ['build', `test/foreign/${folder}`, '-v', 'q', '--nologo']) ? program : undefined;
}
