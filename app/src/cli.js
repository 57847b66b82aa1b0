/** The command line tool of the image: claude-flow in this process, with exit codes and signals fit for a container. */

import process from 'node:process';
import { completeEnvironment } from './environment.js';
import { describeError, launch } from './launch.js';
import { exitOnSignals } from './signals.js';

function fail(error) {
  process.stderr.write(`${describeError(error, process.env)}\n`);
  process.exit(1);
}

exitOnSignals(process);
process.on('uncaughtException', fail);
// A reader that has seen enough (`claude-flow --help | head`) is not a failure.
process.stdout.on('error', (error) => (error.code === 'EPIPE' ? process.exit(0) : fail(error)));
completeEnvironment(process.env, { execPath: process.execPath, cwd: process.cwd() });

await launch(process, (name) => import.meta.resolve(name)).catch(fail);
