/**
 * The image's health check: exit code 0 and the version, or 1 and what is wrong. With the argument `api`, the API alone
 * is asked: scripts/health-check.sh has the other questions.
 */

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { check, checkApi } from './health.js';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));

try {
  if (process.argv[2] === 'api') await checkApi(process.env);
  else process.stdout.write(`Health check passed - ${await check(cli, process.env)}\n`);
  process.exit(0);
} catch (error) {
  process.stdout.write(`${error.name === 'Unhealthy' ? error.message : `Health check failed: ${error.name}`}\n`);
  process.exit(1);
}
