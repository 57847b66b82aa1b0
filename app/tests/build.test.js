import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { ENTRIES, build } from '../tools/build.mjs';
import { ROOT, run, temporaryFolder } from './support.js';

const MANIFEST = { version: '1.2.3', dependencies: { 'claude-flow': '1.2.3' }, devDependencies: { esbuild: '0.1.0' } };

/** A package like this one, in small. */
function smallPackage(t, { manifest = MANIFEST, files = {} } = {}) {
  return temporaryFolder(t, {
    'package.json': JSON.stringify(manifest),
    'src/cli.js': "import { name } from './name.js'; import 'claude-flow/x.js'; console.log(name);",
    'src/entrypoint.js': "import { name } from './name.js'; console.log(name);",
    'src/healthcheck.js': "import { name } from './name.js'; console.log(name);",
    'src/name.js': "export const name = 'wörld';",
    'src/modules/stand-in/index.js': 'module.exports = 1;',
    ...files,
  });
}

describe('build', () => {
  it('makes one module of each entry point, packages left out', async (t) => {
    const root = smallPackage(t);
    await build({ root });
    for (const name of ENTRIES) {
      const text = readFileSync(join(root, 'build', `${name}.js`), 'utf8');
      assert.match(text, /"wörld"/);
      assert.doesNotMatch(text, /name\.js"/);
    }
    assert.match(readFileSync(join(root, 'build/cli.js'), 'utf8'), /import "claude-flow\/x\.js"/);
  });

  it('copies the stand-ins as they are', async (t) => {
    const root = smallPackage(t);
    await build({ root });
    assert.equal(readFileSync(join(root, 'build/modules/stand-in/index.js'), 'utf8'), 'module.exports = 1;');
  });

  it('leaves nothing else in the folder', async (t) => {
    const root = smallPackage(t, { files: { 'build/old.js': 'old' } });
    await build({ root });
    assert.deepEqual(readdirSync(join(root, 'build')).sort(), ['cli.js', 'entrypoint.js', 'healthcheck.js', 'modules']);
  });

  it('gives the same bytes for the same sources, whatever the folder', async (t) => {
    const [one, other] = [smallPackage(t), smallPackage(t)];
    await Promise.all([build({ root: one }), build({ root: other })]);
    for (const name of ENTRIES) {
      const read = (root) => readFileSync(join(root, 'build', `${name}.js`), 'utf8');
      assert.equal(read(one), read(other));
    }
  });

  it('refuses a version that is not exact', async (t) => {
    const root = smallPackage(t, { manifest: { ...MANIFEST, devDependencies: { esbuild: '^0.1.0' } } });
    await assert.rejects(build({ root }), { message: 'package.json: esbuild is ^0.1.0, not one exact version' });
  });

  it("refuses a version other than claude-flow's", async (t) => {
    const root = smallPackage(t, { manifest: { ...MANIFEST, version: '1.2.4' } });
    await assert.rejects(build({ root }), { message: 'package.json: version 1.2.4 is not that of claude-flow' });
  });

  it('fails for a syntax error and an import that leads nowhere, and says where', async (t) => {
    for (const source of ['const = 1;', "import './missing.js';"]) {
      const root = smallPackage(t);
      writeFileSync(join(root, 'src/cli.js'), source);
      // A process of its own: esbuild prints what is wrong.
      const script = `import { build } from ${JSON.stringify(join(ROOT, 'tools/build.mjs'))};
        await build({ root: ${JSON.stringify(root)} }).catch(() => process.exit(1));`;
      const { code, stderr } = await run(t, [process.execPath, '--input-type=module', '--eval', script]);
      assert.equal(code, 1);
      assert.match(stderr, /src\/cli\.js:1:/);
      assert.equal(existsSync(join(root, 'build/cli.js')), false);
    }
  });

  it('accepts this package', async (t) => {
    const out = join(temporaryFolder(t), 'out');
    await build({ root: ROOT, out });
    assert.deepEqual(readdirSync(out).sort(), ['cli.js', 'entrypoint.js', 'healthcheck.js', 'modules']);
  });
});
