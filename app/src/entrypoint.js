/**
 * Start of the image without a shell: refuse without required variables, go to the workspace, become the tool. The image
 * with a shell starts the same way, in scripts/entrypoint.sh.
 */

import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { Refusal, prepare } from './prepare.js';

try {
  prepare(process.argv.slice(2), process.env, process);
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`Error: ${error.message}\n`);
  process.exit(1);
}

// In this process: signals reach the tool, and its exit code is the container's.
const { CLAUDE_FLOW_CLI } = process.env;
await import(CLAUDE_FLOW_CLI ? pathToFileURL(CLAUDE_FLOW_CLI).href : new URL('./cli.js', import.meta.url).href);
