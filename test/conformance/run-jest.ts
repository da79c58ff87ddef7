/** One run of Jest over the conformance suites, as a process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs Jest with the conformance configuration.
 * @param output where its report goes: to the terminal, or nowhere
 * @returns its exit code; 0 when every test passed
 */
export async function runJest(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  output: 'inherit' | 'ignore',
): Promise<number> {
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--config=jest.conformance.config.ts',
      ...args,
    ],
    { cwd: ROOT, stdio: ['ignore', output, output], env: { ...process.env, ...environment } },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
