/** src/ in, build/ out: each entry point compiled to one module, and the stand-in modules as they are. */

import { cp, readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build as compile } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Names of the entry points, without extension. */
export const ENTRIES = Object.freeze(['cli', 'entrypoint', 'healthcheck']);

async function checkManifest(root) {
  const manifest = JSON.parse(await readFile(`${root}/package.json`, 'utf8'));
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`package.json: ${name} is ${version}, not one exact version`);
  }
  if (manifest.version !== manifest.dependencies['claude-flow']) {
    throw new Error(`package.json: version ${manifest.version} is not that of claude-flow`);
  }
}

/**
 * Compiles the sources; `out` holds nothing else afterwards.
 *
 * @param {{root?: string, out?: string}} [options] package folder; folder to write
 * @returns {Promise<void>} settled when written
 * @throws {Error} for a syntax error, an import that leads nowhere or a version that is not exact
 */
export async function build({ root = ROOT, out = `${root}/build` } = {}) {
  await checkManifest(root);
  await rm(out, { recursive: true, force: true });
  await compile({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((name) => `src/${name}.js`),
    outdir: out,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'utf8',
    logLevel: 'error',
  });
  await cp(`${root}/src/modules`, `${out}/modules`, { recursive: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build().then(
    () => console.log(`build/: ${ENTRIES.map((name) => `${name}.js`).join(', ')}`),
    (error) => {
      if (!error.errors) console.error(`build: ${error.message}`); // esbuild has printed its own
      process.exitCode = 1;
    },
  );
}
