import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MODULES, describeError, launch, route } from '../src/launch.js';
import { temporaryFolder } from './support.js';

describe('route', () => {
  for (const args of [['--version'], ['-v'], ['init', '--version']]) {
    it(`lets the dispatcher answer ${args.join(' ')}`, () => {
      assert.deepEqual(route(args), { module: MODULES.dispatcher, args });
    });
  }

  for (const args of [['--help'], ['version'], ['init', '--force'], ['swarm', 'write -v']]) {
    it(`starts the commands for ${args.join(' ')}`, () => {
      assert.deepEqual(route(args), { module: MODULES.commands, args });
    });
  }

  it('shows the help without arguments', () => {
    assert.deepEqual(route([]), { module: MODULES.commands, args: ['--help'] });
  });
});

describe('launch', () => {
  const LOADED = 'globalThis.loaded.push(import.meta.url);';

  /** Stand-ins for claude-flow's modules, which note that they were loaded. */
  function setUp(t, argv, cwd) {
    globalThis.loaded = [];
    t.after(() => delete globalThis.loaded);
    const folder = temporaryFolder(t, { 'dispatcher.mjs': LOADED, 'commands.mjs': LOADED, 'metrics.mjs': LOADED });
    const urls = Object.entries(MODULES).map(([role, name]) => [name, pathToFileURL(join(folder, `${role}.mjs`)).href]);
    const proc = Object.assign(new EventEmitter(), {
      argv: ['node', 'cli.js', ...argv],
      execPath: '/nodejs/bin/node',
      cwd: () => cwd ?? folder,
    });
    const resolve = (name) => Object.fromEntries(urls)[name];
    const loadedRoles = () => globalThis.loaded.map((url) => url.split('/').at(-1));
    return { folder, proc, resolve, loadedRoles };
  }

  it('makes the module the script that node was given', async (t) => {
    const { folder, proc, resolve, loadedRoles } = setUp(t, ['status', '--json']);
    await launch(proc, resolve);
    assert.deepEqual(proc.argv, ['/nodejs/bin/node', join(folder, 'commands.mjs'), 'status', '--json']);
    assert.deepEqual(loadedRoles(), ['commands.mjs']);
  });

  it('loads the metrics first where the working folder cannot be written', async (t) => {
    const { proc, resolve, loadedRoles } = setUp(t, ['status'], '/missing');
    await launch(proc, resolve);
    assert.deepEqual(loadedRoles(), ['metrics.mjs', 'commands.mjs']);
    proc.emit('exit');
  });

  it('loads no metrics for a version question', async (t) => {
    const { proc, resolve, loadedRoles } = setUp(t, ['--version'], '/missing');
    await launch(proc, resolve);
    assert.deepEqual(loadedRoles(), ['dispatcher.mjs']);
  });

  it('rejects where the module fails', async (t) => {
    const { proc, resolve } = setUp(t, ['status']);
    await assert.rejects(
      launch(proc, (name) => `${resolve(name)}.missing`),
      { code: 'ERR_MODULE_NOT_FOUND' },
    );
  });
});

describe('describeError', () => {
  const error = new Error('no such file\nRequire stack: …');

  it('gives one line and how to see more', () => {
    const text = describeError(error, {});
    assert.equal(text, 'claude-flow: no such file\nSet LOG_LEVEL=debug to see where it comes from.');
  });

  it('gives the stack where LOG_LEVEL is debug', () => {
    assert.equal(describeError(error, { LOG_LEVEL: 'debug' }), error.stack);
  });

  it('describes what is no error', () => assert.equal(describeError('gone', {}), 'claude-flow: gone'));
});
