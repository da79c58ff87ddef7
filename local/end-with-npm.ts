/** npm does not pass on the signal that ends it: what `npm run` started would be left behind, its ports taken. */

/** Milliseconds between two looks for npm. */
const LOOK_MS = 500;

/** Calls back once when npm, which started this process, is gone. Started in any other way, a process may outlive its parent. */
export function endWithNpm(gone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const npm = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  timer.unref();
}
