/** A fault of configuration that ends the start with one clear message, exit code 1 and no stack trace. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}
