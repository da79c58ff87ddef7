// What every hook is: it ends well, or with one line and exit code 1.

/** Milliseconds for what was printed to be written. */
const LINGER_MS = 300;

/** A reason not to go on, in one line that says what to do. */
export class Refusal extends Error {}

/**
 * Runs a hook.
 * @param {() => Promise<void> | void} work
 */
export async function hook(work) {
  try {
    await work();
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    console.error(message.replaceAll(/\s+/g, ' ').trim());
    process.exitCode = 1;
  }
  // Whatever still waits, such as a connection that was given up, does not hold the hook.
  setTimeout(() => process.exit(), LINGER_MS).unref();
}
