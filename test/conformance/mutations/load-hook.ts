/** Loaded by `--import`: puts the mutation that SLUICE_MUTATION names into its file while Node loads it. */
import { registerHooks } from 'node:module';
import { MUTATIONS } from './list.ts';
import { mutate } from './mutation.ts';

const id = process.env['SLUICE_MUTATION'] ?? '';
const mutation = MUTATIONS.find((each) => each.id === id);
if (mutation === undefined) throw new Error(`There is no mutation '${id}'.`);
const url = new URL(`../../../${mutation.file}`, import.meta.url).href;

registerHooks({
  load: (wanted, context, nextLoad) => {
    const loaded = nextLoad(wanted, context);
    if (wanted !== url) return loaded;
    // Text or bytes, as Node pleases.
    const source = Buffer.from(loaded.source as string | Uint8Array).toString('utf8');
    return { ...loaded, source: mutate(mutation, source) };
  },
});
