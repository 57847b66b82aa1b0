import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from './support.js';

const readJson = (name) => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));

describe('package-lock.json', () => {
  const manifest = readJson('package.json');
  const { packages, lockfileVersion } = readJson('package-lock.json');
  const { '': root, ...installed } = packages;
  const pathsWhere = (rule) => Object.keys(installed).filter((path) => rule(installed[path], path));

  it('is of version 3 and names packages', () => {
    assert.equal(lockfileVersion, 3);
    assert.ok(Object.keys(installed).length > 0);
  });

  it('gives each package an integrity', () => {
    assert.deepEqual(
      pathsWhere(({ integrity }) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)),
      [],
    );
  });

  it('gives no package an address: those come from the configuration of npm', () => {
    assert.deepEqual(
      pathsWhere(({ resolved }) => resolved !== undefined),
      [],
    );
    assert.doesNotMatch(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'), /"(git\+|https?:)[^"]*\.tgz/);
  });

  it('is that of package.json: name, version and dependencies', () => {
    for (const key of ['name', 'version', 'license', 'dependencies', 'devDependencies', 'engines']) {
      assert.deepEqual(root[key], manifest[key], `${key} differs: run \`npm install --package-lock-only\``);
    }
  });

  it('installs exactly the versions that package.json asks for', () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.equal(installed[`node_modules/${name}`]?.version, version, name);
    }
  });

  it('marks what only development needs', () => {
    for (const name of Object.keys(manifest.devDependencies)) assert.equal(installed[`node_modules/${name}`].dev, true);
    for (const name of Object.keys(manifest.dependencies))
      assert.equal(installed[`node_modules/${name}`].dev, undefined);
  });

  // npm 11 refuses a lock file that lacks an optional package, also where the registry has none of that name.
  it('holds every optional dependency', () => {
    const resolves = (from, name) => {
      for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
        if (`${folder}/node_modules/${name}` in installed) return true;
        if (!folder.includes('/node_modules/')) return `node_modules/${name}` in installed;
      }
    };
    const missing = Object.entries(installed).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !resolves(path, name))
        .map((name) => `${path}: ${name}`),
    );
    assert.deepEqual(missing, []);
  });
});
