/** Stands for the worker's module in Jest, where `module.registerHooks` does not exist: jest.config.ts maps to it. */
export {
  Disposable,
  getProgrammingModel,
  hostVersion,
  log,
  registerFunction,
  registerHook,
  setProgrammingModel,
  version,
} from '../../local/host/core/functions-core.ts';
