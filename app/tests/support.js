/** What the tests share: temporary folders, a loopback service, and programs with a time limit. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Folder of the package. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Options of `spawn` for a program that may not write everywhere: root hands its rights to `nobody`. */
export const UNPRIVILEGED = Object.freeze(process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {});

/**
 * A folder that is removed after the test, with `files` in it; any user may read it.
 *
 * @param {import('node:test').TestContext | {after: (fn: () => void) => void}} t the test, or the module's own `after`
 * @param {Record<string, string>} [files] relative paths to contents
 * @returns {string} its real path
 */
export function temporaryFolder(t, files = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'claude-flow-test-')));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/**
 * A server on a free port of the loopback interface, closed after the test with all its connections.
 *
 * @template {import('node:net').Server} S
 * @param {import('node:test').TestContext} t the test
 * @param {S} server not yet listening
 * @returns {Promise<{server: S, port: number, url: string}>} the server; its port; its http address, without a path
 */
export async function listen(t, server) {
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // a peer that gave up is part of many tests
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address();
  return { server, port, url: `http://127.0.0.1:${port}` };
}

/**
 * An HTTP service.
 *
 * @param {import('node:test').TestContext} t the test
 * @param {(request: object, response: import('node:http').ServerResponse) => void} answer gets method, url, headers and
 *   body (bytes) of a request
 * @returns {Promise<{url: string, port: number, requests: object[]}>} its address, and all requests so far
 */
export async function serve(t, answer) {
  const requests = [];
  const server = createServer(async (incoming, response) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url, headers } = incoming;
    const request = { method, url, headers, body: Buffer.concat(chunks) };
    requests.push(request);
    answer(request, response);
  });
  const { url, port } = await listen(t, server);
  return { url, port, requests };
}

/** The environment without what steers npm, proxies or the program under test. */
export function plainEnvironment(more = {}) {
  const steers = /^(npm_|(http|https|no|all)_proxy$|proxy$|CLAUDE_|LOG_LEVEL$|NODE_TEST_CONTEXT$|NODE_OPTIONS$)/i;
  const rest = Object.entries(process.env).filter(([name]) => !steers.test(name));
  return { ...Object.fromEntries(rest), ...more };
}

/**
 * Starts a program; it is killed after the test where it still runs.
 *
 * @param {import('node:test').TestContext} t the test
 * @param {string[]} command program and arguments
 * @param {import('node:child_process').SpawnOptions} [options] of `spawn`
 * @returns {{child: import('node:child_process').ChildProcess, ended: Promise<{code: number | null, signal: string | null,
 *   stdout: string, stderr: string}>}} the process, and what became of it
 */
export function start(t, [program, ...args], options = {}) {
  const child = spawn(program, args, { env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (texts[name] += text));
  t.after(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...texts }));
  });
  return { child, ended };
}

/** Runs a program to its end. See `start`. */
export function run(t, command, options = {}) {
  return start(t, command, { timeout: 30_000, killSignal: 'SIGKILL', ...options }).ended;
}
