/**
 * A lock file in, a verdict out: does npm's advisory service know of flaws in the packages it names? Three outcomes
 * that can't be confused: nothing found (exit code 0), found (1), the service could not be asked (69).
 *
 * `npm audit` is not used: it takes an answer of `null` for "nothing found", and its exit code 1 means both "found" and
 * "could not ask". This file stands alone: the gate copies it and the lock file, and nothing else.
 */

import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';

/** Exit codes; 69 and 70 are EX_UNAVAILABLE and EX_SOFTWARE of sysexits.h. */
export const EXIT = Object.freeze({ nothingFound: 0, found: 1, usage: 2, unavailable: 69, internal: 70 });

/** Severities, the mildest first. */
export const SEVERITIES = Object.freeze(['info', 'low', 'moderate', 'high', 'critical']);

const USAGE = `usage: node tools/audit.mjs --level ${SEVERITIES.join('|')} --report FOLDER
         [--lock package-lock.json] [--omit dev|optional|peer]... [--time-limit SECONDS]`;

const ENDPOINT = '-/npm/v1/security/advisories/bulk';
const ATTEMPTS = 3;
const MAX_ANSWER = 64 * 2 ** 20; // bytes: a thousand times the largest answer seen
const TRANSIENT_STATUS = [408, 425, 429, 500, 502, 503, 504];
const TRANSIENT_CODE = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'];

/** Wrong arguments, or files that can't be read or written; the message says which. */
export class UsageError extends Error {
  name = 'UsageError';
}

/** The service could not be asked, or its answer is not what the protocol says. */
export class Unavailable extends Error {
  name = 'Unavailable';

  /**
   * @param {string} reason safe to print: no address, no credentials
   * @param {{transient?: boolean, retryAfterMs?: number}} [options] whether asking again may help; after how many ms
   */
  constructor(reason, { transient = false, retryAfterMs } = {}) {
    super(reason);
    this.transient = transient;
    this.retryAfterMs = retryAfterMs;
  }
}

// --- arguments and the lock file ---------------------------------------------------------------------------------------

function oneOf(option, value, choices) {
  if (!choices.includes(value)) throw new UsageError(`${option}: got ${value}, expected ${choices.join(', ')}`);
  return value;
}

/**
 * @param {readonly string[]} argv arguments of the command line
 * @returns {{level: string, report: string, lock: string, omit: string[], timeLimitMs: number}} what they say
 * @throws {UsageError} for an unknown, missing or wrong one
 */
export function parseArguments(argv) {
  const one = { type: 'string' };
  const options = { level: one, report: one, lock: one, omit: { type: 'string', multiple: true }, 'time-limit': one };
  let values;
  try {
    ({ values } = parseArgs({ args: [...argv], options }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  for (const name of ['level', 'report']) if (!values[name]) throw new UsageError(`--${name} is missing`);
  const seconds = Number(values['time-limit'] ?? 60);
  if (!(seconds > 0 && seconds <= 3600))
    throw new UsageError('--time-limit: expected seconds, more than 0, at most 3600');
  return {
    level: oneOf('--level', values.level, SEVERITIES),
    report: values.report,
    lock: values.lock ?? 'package-lock.json',
    omit: (values.omit ?? []).map((value) => oneOf('--omit', value, ['dev', 'optional', 'peer'])),
    timeLimitMs: seconds * 1000,
  };
}

/** What `npm ci --omit=…` leaves out. */
function isOmitted(entry, omit) {
  const both = entry.devOptional && omit.includes('dev') && omit.includes('optional');
  return both || omit.some((kind) => entry[kind]);
}

/**
 * @param {string} text of a package-lock.json, version 2 or 3
 * @param {readonly string[]} [omit] `dev`, `optional`, `peer`
 * @returns {Map<string, Map<string, string[]>>} package name to version to the places where it is installed
 * @throws {UsageError} for text that is no such file, or names no package: an audit of nothing is no audit
 */
export function installedPackages(text, omit = []) {
  let packages;
  try {
    ({ packages } = JSON.parse(text));
  } catch (error) {
    throw new UsageError(`the lock file is not JSON: ${error.message}`);
  }
  if (packages === null || typeof packages !== 'object') throw new UsageError('the lock file has no "packages"');
  const found = new Map();
  for (const [path, entry] of Object.entries(packages)) {
    const name = entry.name ?? path.split('node_modules/').at(-1);
    if (!path.includes('node_modules/') || entry.link || isOmitted(entry, omit)) continue;
    if (!entry.version) throw new UsageError(`the lock file gives ${path} no version`);
    const versions = found.get(name) ?? new Map();
    versions.set(entry.version, [...(versions.get(entry.version) ?? []), path]);
    found.set(name, versions);
  }
  if (found.size === 0) throw new UsageError('the lock file names no package to ask about');
  return found;
}

function readLock(path, omit) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--lock: ${path} can't be read (${error.code})`);
  }
  return installedPackages(text, omit);
}

// --- npm's configuration -----------------------------------------------------------------------------------------------

/** `${NAME}` and `${NAME?}` as npm replaces them. */
function expand(value, env) {
  return value.replaceAll(/\$\{([^${}?]+)(\?)?\}/g, (all, name, optional) => env[name] ?? (optional ? '' : all));
}

/** Keys that belong to one registry, such as `//host/:_authToken`; npm prints them to nobody, so they are read here. */
function registryKeys(text, env) {
  const found = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(\/\/[^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (match) found[expand(match[1], env)] = expand(match[2].replace(/^(["'])(.*)\1$/, '$2'), env);
  }
  return found;
}

function readOptional(path) {
  try {
    return path ? readFileSync(path, 'utf8') : '';
  } catch {
    return ''; // like npm, which goes on without a configuration or CA file that is missing
  }
}

function environmentKeys(env) {
  const own = Object.entries(env).filter(([name]) => /^npm_config_\/\//i.test(name));
  return Object.fromEntries(own.map(([name, value]) => [name.slice('npm_config_'.length), value]));
}

function credentialsAt(prefix, keys) {
  const at = (name) => keys[`${prefix}:${name}`];
  const found = {};
  if (at('certfile') && at('keyfile')) {
    found.cert = readOptional(at('certfile'));
    found.key = readOptional(at('keyfile'));
  }
  if (at('_authToken')) found.authorization = `Bearer ${at('_authToken')}`;
  else if (at('_auth')) found.authorization = `Basic ${at('_auth')}`;
  else if (at('username') && at('_password')) {
    found.authorization = basic(at('username'), Buffer.from(at('_password'), 'base64').toString());
  }
  return found;
}

/**
 * The settings that belong to `registry`: those of the longest key that begins its address, as npm looks them up.
 *
 * @param {URL} registry its address
 * @param {Record<string, string>} keys such as `//host/path/:_authToken`
 * @returns {{authorization?: string, cert?: string, key?: string}} header and client certificate
 */
export function credentials(registry, keys) {
  let prefix = `//${registry.host}${registry.pathname}`;
  while (prefix.length > 2) {
    const found = credentialsAt(prefix, keys);
    if (Object.keys(found).length > 0) return found;
    prefix = prefix.replace(/([^/]+|\/)$/, ''); // both //host/path/ and //host/path are keys
  }
  return {};
}

function basic(username, password) {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Basic authentication with the user name in an address; undefined where it has none. */
function basicOf({ username, password }) {
  return username ? basic(decodeURIComponent(username), decodeURIComponent(password)) : undefined;
}

function isExempt(hostname, exempt) {
  const host = hostname.split('.').reverse();
  return exempt.some((entry) => {
    const parts = entry.trim().split('.').filter(Boolean).reverse();
    return parts.length > 0 && parts.every((part, at) => host[at] === part);
  });
}

/** The proxy for `url`, as npm chooses it; undefined for none. */
function proxyFor(url, config, env) {
  const variable = (name) => env[name] || env[name.toUpperCase()];
  const plain = url.protocol === 'http:' ? variable('http_proxy') || variable('proxy') : undefined;
  const proxy = config['https-proxy'] || config.proxy || variable('https_proxy') || plain;
  const own = [config.noproxy ?? []].flat().filter(Boolean);
  const exempt = (own.length > 0 ? own : [variable('no_proxy') ?? '']).flatMap((entry) => entry.split(','));
  return proxy && !isExempt(url.hostname, exempt) ? parseUrl(proxy, "npm's proxy") : undefined;
}

function parseUrl(text, what) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new Unavailable(`${what} is not an address`);
  }
  if (!/^https?:$/.test(url.protocol)) throw new Unavailable(`${what} is not an http or https address`);
  return url;
}

/**
 * npm's configuration as a connection to its registry.
 *
 * @param {object} config what `npm config list --json` prints
 * @param {Record<string, string>} keys settings of single registries
 * @param {NodeJS.ProcessEnv} env the environment; names proxies where the configuration doesn't
 * @returns {{url: URL, proxy?: URL, authorization?: string, tls: object}} where and how to ask
 * @throws {Unavailable} for a registry or proxy that is no http(s) address
 */
export function connectionOf(config, keys, env) {
  const registry = parseUrl(config.registry, "npm's registry");
  const { authorization, ...client } = credentials(registry, keys);
  const ca = [config.ca ?? []].flat().filter(Boolean);
  const file = readOptional(config.cafile);
  const tls = { rejectUnauthorized: config['strict-ssl'] !== false, ...client };
  if (file || ca.length > 0) tls.ca = file || ca;
  return {
    url: new URL(`${registry.origin}${registry.pathname.replace(/\/*$/, '/')}${ENDPOINT}`),
    proxy: proxyFor(registry, config, env),
    authorization: authorization ?? basicOf(registry),
    tls,
  };
}

/**
 * Asks npm for its configuration.
 *
 * @param {{folder: string, env: NodeJS.ProcessEnv, timeLimitMs: number}} options folder whose .npmrc counts; environment;
 *   milliseconds to wait
 * @returns {Promise<ReturnType<typeof connectionOf>>} where and how to ask
 * @throws {Unavailable} where npm is missing or does not say
 */
export async function readConnection({ folder, env, timeLimitMs }) {
  let config;
  try {
    const options = { cwd: folder, env, timeout: timeLimitMs, killSignal: 'SIGKILL', maxBuffer: 2 ** 24 };
    const { stdout } = await promisify(execFile)('npm', ['config', 'list', '--json'], options);
    config = JSON.parse(stdout);
  } catch (error) {
    const why = error.killed ? `no answer within ${timeLimitMs} ms` : (error.code ?? error.name);
    throw new Unavailable(`npm did not tell its configuration (${why})`);
  }
  const files = [config.globalconfig, config.userconfig, join(folder, '.npmrc')];
  const keys = files.map((file) => registryKeys(readOptional(file), env));
  return connectionOf(config, Object.assign({}, ...keys, environmentKeys(env)), env);
}

// --- the question ------------------------------------------------------------------------------------------------------

/** A failed connection in words; only the error's code is shown, as messages may quote what was sent. */
function connectionFailed(error) {
  const code = error.code ?? error.name;
  const hint = /CERT(?!_ALTNAME)|ISSUER/.test(code)
    ? "; name the network's CA bundle in NODE_EXTRA_CA_CERTS or npm's cafile"
    : '';
  return new Unavailable(`the connection failed (${code}${hint})`, { transient: TRANSIENT_CODE.includes(code) });
}

function send(start, options, body) {
  return new Promise((settle, reject) => {
    const outgoing = start(options, settle);
    outgoing.on('connect', (response, socket) => settle(Object.assign(response, { tunnel: socket })));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const starterOf = (url) => (url.protocol === 'https:' ? requestHttps : requestHttp);

function address(url) {
  const port = url.port || (url.protocol === 'https:' ? 443 : 80);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, authority: `${url.hostname}:${port}` };
}

function proxyHeaders(proxy) {
  const authorization = basicOf(proxy);
  return authorization ? { 'proxy-authorization': authorization } : {};
}

async function openTunnel({ url, proxy, tls }, signal) {
  const { host, authority } = address(url);
  const headers = { host: authority, ...proxyHeaders(proxy) };
  const response = await send(starterOf(proxy), {
    ...address(proxy),
    method: 'CONNECT',
    path: authority,
    headers,
    signal,
  });
  if (response.statusCode !== 200) {
    response.tunnel?.destroy();
    throw new Unavailable(`the proxy answered HTTP ${response.statusCode}`, statusOptions(response));
  }
  return connectTls({ ...tls, socket: response.tunnel, host, servername: isIP(host) ? undefined : host });
}

/** Sends the question and gives the response, by way of the proxy where there is one. */
async function post(connection, body, signal) {
  const { url, proxy, authorization, tls } = connection;
  const headers = {
    host: url.host,
    accept: 'application/json',
    'accept-encoding': 'gzip, identity',
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    'content-length': body.length,
    ...(authorization ? { authorization } : {}),
  };
  const options = { ...address(url), ...tls, method: 'POST', path: url.pathname, headers, signal };
  if (!proxy) return send(starterOf(url), options, body);
  if (url.protocol === 'http:') {
    const viaProxy = { ...address(proxy), path: url.href, headers: { ...headers, ...proxyHeaders(proxy) } };
    return send(starterOf(proxy), { ...options, ...viaProxy }, body);
  }
  const socket = await openTunnel(connection, signal);
  return send(requestHttps, { ...options, createConnection: () => socket }, body);
}

/** `Retry-After`, in seconds or as a date, in milliseconds from now. */
function statusOptions({ statusCode, headers }) {
  const value = headers['retry-after'];
  const ms = /^\d+$/.test(value ?? '') ? Number(value) * 1000 : Date.parse(value ?? '') - Date.now();
  return { transient: TRANSIENT_STATUS.includes(statusCode), retryAfterMs: ms >= 0 ? ms : undefined };
}

async function readBody(response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Unavailable('the answer is too long');
  }
  const decode = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync }[
    response.headers['content-encoding']
  ];
  const bytes = Buffer.concat(chunks);
  try {
    return (decode ? decode(bytes, { maxOutputLength: MAX_ANSWER }) : bytes).toString();
  } catch {
    throw new Unavailable('the answer is not what the protocol says: it does not decompress');
  }
}

async function attempt(connection, body, timeLimitMs) {
  const signal = AbortSignal.timeout(Math.max(1, Math.round(timeLimitMs)));
  try {
    const response = await post(connection, body, signal);
    if (response.statusCode !== 200) {
      response.destroy();
      const text = [response.statusCode, response.statusMessage].filter(Boolean).join(' ');
      throw new Unavailable(`the registry answered HTTP ${printable(text)}`, statusOptions(response));
    }
    return await readBody(response);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    if (signal.aborted) throw new Unavailable(`no answer within ${Math.round(timeLimitMs)} ms`, { transient: true });
    throw connectionFailed(error);
  }
}

const inSeconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Asks the service, again after a short while where that may help.
 *
 * @param {object} connection what `readConnection` gave
 * @param {Record<string, string[]>} question package names to versions
 * @param {{timeLimitMs: number, pauseMs?: number}} options milliseconds for everything; first pause between attempts
 * @returns {Promise<Record<string, object[]>>} package names to advisories
 * @throws {Unavailable} where no attempt gave an answer as the protocol says
 */
export async function ask(connection, question, { timeLimitMs, pauseMs = 1000 }) {
  const begin = performance.now();
  const end = begin + timeLimitMs;
  const body = gzipSync(JSON.stringify(question));
  for (let count = 1; ; count += 1) {
    try {
      const share = (end - performance.now()) / (ATTEMPTS - count + 1);
      return readAnswer(await attempt(connection, body, share), question);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      const pause = error.retryAfterMs ?? pauseMs * 3 ** (count - 1);
      const isLast = !error.transient || count === ATTEMPTS || performance.now() + pause >= end;
      if (isLast && count === 1) throw error;
      if (isLast)
        throw new Unavailable(`${error.message}; asked ${count} times in ${inSeconds(performance.now() - begin)}`);
      await wait(pause);
    }
  }
}

/**
 * An answer as the protocol says: an object whose keys are names that were asked about, its values lists of advisories.
 *
 * @param {string} text of the answer
 * @param {Record<string, string[]>} question what was asked
 * @returns {Record<string, object[]>} package names to advisories
 * @throws {Unavailable} for anything else, such as a login page, `null`, or an error with status 200
 */
export function readAnswer(text, question) {
  const refuse = (what) => new Unavailable(`the answer is not what the protocol says: ${what}`);
  const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw refuse('it is not JSON');
  }
  if (!isObject(answer)) throw refuse('it is not an object');
  for (const [name, advisories] of Object.entries(answer)) {
    if (!Object.hasOwn(question, name)) throw refuse('it names a package that was not asked about');
    if (!Array.isArray(advisories) || !advisories.every(isObject)) throw refuse('a package has no list of advisories');
  }
  return answer;
}

// --- the verdict -------------------------------------------------------------------------------------------------------

function parseVersion(text) {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/.exec(text);
  return match && { parts: match.slice(1, 4), tag: match[4]?.split('.') ?? [] };
}

function compareTags(one, other) {
  // A release comes after its pre-releases.
  if (one.length === 0 || other.length === 0) return Number(one.length === 0) - Number(other.length === 0);
  for (let at = 0; at < Math.max(one.length, other.length); at += 1) {
    const [a, b] = [one[at], other[at]];
    if (a === b) continue;
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
    if (isNumber && isOtherNumber) return Number(a) - Number(b);
    if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
    return a < b ? -1 : 1;
  }
  return 0;
}

/** Order of two versions (semver.org, section 11): below 0, 0 or above 0. */
function compareVersions(one, other) {
  for (const at of [0, 1, 2]) {
    const difference = Number(one.parts[at] ?? 0) - Number(other.parts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return compareTags(one.tag, other.tag);
}

const HOLDS = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
  '=': (order) => order === 0,
  '': (order) => order === 0,
};

/** Whether `version` meets one comparator; undefined for a form that advisories don't use, such as `^1.2` or `<=1`. */
function meets(version, comparator) {
  if (comparator === '*') return true;
  const [, operator, bound] = /^([<>]=?|=|)(.*)$/.exec(comparator);
  const limit = parseVersion(bound);
  if (!limit) return undefined;
  const isPartial = limit.parts.includes(undefined);
  if (isPartial && operator !== '<' && operator !== '>=') return undefined;
  return HOLDS[operator](compareVersions(version, limit));
}

/**
 * The part of a range of versions that holds `version`.
 *
 * @param {string} version such as `1.2.3`
 * @param {string} range comparators joined by blanks (all hold) and `||` (one of them holds), as in `>=1.0.0 <1.2.4`
 * @returns {string | undefined} undefined where none does. What can't be read holds it: better one finding too many
 */
export function matchingSet(version, range) {
  const parsed = parseVersion(version);
  return range.split('||').find((set) => {
    const comparators = set
      .replaceAll(/([<>=])\s+/g, '$1')
      .split(/[\s,]+/)
      .filter(Boolean);
    return !parsed || comparators.every((comparator) => meets(parsed, comparator) !== false);
  });
}

/** Versions that are fixed: those above the matching part's upper bound, or what the service says; null where unknown. */
function fixedRange(set, patched) {
  if (typeof patched === 'string' && patched && patched !== '<0.0.0') return patched;
  const match = /<(=?)\s*(\d[0-9A-Za-z.+-]*)/.exec(set);
  return match && (match[1] ? `>${match[2]}` : `>=${match[2]}`);
}

/** Text of the service on one line, without the control characters that steer a terminal. */
function printable(value) {
  return String(value ?? '')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
}

function finding(name, version, paths, advisory, set) {
  // A missing or unknown severity counts as high and a missing range as all versions: so does npm.
  const severity = SEVERITIES.includes(advisory.severity) ? advisory.severity : 'high';
  const fixed = fixedRange(set, advisory.patched_versions);
  return {
    package: name,
    version,
    paths,
    id: printable(advisory.id),
    title: printable(advisory.title) || 'untitled',
    url: printable(advisory.url),
    severity,
    vulnerable: printable(advisory.vulnerable_versions) || '*',
    fixed: fixed && printable(fixed),
  };
}

/**
 * What of an answer concerns the installed versions.
 *
 * @param {Record<string, object[]>} answer package names to advisories
 * @param {Map<string, Map<string, string[]>>} installed what `installedPackages` gave
 * @returns {object[]} findings, the gravest first
 */
export function findings(answer, installed) {
  const found = [];
  for (const [name, advisories] of Object.entries(answer)) {
    for (const [version, paths] of installed.get(name)) {
      for (const advisory of advisories) {
        const set = matchingSet(version, printable(advisory.vulnerable_versions) || '*');
        if (set !== undefined) found.push(finding(name, version, paths, advisory, set));
      }
    }
  }
  const rank = ({ severity }) => SEVERITIES.indexOf(severity);
  const label = (one) => [one.package, one.version, one.id].join('\0');
  return found.sort((a, b) => rank(b) - rank(a) || (label(a) < label(b) ? -1 : 1));
}

/**
 * The whole audit.
 *
 * @param {{level: string, lock: string, omit: string[], timeLimitMs: number}} options what `parseArguments` gave
 * @param {NodeJS.ProcessEnv} env the environment
 * @returns {Promise<object>} what `audit.json` holds
 * @throws {UsageError} for a lock file that can't be read
 */
export async function audit({ level, lock, omit, timeLimitMs }, env) {
  const installed = readLock(lock, omit);
  const packages = [...installed.values()].reduce((sum, versions) => sum + versions.size, 0);
  const question = Object.fromEntries([...installed].map(([name, versions]) => [name, [...versions.keys()]]));
  const end = performance.now() + timeLimitMs;
  const head = { version: 1, level, packages };
  try {
    const connection = await readConnection({ folder: dirname(resolve(lock)), env, timeLimitMs });
    const all = findings(await ask(connection, question, { timeLimitMs: end - performance.now() }), installed);
    const isGrave = ({ severity }) => SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(level);
    const advisories = all.filter(isGrave);
    const outcome = advisories.length > 0 ? 'found' : 'nothing-found';
    return { ...head, outcome, advisories, belowLevel: all.length - advisories.length };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return { ...head, outcome: 'unavailable', advisories: [], reason: error.message };
  }
}

// --- what is printed and written ---------------------------------------------------------------------------------------

function describeFinding({ package: name, version, paths, title, url, severity, vulnerable, fixed }) {
  return [
    `${name} ${version}: ${title} (${severity})`,
    ...(url ? [`    ${url}`] : []),
    `    vulnerable: ${vulnerable}; fixed: ${fixed ?? 'not known'}`,
    `    at ${paths.join(', ')}`,
  ].join('\n');
}

/**
 * @param {object} result what `audit` gave
 * @returns {string} text for people; its last line says what to do next
 */
export function describe({ outcome, level, packages, advisories, belowLevel, reason }) {
  const below = belowLevel > 0 ? ` (${belowLevel} below it)` : '';
  switch (outcome) {
    case 'nothing-found':
      return `audit: nothing found at or above ${level}${below}; ${packages} packages`;
    case 'found':
      return [
        ...advisories.map(describeFinding),
        `audit: ${advisories.length} found at or above ${level}${below}; ${packages} packages`,
        'Move to fixed versions and write the lock file anew.',
      ].join('\n');
    case 'unavailable':
      return [
        `audit: the advisory service could not be asked: ${reason}`,
        `Nothing is known about the ${packages} packages. Ask again later, or name a registry that has the service.`,
      ].join('\n');
    default:
      throw new Error(`unknown outcome ${outcome}`);
  }
}

/** Makes sure of the folder before anything is asked, and that no older verdict stays in it. */
function prepareReport(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
    rmSync(join(folder, 'audit.json'), { force: true });
  } catch (error) {
    throw new UsageError(`--report: ${folder} can't be written (${error.code})`);
  }
}

function writeReport(folder, result) {
  const part = join(folder, '.audit.json.part');
  writeFileSync(part, `${JSON.stringify(result, undefined, 2)}\n`);
  renameSync(part, join(folder, 'audit.json'));
}

/**
 * @param {readonly string[]} argv arguments of the command line
 * @param {NodeJS.Process} proc environment and streams
 * @returns {Promise<number>} exit code
 */
export async function main(argv, proc) {
  try {
    const options = parseArguments(argv);
    prepareReport(options.report);
    const result = await audit(options, proc.env);
    writeReport(options.report, result);
    const stream = result.outcome === 'unavailable' ? proc.stderr : proc.stdout;
    stream.write(`${describe(result)}\n`);
    return { 'nothing-found': EXIT.nothingFound, found: EXIT.found, unavailable: EXIT.unavailable }[result.outcome];
  } catch (error) {
    const isUsage = error instanceof UsageError;
    proc.stderr.write(isUsage ? `audit: ${error.message}\n${USAGE}\n` : `audit: ${error.stack}\n`);
    // Node's own code for an error that nothing caught is 1, which here would mean "found".
    return isUsage ? EXIT.usage : EXIT.internal;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2), process);
}
