/**
 * Loaded by `--import`: puts the bug that SLUICE_PLANTED names into its file while Node loads it. The oracle gets the
 * product's files as they are: for it each is loaded a second time.
 */
import { registerHooks } from 'node:module';
import { mutate } from '../../conformance/mutations/mutation.ts';
import { PLANTED } from './list.ts';

const id = process.env['SLUICE_PLANTED'] ?? '';
const planted = PLANTED.find((each) => each.id === id);
if (planted === undefined) throw new Error(`There is no planted bug '${id}'.`);
const root = new URL('../../../', import.meta.url).href;
const url = `${root}${planted.file}`;
const oracle = new URL('../oracle.ts', import.meta.url).href;
const PRISTINE = '?pristine';

registerHooks({
  resolve: (specifier, context, nextResolve) => {
    const resolved = nextResolve(specifier, context);
    const isForOracle = context.parentURL === oracle || context.parentURL?.endsWith(PRISTINE) === true;
    const isProduct = resolved.url.startsWith(`${root}shared/`) && resolved.url.endsWith('.ts');
    return isForOracle && isProduct ? { ...resolved, url: resolved.url + PRISTINE } : resolved;
  },
  load: (wanted, context, nextLoad) => {
    const loaded = nextLoad(wanted, context);
    if (wanted !== url) return loaded;
    // Text or bytes, as Node pleases.
    const source = Buffer.from(loaded.source as string | Uint8Array).toString('utf8');
    return { ...loaded, source: mutate(planted, source) };
  },
});
