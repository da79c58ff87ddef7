/** A temporary function app folder (host.json, local.settings.json) with a data folder beside it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface AppFolder extends Disposable {
  path: string;
  dataFolder: string;
}

/** Made at once, removed by `using` or `[Symbol.dispose]()`. */
export function appFolder(hostJson: object = {}, localSettings?: object): AppFolder {
  const path = mkdtempSync(join(tmpdir(), 'sluice-app-'));
  writeFileSync(join(path, 'host.json'), JSON.stringify({ version: '2.0', ...hostJson }));
  if (localSettings !== undefined) writeFileSync(join(path, 'local.settings.json'), JSON.stringify(localSettings));
  return {
    path,
    dataFolder: join(path, 'data'),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
