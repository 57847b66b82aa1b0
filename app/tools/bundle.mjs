/**
 * build/ and a node_modules folder in, dist/ out: the entry points, the part of claude-flow and its dependencies that
 * they reach, and what claude-flow reads from disk. Same input, same bytes.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeFileTrace } from '@vercel/nft';
import { MODULES } from '../src/launch.js';
import { ENTRIES } from './build.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Started by claude-flow as processes of their own, so no import leads to them. */
const PROGRAMS = ['claude-flow/src/mcp/mcp-server.js'];

/** Read from disk: what `init` copies, the web console's pages, schemas, and the scripts that commands start. */
const ASSETS = [
  'claude-flow/.claude/agents',
  'claude-flow/.claude/commands',
  'claude-flow/.claude/config.json',
  'claude-flow/.claude/settings.json',
  'claude-flow/bin',
  'claude-flow/scripts/migrate-hooks.js',
  'claude-flow/src/cli/simple-commands/init/templates',
  'claude-flow/src/memory/enhanced-schema.sql',
  'claude-flow/src/ui/console',
];

/** Native modules and what only they need: left out, with a stand-in where claude-flow imports one without asking. */
const NATIVE = ['better-sqlite3', 'bindings', 'diskusage', 'file-uri-to-path', 'node-pty'];

/** TypeScript that no Node of the image can load, backups and notes: traced by name, never run. */
const DEAD = /(\.ts|\.backup|\.bak|\.map|\.html\.old)$|(^|\/)(__tests__|\.bin)\//;

/** Licences ask to be kept beside the code. */
const LICENCE = /^(licen[cs]e|copying|notice)(\.|-|$)/i;

/** First bytes of ELF, Mach-O (both orders, and fat) and PE files. */
const NATIVE_MAGIC = ['7f454c46', 'feedface', 'feedfacf', 'cefaedfe', 'cffaedfe', 'cafebabe', '4d5a'];

const byName = (a, b) => (a < b ? -1 : 1);

/** All files below `folder`, as sorted paths relative to it. */
export async function listFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name))).sort(byName);
}

function packageOf(path) {
  const parts = path.split('/');
  const last = parts.lastIndexOf('node_modules');
  return parts.slice(0, last + (parts[last + 1].startsWith('@') ? 3 : 2)).join('/');
}

function isNative(path) {
  return path.endsWith('.node') || NATIVE.some((name) => path.split('node_modules/').at(-1).startsWith(`${name}/`));
}

async function traced(base) {
  const entries = [...Object.values(MODULES), ...PROGRAMS].map((name) => join(base, 'node_modules', name));
  const found = [];
  // Newer releases of Node prefer a package's "module-sync" file, older ones don't know it: the bundle serves both.
  for (const conditions of [['node'], ['node', 'module-sync']]) {
    const { fileList } = await nodeFileTrace(entries, { base, conditions, ignore: isNative });
    found.push(...fileList);
  }
  return found;
}

async function assets(base) {
  const found = [];
  for (const asset of ASSETS) {
    const path = join(base, 'node_modules', asset);
    const files = (await lstat(path)).isDirectory() ? (await listFiles(path)).map((file) => join(path, file)) : [path];
    found.push(...files.map((file) => relative(base, file)));
  }
  return found;
}

async function licences(base, files) {
  const found = [];
  for (const folder of new Set(files.map(packageOf))) {
    const names = await readdir(join(base, folder));
    found.push(...names.filter((name) => LICENCE.test(name)).map((name) => `${folder}/${name}`));
  }
  return found;
}

/**
 * What is needed of a node_modules folder.
 *
 * @param {string} modules path of the folder
 * @returns {Promise<string[]>} sorted paths, each beginning with `node_modules/`
 * @throws {Error} where an asset is missing
 */
export async function neededFiles(modules) {
  const base = dirname(modules);
  const wanted = [...(await traced(base)), ...(await assets(base))];
  const files = wanted.filter((path) => path.startsWith('node_modules/') && !DEAD.test(path) && !isNative(path));
  return [...new Set([...files, ...(await licences(base, files))])].sort(byName);
}

async function copyAll(base, out, files) {
  for (const file of files) {
    const source = join(base, file);
    const status = await lstat(source);
    if (status.isDirectory()) continue;
    if (status.isSymbolicLink()) throw new Error(`${file} is a symbolic link`);
    await mkdir(dirname(join(out, file)), { recursive: true });
    await cp(source, join(out, file));
  }
}

async function copyOwn(built, out) {
  for (const name of ENTRIES) await cp(join(built, `${name}.js`), join(out, `${name}.js`));
  await cp(join(built, 'modules'), join(out, 'node_modules'), { recursive: true });
  await writeFile(join(out, 'package.json'), '{ "private": true, "type": "module" }\n');
}

/** Modes and times that depend on neither umask nor clock. */
async function normalise(out, epoch) {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  for (const path of [...paths.sort(byName).reverse(), out]) {
    const status = await lstat(path);
    await chmod(path, status.isDirectory() || status.mode & 0o100 ? 0o755 : 0o644);
    await utimes(path, epoch, epoch);
  }
}

async function refuseNative(out, files) {
  for (const file of files) {
    const content = await readFile(join(out, file));
    const magic = content.subarray(0, 4).toString('hex');
    if (file.endsWith('.node') || NATIVE_MAGIC.some((start) => magic.startsWith(start))) {
      throw new Error(`${file} is machine code: it runs on one platform only`);
    }
  }
}

/**
 * Size and digest of a folder: paths, modes and contents.
 *
 * @param {string} folder its path
 * @returns {Promise<{files: number, bytes: number, sha256: string}>} the same for the same tree on any machine
 */
export async function measure(folder) {
  const digest = createHash('sha256');
  const files = await listFiles(folder);
  let bytes = 0;
  for (const file of files) {
    const content = await readFile(join(folder, file));
    const mode = (await lstat(join(folder, file))).mode & 0o777;
    bytes += content.length;
    digest.update(`${file}\0${mode.toString(8)}\0${createHash('sha256').update(content).digest('hex')}\n`);
  }
  return { files: files.length, bytes, sha256: digest.digest('hex') };
}

async function checkInput(modules, built) {
  if (!existsSync(join(built, 'cli.js'))) throw new Error(`${built} has no cli.js: run \`npm run build\` first`);
  const wanted = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).dependencies['claude-flow'];
  const manifest = join(modules, 'claude-flow', 'package.json');
  if (!existsSync(manifest)) throw new Error(`${modules} has no claude-flow: run \`npm ci --ignore-scripts\` first`);
  const { version } = JSON.parse(await readFile(manifest, 'utf8'));
  if (version !== wanted) throw new Error(`${modules} has claude-flow ${version}, package.json asks for ${wanted}`);
}

/**
 * Writes the bundle; `out` holds nothing else afterwards, and nothing at all where it fails.
 *
 * @param {{modules?: string, built?: string, out?: string, epoch?: number}} [options] node_modules folder to take from;
 *   folder of the compiled entry points; folder to write; time of all files, in seconds since 1970
 * @returns {Promise<{files: number, bytes: number, sha256: string}>} what was written
 * @throws {Error} where something is missing or machine code got in
 */
export async function bundle({
  modules = join(ROOT, 'node_modules'),
  built = join(ROOT, 'build'),
  out = join(ROOT, 'dist'),
  epoch = 0,
} = {}) {
  await checkInput(modules, built);
  await rm(out, { recursive: true, force: true });
  try {
    await copyAll(dirname(modules), out, await neededFiles(modules));
    await copyOwn(built, out);
    await refuseNative(out, await listFiles(out));
    await normalise(out, epoch);
  } catch (error) {
    await rm(out, { recursive: true, force: true });
    throw error;
  }
  return measure(out);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const modules = resolve(process.env.BUNDLE_MODULES || join(ROOT, 'node_modules'));
  await bundle({ modules, epoch: Number(process.env.SOURCE_DATE_EPOCH || 0) }).then(
    ({ files, bytes, sha256 }) => console.log(`dist/: ${files} files, ${(bytes / 1e6).toFixed(1)} MB, sha256:${sha256}`),
    (error) => {
      console.error(`bundle: ${error.message}`);
      process.exitCode = 1;
    },
  );
}
