/** The compiled command line tool with claude-flow itself. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { after, before, describe, it } from 'node:test';
import { build } from '../tools/build.mjs';
import { ROOT, UNPRIVILEGED, plainEnvironment, run, start, temporaryFolder } from './support.js';

const MODULES = join(ROOT, 'node_modules');
const missing =
  !existsSync(join(MODULES, 'claude-flow')) && 'claude-flow is not installed: run `npm ci --ignore-scripts`';

/** Whether every user can reach a file. */
function isPublic(path) {
  return (statSync(path).mode & 0o005) === 0o005 && (path === '/' || isPublic(dirname(path)));
}

describe('cli.js', { skip: missing }, () => {
  const removals = [];
  let cli;

  before(async () => {
    const folder = temporaryFolder(
      { after: (remove) => removals.push(remove) },
      { 'package.json': '{"type": "module"}' },
    );
    await build({ root: ROOT, out: join(folder, 'build') });
    symlinkSync(MODULES, join(folder, 'build', 'node_modules'));
    cli = join(folder, 'build', 'cli.js');
  });

  after(() => removals.forEach((remove) => remove()));

  const claudeFlow = (t, args, options = {}) =>
    run(t, [process.execPath, cli, ...args], { cwd: temporaryFolder(t), ...options });

  for (const flag of ['--version', '-v']) {
    it(`prints the version first for ${flag}`, async (t) => {
      const { code, stdout } = await claudeFlow(t, [flag]);
      assert.equal(code, 0);
      assert.equal(stdout.split('\n', 1)[0], 'v2.0.0');
    });
  }

  for (const args of [['--help'], []]) {
    it(`prints the help for ${JSON.stringify(args)}`, async (t) => {
      const { code, stdout } = await claudeFlow(t, args);
      assert.equal(code, 0);
      assert.match(stdout, /USAGE:/);
    });
  }

  it('exits 1 for an unknown command', async (t) => {
    const { code, stderr } = await claudeFlow(t, ['frobnicate']);
    assert.equal(code, 1);
    assert.match(stderr, /Unknown command: frobnicate/);
  });

  it('writes its files into the working folder for init', async (t) => {
    const cwd = temporaryFolder(t);
    const { code } = await claudeFlow(t, ['init'], { cwd });
    assert.equal(code, 0);
    for (const name of ['CLAUDE.md', '.claude', '.mcp.json']) assert.ok(readdirSync(cwd).includes(name), name);
  });

  it('does so too where PWD names another folder, as after a change of folder without a shell', async (t) => {
    const [cwd, PWD] = [temporaryFolder(t), temporaryFolder(t)];
    await claudeFlow(t, ['init', '--minimal'], { cwd, env: plainEnvironment({ PWD }) });
    assert.ok(existsSync(join(cwd, '.claude/commands')));
    assert.deepEqual(readdirSync(PWD), []);
  });

  it('runs without HOME, PATH and everything else', async (t) => {
    const { code, stdout } = await claudeFlow(t, ['status'], { env: {} });
    assert.equal(code, 0);
    assert.match(stdout, /claude-flow/i);
  });

  it(
    'runs in a working folder that it cannot write, without an error',
    { skip: !missing && !isPublic(MODULES) && 'other users cannot read this folder' },
    async (t) => {
      const cwd = join(temporaryFolder(t), 'closed');
      mkdirSync(cwd, { mode: 0o555 });
      const { code, stderr } = await claudeFlow(t, ['status'], { cwd, env: {}, ...UNPRIVILEGED });
      assert.deepEqual([code, stderr], [0, '']);
    },
  );

  it('is started by the entry point, in the workspace', async (t) => {
    const [cwd, WORKDIR] = [temporaryFolder(t), temporaryFolder(t)];
    const command = [process.execPath, join(dirname(cli), 'entrypoint.js'), 'init', '--minimal'];
    const env = plainEnvironment({ WORKDIR, REQUIRED_ENV: 'CLAUDE_API_KEY' });
    const refused = await run(t, command, { cwd, env });
    assert.deepEqual(
      [refused.code, refused.stdout, refused.stderr],
      [1, '', 'Error: CLAUDE_API_KEY environment variable is required\n'],
    );
    assert.equal((await run(t, command, { cwd, env: { ...env, CLAUDE_API_KEY: 'none' } })).code, 0);
    assert.ok(existsSync(join(WORKDIR, '.claude/commands')));
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('does not mind a reader that has seen enough', async (t) => {
    const { child, ended } = start(t, [process.execPath, cli, '--help'], { cwd: temporaryFolder(t) });
    child.stdout.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ]) {
    it(`exits ${code} on ${signal}, started by the entry point`, async (t) => {
      const command = [process.execPath, join(dirname(cli), 'entrypoint.js'), 'monitor', '--watch'];
      const { child, ended } = start(t, command, { env: plainEnvironment({ WORKDIR: temporaryFolder(t) }) });
      await Promise.race([once(child.stdout, 'data'), ended]);
      child.kill(signal);
      const result = await ended;
      assert.deepEqual([result.code, result.signal], [code, null]);
    });
  }
});
