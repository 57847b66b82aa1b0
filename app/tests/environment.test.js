import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { completeEnvironment, importInTemporaryFolder, isWritable, pathWithNode } from '../src/environment.js';
import { ROOT, UNPRIVILEGED, run, temporaryFolder } from './support.js';

describe('pathWithNode', () => {
  it("appends the interpreter's folder", () => {
    assert.equal(pathWithNode('/usr/bin:/bin', '/nodejs/bin/node'), '/usr/bin:/bin:/nodejs/bin');
  });

  it('changes nothing where the folder is among the others', () => {
    assert.equal(pathWithNode('/nodejs/bin:/bin', '/nodejs/bin/node'), '/nodejs/bin:/bin');
  });

  it('makes a path where there is none', () => {
    assert.equal(pathWithNode(undefined, '/nodejs/bin/node'), '/nodejs/bin');
    assert.equal(pathWithNode('', '/nodejs/bin/node'), '/nodejs/bin');
  });

  it('drops empty entries, which would mean the working folder', () => {
    assert.equal(pathWithNode(':/bin:', '/nodejs/bin/node'), '/bin:/nodejs/bin');
  });
});

describe('completeEnvironment', () => {
  const complete = (env, cwd = '/') => {
    completeEnvironment(env, { execPath: '/nodejs/bin/node', cwd });
    return env;
  };

  it('gives a home to a user without one', () => {
    assert.equal(complete({}).HOME, tmpdir());
    assert.equal(complete({ HOME: '' }).HOME, tmpdir());
  });

  it('keeps the home of a user who has one', () => {
    assert.equal(complete({ HOME: '/home/someone' }).HOME, '/home/someone');
  });

  it('sets PWD where it is missing, stale or leads nowhere', (t) => {
    const folder = temporaryFolder(t);
    for (const PWD of [undefined, '', '/', join(folder, 'missing')])
      assert.equal(complete({ PWD }, folder).PWD, folder);
  });

  it('keeps a PWD that reaches the working folder by a link', (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    assert.equal(complete({ PWD: join(folder, 'link') }, join(folder, 'real')).PWD, join(folder, 'link'));
  });
});

describe('isWritable', () => {
  it('holds for a folder of our own and not for one that is missing', (t) => {
    const folder = temporaryFolder(t);
    assert.equal(isWritable(folder), true);
    assert.equal(isWritable(join(folder, 'missing')), false);
  });

  it('does not hold for a folder without write permission', async (t) => {
    const folder = temporaryFolder(t, {
      'environment.mjs': readFileSync(join(ROOT, 'src/environment.js'), 'utf8'),
      'main.mjs': "import { isWritable } from './environment.mjs'; console.log(isWritable(process.argv[2]));",
    });
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o555 });
    // Another process: root, who may write anywhere, can only there become somebody else.
    const { stdout } = await run(t, [process.execPath, join(folder, 'main.mjs'), closed], {
      cwd: folder,
      ...UNPRIVILEGED,
    });
    assert.equal(stdout, 'false\n');
  });
});

describe('importInTemporaryFolder', () => {
  /** A process with a working folder and events, and a module that writes the former to a file when it is loaded. */
  function setUp(t, statement = '') {
    const proc = Object.assign(new EventEmitter(), { cwd: () => '/somewhere' });
    globalThis.borrowed = proc;
    t.after(() => delete globalThis.borrowed);
    const folder = temporaryFolder(t, {
      'module.mjs': `import { writeFileSync } from 'node:fs';
        writeFileSync(new URL('seen', import.meta.url), globalThis.borrowed.cwd());
        ${statement}`,
    });
    return { proc, folder, specifier: pathToFileURL(join(folder, 'module.mjs')).href };
  }

  it('shows the module a temporary folder, and the old one to everybody else afterwards', async (t) => {
    const { proc, folder, specifier } = setUp(t);
    const temporary = await importInTemporaryFolder(specifier, proc);
    assert.equal(readFileSync(join(folder, 'seen'), 'utf8'), temporary);
    assert.equal(proc.cwd(), '/somewhere');
    proc.emit('exit');
  });

  it('removes the temporary folder when the process ends', async (t) => {
    const { proc, specifier } = setUp(t);
    const temporary = await importInTemporaryFolder(specifier, proc);
    assert.equal(existsSync(temporary), true);
    proc.emit('exit');
    assert.equal(existsSync(temporary), false);
  });

  it('gives the working folder back where the module fails', async (t) => {
    const { proc, specifier } = setUp(t, "throw new Error('broken');");
    await assert.rejects(importInTemporaryFolder(specifier, proc), { message: 'broken' });
    assert.equal(proc.cwd(), '/somewhere');
    proc.emit('exit');
  });

  it('does nothing where no temporary folder can be made', async (t) => {
    const { proc, folder, specifier } = setUp(t);
    const { TMPDIR } = process.env;
    process.env.TMPDIR = join(folder, 'missing');
    t.after(() => (TMPDIR === undefined ? delete process.env.TMPDIR : (process.env.TMPDIR = TMPDIR)));
    assert.equal(await importInTemporaryFolder(specifier, proc), undefined);
    assert.equal(existsSync(join(folder, 'seen')), false);
  });
});
