/** Health of the tool: its files and version, and, where a key is given, the API. Every question has a time limit. */

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import process from 'node:process';

const DEFAULT_BASE_URL = 'https://api.anthropic.com';
const TIMEOUT_MS = 3000;
/** Characters of an answer that are kept. */
const MOST_OUTPUT = 65_536;
const KEY_PATTERN = /^[\x21-\x7e]+$/;

/** A check that did not pass; the message is safe to print. */
export class Unhealthy extends Error {
  name = 'Unhealthy';
}

/**
 * What a program prints until it ends or has taken too long. It runs in a process group of its own, which is ended with
 * it: what it started and left behind would hold its output open, and stay in the container.
 *
 * @param {string[]} command program and arguments
 * @param {{timeoutMs: number, env: NodeJS.ProcessEnv, signal?: AbortSignal}} options milliseconds to wait; environment;
 *   ends it before its time
 * @returns {Promise<{stdout: string, code: number | null, signal: string | null, late: boolean}>} what it printed, how it
 *   ended, and whether it had to be
 */
function outcome([program, ...args], { timeoutMs, env, signal: interrupt }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: tmpdir(), env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    let stdout = '';
    let late = false;
    let ended;
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // nobody is left in it
      }
    };
    const giveUp = () => {
      late = ended === undefined;
      endGroup();
      finish(); // somebody who has left the group may hold the output open for ever
    };
    const timer = setTimeout(giveUp, timeoutMs);
    interrupt?.addEventListener('abort', giveUp);
    const finish = () => {
      if (ended === undefined) return; // it is being killed, and must not be left to the container's first process
      clearTimeout(timer);
      interrupt?.removeEventListener('abort', giveUp);
      child.stdout.destroy();
      resolve({ stdout, ...ended, late });
    };
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout = (stdout + text).slice(0, MOST_OUTPUT)));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      ended = { code, signal };
      endGroup();
      if (late) finish();
    });
    child.once('close', finish);
  });
}

/**
 * The version the tool answers with. It runs without the API key: the question needs none.
 *
 * @param {string} cli path of the tool's entry point
 * @param {{timeoutMs: number, env: NodeJS.ProcessEnv, signal?: AbortSignal}} options milliseconds to wait; environment;
 *   ends the question before its time
 * @returns {Promise<string>} first line of the answer, such as `v2.0.0`
 * @throws {Unhealthy} where it is missing, fails, takes too long or answers something else
 */
export async function askVersion(cli, { timeoutMs, env, signal }) {
  try {
    accessSync(cli, constants.R_OK);
  } catch {
    throw new Unhealthy('claude-flow CLI not found');
  }
  const { CLAUDE_API_KEY: _, ...rest } = env;
  const told = await outcome([process.execPath, cli, '--version'], { timeoutMs, env: rest, signal });
  if (told.late) throw new Unhealthy(`claude-flow gave no version within ${timeoutMs} ms`);
  if (told.code !== 0) throw new Unhealthy(`Failed to get claude-flow version (${told.signal ?? `exit code ${told.code}`})`);
  const version = told.stdout.split('\n', 1)[0].trim();
  if (!/^v\d+\.\d+\.\d+/.test(version)) throw new Unhealthy('Failed to get claude-flow version (no version in its answer)');
  return version;
}

/**
 * The address that is asked: the list of models, the API's cheapest authenticated question.
 *
 * @param {string} baseUrl CLAUDE_BASE_URL, with or without a path
 * @returns {URL} the address
 * @throws {Unhealthy} where it is no http(s) address
 */
export function modelsUrl(baseUrl) {
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new Unhealthy('CLAUDE_BASE_URL is not an address');
  }
  if (!/^https?:$/.test(url.protocol)) throw new Unhealthy('CLAUDE_BASE_URL is not an http or https address');
  if (url.username || url.password) throw new Unhealthy('CLAUDE_BASE_URL carries a user name or password');
  return new URL(`${url.origin}${url.pathname.replace(/\/+$/, '')}/v1/models?limit=1`);
}

/**
 * Asks the API with the key. An answer below 500 other than a refusal of the key means that it can be reached. Redirects
 * are not followed: the key goes to no other host.
 *
 * @param {{baseUrl?: string, key: string, timeoutMs: number}} options address, key, milliseconds to wait
 * @returns {Promise<void>} settled when the API answered
 * @throws {Unhealthy} where it did not; the message never holds the key
 */
export async function askApi({ baseUrl, key, timeoutMs }) {
  const url = modelsUrl(baseUrl || DEFAULT_BASE_URL);
  if (!KEY_PATTERN.test(key)) throw new Unhealthy('CLAUDE_API_KEY has characters that no request header can carry');
  let response;
  try {
    response = await fetch(url, {
      headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    // Only the error's code is shown: messages of the HTTP client may quote what was sent.
    const why = error.name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : error.cause?.code ?? error.name;
    throw new Unhealthy(`Failed to connect to Claude API at ${url.host}: ${why}`);
  }
  await response.body?.cancel();
  if (response.status === 401 || response.status === 403) {
    throw new Unhealthy(`Claude API at ${url.host} refused the key (HTTP ${response.status})`);
  }
  if (response.status >= 500) throw new Unhealthy(`Claude API at ${url.host} is failing (HTTP ${response.status})`);
}

/**
 * The whole check, its questions asked side by side.
 *
 * @param {string} cli path of the tool's entry point
 * @param {NodeJS.ProcessEnv} env CLAUDE_API_KEY (may be missing) and CLAUDE_BASE_URL
 * @param {{timeoutMs?: number, signal?: AbortSignal}} [options] milliseconds for each question; ends them before their time
 * @returns {Promise<string>} the version
 * @throws {Unhealthy} for the first check that failed
 */
export async function check(cli, env, { timeoutMs = TIMEOUT_MS, signal } = {}) {
  const key = env.CLAUDE_API_KEY?.trim();
  const version = askVersion(cli, { timeoutMs, env, signal });
  const api = key ? askApi({ baseUrl: env.CLAUDE_BASE_URL, key, timeoutMs }) : undefined;
  // all have ended before one is told: the tool isn't left running when the API has failed
  const [told, ...others] = await Promise.allSettled([version, api]);
  for (const one of [...others, told]) if (one.status === 'rejected') throw one.reason;
  return told.value;
}
