import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { bundle, listFiles, measure } from '../tools/bundle.mjs';
import { ROOT, temporaryFolder } from './support.js';

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const ELF = Buffer.from('7f454c460201', 'hex');

/** A node_modules folder like the real one, in small: what the bundle asks of claude-flow, and one dependency. */
const MODULES = {
  'claude-flow/package.json': JSON.stringify({ name: 'claude-flow', version, type: 'module' }),
  'claude-flow/LICENSE': 'MIT',
  'claude-flow/README.md': 'not needed',
  'claude-flow/bin/claude-flow.js': '#!/usr/bin/env node\n',
  'claude-flow/.claude/agents/one.md': 'one',
  'claude-flow/.claude/commands/two.md': 'two',
  'claude-flow/.claude/config.json': '{}',
  'claude-flow/.claude/settings.json': '{}',
  'claude-flow/scripts/migrate-hooks.js': '',
  'claude-flow/src/cli/simple-cli.js': "import 'used'; import Database from 'better-sqlite3'; import './more.js';",
  'claude-flow/src/cli/more.js': '',
  'claude-flow/src/cli/unused.js': '',
  'claude-flow/src/cli/simple-commands/performance-metrics.js': '',
  'claude-flow/src/cli/simple-commands/init/templates/CLAUDE.md': 'text',
  'claude-flow/src/mcp/mcp-server.js': '',
  'claude-flow/src/memory/enhanced-schema.sql': '',
  'claude-flow/src/ui/console/index.html': '',
  'claude-flow/src/ui/console/page.js.map': 'not needed',
  'used/package.json': '{"name": "used", "exports": {"module-sync": "./newer.js", "default": "./older.js"}}',
  'used/newer.js': '',
  'used/older.js': '',
  'used/licence.txt': 'ISC',
  'unused/package.json': '{"name": "unused", "version": "1.0.0"}',
  'unused/index.js': 'only a native module needs it',
  'better-sqlite3/package.json': '{"name": "better-sqlite3", "version": "1.0.0", "main": "index.js"}',
  'better-sqlite3/index.js': "require('unused')",
};
const BUILT = {
  'cli.js': 'cli',
  'entrypoint.js': 'entrypoint',
  'healthcheck.js': 'healthcheck',
  'modules/better-sqlite3/package.json': '{"name": "better-sqlite3", "main": "index.js"}',
  'modules/better-sqlite3/index.js': 'the stand-in',
};

const below = (folder, files) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));

function setUp(t, more = {}) {
  const folder = temporaryFolder(t, { ...below('node_modules', { ...MODULES, ...more }), ...below('build', BUILT) });
  return { modules: join(folder, 'node_modules'), built: join(folder, 'build'), out: join(folder, 'dist') };
}

describe('bundle', () => {
  it('takes what is imported, what is read from disk and the licences, and nothing else', async (t) => {
    const options = setUp(t);
    const { files } = await bundle(options);
    const found = await listFiles(options.out);
    assert.equal(files, found.length);
    const left = ['README.md', 'src/cli/unused.js', 'src/ui/console/page.js.map'].map((name) => `claude-flow/${name}`);
    const kept = Object.keys(MODULES).filter((name) => !left.includes(name) && !name.startsWith('unused/'));
    const own = ['cli.js', 'entrypoint.js', 'healthcheck.js', 'package.json'];
    assert.deepEqual(found, [...own, ...kept.map((name) => `node_modules/${name}`)].sort());
  });

  it('puts the stand-in where the native module was', async (t) => {
    const options = setUp(t);
    await bundle(options);
    assert.equal(readFileSync(join(options.out, 'node_modules/better-sqlite3/index.js'), 'utf8'), 'the stand-in');
  });

  it('gives the same bytes, modes and times whatever those of its input', async (t) => {
    const [one, other] = [setUp(t), setUp(t)];
    const touched = join(other.modules, 'used/older.js');
    chmodSync(touched, 0o600);
    utimesSync(touched, 1e9, 1e9);
    const [first, second] = [await bundle({ ...one, epoch: 1234 }), await bundle({ ...other, epoch: 1234 })];
    assert.deepEqual(first, second);
    for (const path of ['', 'node_modules', 'cli.js', 'node_modules/used/older.js']) {
      const { mode, mtimeMs } = statSync(join(other.out, path));
      assert.equal(mtimeMs, 1_234_000, path);
      assert.equal(mode & 0o777, path.endsWith('.js') ? 0o644 : 0o755, path);
    }
  });

  it('leaves nothing of an earlier bundle', async (t) => {
    const options = setUp(t);
    mkdirSync(options.out);
    writeFileSync(join(options.out, 'old.js'), '');
    await bundle(options);
    assert.equal(existsSync(join(options.out, 'old.js')), false);
  });

  const refused = async (t, options, message) => {
    await assert.rejects(bundle(options), { message });
    assert.equal(existsSync(options.out), false);
  };

  it('refuses machine code, and leaves nothing', async (t) => {
    const options = setUp(t);
    writeFileSync(join(options.modules, 'claude-flow/.claude/agents/tool'), ELF);
    await refused(t, options, /agents\/tool is machine code/);
  });

  it('refuses a symbolic link', async (t) => {
    const options = setUp(t);
    symlinkSync('one.md', join(options.modules, 'claude-flow/.claude/agents/link.md'));
    await refused(t, options, /link\.md is a symbolic link/);
  });

  it('refuses another version of claude-flow', async (t) => {
    const options = setUp(t, { 'claude-flow/package.json': '{"version": "9.9.9", "type": "module"}' });
    await refused(t, options, /has claude-flow 9\.9\.9, package\.json asks for/);
  });

  it('says what to run first', async (t) => {
    const options = setUp(t);
    await refused(t, { ...options, built: join(options.built, 'missing') }, /run `npm run build` first/);
    await refused(
      t,
      { ...options, modules: join(dirname(options.modules), 'missing') },
      /run `npm ci --ignore-scripts` first/,
    );
  });
});

describe('measure', () => {
  const digest = async (t, files, mode = 0o644) => {
    const folder = temporaryFolder(t, files);
    for (const name of Object.keys(files)) chmodSync(join(folder, name), mode);
    return measure(folder);
  };

  it('counts files and bytes', async (t) => {
    const { files, bytes } = await digest(t, { a: '12', 'b/c': '345' });
    assert.deepEqual([files, bytes], [2, 5]);
  });

  it('changes with a name, a content or a mode', async (t) => {
    const all = [
      await digest(t, { a: '1' }),
      await digest(t, { b: '1' }),
      await digest(t, { a: '2' }),
      await digest(t, { a: '1' }, 0o755),
    ];
    assert.equal(new Set(all.map(({ sha256 }) => sha256)).size, 4);
    assert.deepEqual(await digest(t, { a: '1' }), all[0]);
  });
});
