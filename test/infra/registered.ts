/** Prints the names of the functions that an entry file registers, as JSON: what the host would index. */
import { appState } from '../../local/host/core/app-state.ts';
import { supplyFunctionsCore } from '../../local/host/core/register.ts';
import { loadApp } from '../../local/host/worker.ts';

supplyFunctionsCore();
await loadApp('.', process.argv[2] ?? '');
const names = [...appState().functions.values()].map(({ metadata }) => metadata.name).toSorted();
process.stdout.write(JSON.stringify(names), () => process.exit());
