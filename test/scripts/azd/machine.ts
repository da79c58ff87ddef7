/** A machine as a hook meets it: a PATH of its own, with stand-ins for the Azure CLI and azd, and a folder to work in. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What a program answers, by how its arguments begin; or how it misbehaves. */
type Program = Record<string, string> | 'hangs' | 'fails';

/** How a hook ended. */
interface HookRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** See the top of the file. */
export class Machine implements Disposable {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-hook-'));
  readonly #bin = path.join(this.folder, 'bin');

  constructor(programs: Record<string, Program>) {
    mkdirSync(this.#bin);
    copyFileSync(path.join(root, 'local.settings.sample.json'), path.join(this.folder, 'local.settings.sample.json'));
    for (const [name, program] of Object.entries(programs)) this.#install(name, program);
  }

  #install(name: string, program: Program): void {
    const file = path.join(this.#bin, name);
    const source =
      `const args = process.argv.slice(2).join(' ');\n` +
      `require('node:fs').appendFileSync(${JSON.stringify(`${file}.calls`)}, args + '\\n');\n` +
      (program === 'hangs'
        ? 'setInterval(() => {}, 1000);\n'
        : program === 'fails'
          ? "console.error('ERROR: Please run az login\\nand more'); process.exit(1);\n"
          : `const found = Object.entries(${JSON.stringify(program)}).find(([start]) => args.startsWith(start));\n` +
            `if (!found) { console.error('unexpected: ' + args); process.exit(2); }\nconsole.log(found[1]);\n`);
    writeFileSync(file, `#!${process.execPath}\n${source}`);
    chmodSync(file, 0o755);
  }

  /** What a program was called with. */
  calls(name: string): string[] {
    const file = path.join(this.#bin, `${name}.calls`);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Runs a hook in the folder, with these variables and no others. */
  async run(hook: string, variables: Record<string, string>): Promise<HookRun> {
    const child = spawn(process.execPath, [path.join(root, 'scripts/azd', hook)], {
      cwd: this.folder,
      env: { ...variables, PATH: this.#bin },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
