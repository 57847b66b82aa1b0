/** What a container may lack: node on PATH, HOME, PWD, a working folder that can be written. */

import { accessSync, constants, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/**
 * PATH with the interpreter's folder at its end, so that commands find `node` in images that keep it elsewhere.
 *
 * @param {string | undefined} path PATH as it is
 * @param {string} execPath the running interpreter
 * @returns {string} the same folders in the same order, the interpreter's among them
 */
export function pathWithNode(path, execPath) {
  const folder = dirname(execPath);
  const folders = (path ?? '').split(delimiter).filter(Boolean);
  return (folders.includes(folder) ? folders : [...folders, folder]).join(delimiter);
}

/** Whether two paths lead to the same folder; false where one leads nowhere. */
function isSameFolder(one, other) {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/**
 * Completes `env` in place: PATH as in `pathWithNode`; a HOME where there is none (a user id without a passwd entry); and
 * PWD, which `init` and the SPARC commands prefer to the working folder and which only a shell would have set.
 *
 * @param {NodeJS.ProcessEnv} env the environment that children inherit
 * @param {{execPath: string, cwd: string}} facts the running interpreter; the working folder
 */
export function completeEnvironment(env, { execPath, cwd }) {
  env.PATH = pathWithNode(env.PATH, execPath);
  env.HOME ||= tmpdir();
  if (!env.PWD || !isSameFolder(env.PWD, cwd)) env.PWD = cwd;
}

/**
 * Whether files can be created in `folder` by this process.
 *
 * @param {string} folder a path
 * @returns {boolean} false too where it does not exist
 */
export function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Loads a module that derives its paths from the working folder when it is loaded, as if that were a temporary folder.
 * The folder is removed when the process ends; where none can be made, nothing happens.
 *
 * @param {string} specifier what to import
 * @param {NodeJS.Process} [proc] the process whose `cwd` is borrowed meanwhile
 * @returns {Promise<string | undefined>} the temporary folder
 */
export async function importInTemporaryFolder(specifier, proc = process) {
  let folder;
  try {
    folder = mkdtempSync(join(tmpdir(), 'claude-flow-'));
  } catch {
    return undefined;
  }
  proc.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const { cwd } = proc;
  proc.cwd = () => folder;
  try {
    await import(specifier);
  } finally {
    proc.cwd = cwd;
  }
  return folder;
}
