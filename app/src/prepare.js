/** Arguments and environment in; a process in its workspace, or why it doesn't start. */

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** Why the tool isn't started; the message is safe to print. */
export class Refusal extends Error {
  name = 'Refusal';
}

const words = (text) => (text ?? '').split(/[ \t\n]+/).filter(Boolean);

/**
 * The first required variable without a value.
 *
 * @param {NodeJS.ProcessEnv} env REQUIRED_ENV has the names, a blank between them
 * @returns {string | undefined} its name
 * @throws {Refusal} where a name is none
 */
function missing(env) {
  return words(env.REQUIRED_ENV).find((name) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new Refusal(`REQUIRED_ENV has '${name}', which is not the name of a variable`);
    }
    return !env[name];
  });
}

/** Makes a folder and those it is in. Node's own `recursive` never ends where a folder can have none, as in /proc. */
function make(folder) {
  if (existsSync(folder)) return;
  make(dirname(folder));
  mkdirSync(folder);
}

/** Goes to a folder, which is made where it is missing; whether that could be done. */
function enter(folder, proc) {
  try {
    make(folder);
  } catch {
    // what counts is whether it can be entered
  }
  try {
    proc.chdir(folder);
    return true;
  } catch {
    return false;
  }
}

/**
 * Checks what must be there, and goes to the workspace.
 *
 * @param {readonly string[]} args arguments of the command line
 * @param {NodeJS.ProcessEnv} env REQUIRED_ENV; ENV_EXEMPT, first arguments for which it isn't asked; WORKDIR
 * @param {Pick<NodeJS.Process, 'chdir'>} proc the process
 * @throws {Refusal} where a variable or the workspace is missing
 */
export function prepare(args, env, proc) {
  const isExempt = args.length === 0 || words(env.ENV_EXEMPT).includes(args[0]);
  const name = isExempt ? undefined : missing(env);
  if (name !== undefined) throw new Refusal(`${name} environment variable is required`);
  const workspace = env.WORKDIR || '/workspace';
  if (!workspace.startsWith('/')) throw new Refusal(`WORKDIR is not an absolute path: ${workspace}`);
  // Where there is no workspace and none can be made, the tool can still say what it is.
  if (!enter(workspace, proc) && !isExempt) {
    throw new Refusal(`workspace ${workspace} is not there, or can't be entered`);
  }
}
