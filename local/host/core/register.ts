/**
 * Supplies `@azure/functions-core` to `require`, as the worker on Azure does. An ESM `import` of it stays unresolved, also
 * as on Azure: product code that imports it would work here and fail there.
 */
import { registerHooks } from 'node:module';

const CORE = new URL('./functions-core.ts', import.meta.url).href;

/** Installs the hook; must run before the first function file is loaded, because the library caches what it finds. */
export function supplyFunctionsCore(): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === '@azure/functions-core' && context.conditions.includes('require')) {
        return { url: CORE, format: 'module', shortCircuit: true };
      }
      return nextResolve(specifier, context);
    },
  });
}
