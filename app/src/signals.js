/**
 * Signals to exit codes: 128 + the signal's number, also as process 1 of a container, for which the kernel has no
 * default action.
 */

/** The exit code of each signal that ends the tool. */
export const EXIT_CODES = Object.freeze({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 });

/**
 * Ends `proc` on SIGHUP, SIGINT and SIGTERM: at once, or within `graceMs` where the running command handles the signal
 * itself. A second signal ends it at once. Whatever code the command then asks for, the signal's own is what is returned.
 *
 * @param {NodeJS.Process} proc the process, or anything with its events and `exit`
 * @param {{graceMs?: number}} [options] milliseconds a command's own handlers have to finish
 */
export function exitOnSignals(proc, { graceMs = 2000 } = {}) {
  let code;
  for (const [signal, own] of Object.entries(EXIT_CODES)) {
    proc.on(signal, () => {
      if (code !== undefined) {
        proc.exit(code);
        return;
      }
      code = own;
      // `exit` listeners have the last word: a command that saves its state and exits 0 was still interrupted.
      proc.prependListener('exit', () => {
        proc.exitCode = code;
      });
      if (proc.listenerCount(signal) === 1) proc.exit(code);
      else setTimeout(() => proc.exit(code), graceMs).unref();
    });
  }
}
