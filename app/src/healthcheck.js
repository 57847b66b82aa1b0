/**
 * The image's health check: exit code 0 and the version, or 1 and what is wrong. With the argument `basic`, the API isn't
 * asked. CLAUDE_FLOW_CHECK_MS is the most that a question may take, for machines that are slow, or emulated.
 */

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { check } from './health.js';

const cli = process.env.CLAUDE_FLOW_CLI || fileURLToPath(new URL('./cli.js', import.meta.url));
const env = { ...process.env };
if (process.argv[2] === 'basic') delete env.CLAUDE_API_KEY;
// An engine that has waited long enough asks it to end, and the tool it asked must end with it.
const interrupted = new AbortController();
process.once('SIGTERM', () => interrupted.abort());

try {
  const timeoutMs = Number.parseInt(env.CLAUDE_FLOW_CHECK_MS, 10) || undefined;
  process.stdout.write(`Health check passed - ${await check(cli, env, { timeoutMs, signal: interrupted.signal })}\n`);
  process.exit(0);
} catch (error) {
  process.stdout.write(`${error.name === 'Unhealthy' ? error.message : `Health check failed: ${error.name}`}\n`);
  process.exit(1);
}
