/** Arguments in; which of claude-flow's modules answers them, started in this process. */

import { fileURLToPath } from 'node:url';
import { importInTemporaryFolder, isWritable } from './environment.js';

/** claude-flow's modules that are started or prepared from here; the bundle traces them. */
export const MODULES = Object.freeze({
  dispatcher: 'claude-flow/bin/claude-flow.js',
  commands: 'claude-flow/src/cli/simple-cli.js',
  metrics: 'claude-flow/src/cli/simple-commands/performance-metrics.js',
});

/**
 * The module that answers `args`, and the arguments it is given. The dispatcher answers version questions by itself; for
 * all else it would start a second `node`, so its choice is made here instead.
 *
 * @param {readonly string[]} args arguments of the command line
 * @returns {{module: string, args: readonly string[]}} a value of MODULES and its arguments
 */
export function route(args) {
  if (args.some((arg) => arg === '--version' || arg === '-v')) return { module: MODULES.dispatcher, args };
  return { module: MODULES.commands, args: args.length > 0 ? args : ['--help'] };
}

/**
 * Runs claude-flow in this process.
 *
 * @param {NodeJS.Process} proc the process; its `argv` becomes that of the module
 * @param {(specifier: string) => string} resolve module name to file URL
 * @returns {Promise<void>} settled when the command's own main function is
 */
export async function launch(proc, resolve) {
  const { module, args } = route(proc.argv.slice(2));
  const url = resolve(module);
  // The module starts its main function only where it is the script that node was given.
  proc.argv = [proc.execPath, fileURLToPath(url), ...args];
  // Metrics go to the working folder from the moment they are loaded: a read-only one costs an error for every command.
  if (module === MODULES.commands && !isWritable(proc.cwd())) {
    await importInTemporaryFolder(resolve(MODULES.metrics), proc);
  }
  await import(url);
}

/**
 * What to print for an error that nothing caught: one line, or all of it where LOG_LEVEL is debug.
 *
 * @param {unknown} error what was thrown
 * @param {NodeJS.ProcessEnv} env the environment
 * @returns {string} text without a line end
 */
export function describeError(error, env) {
  if (!(error instanceof Error)) return `claude-flow: ${String(error)}`;
  if (env.LOG_LEVEL === 'debug') return error.stack ?? error.message;
  return `claude-flow: ${error.message.split('\n', 1)[0]}\nSet LOG_LEVEL=debug to see where it comes from.`;
}
