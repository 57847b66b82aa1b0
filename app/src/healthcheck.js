/** The image's health check: exit code 0 and the version, or 1 and what is wrong. */

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { check } from './health.js';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));

try {
  process.stdout.write(`Health check passed - ${await check(cli, process.env)}\n`);
  process.exit(0);
} catch (error) {
  process.stdout.write(`${error.name === 'Unhealthy' ? error.message : `Health check failed: ${error.name}`}\n`);
  process.exit(1);
}
