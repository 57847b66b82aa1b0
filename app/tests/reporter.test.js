import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { report } from '../tools/reporter.mjs';
import { ROOT, run, temporaryFolder } from './support.js';

const started = (name, nesting = 0) => ({ type: 'test:start', data: { name, nesting } });
const passed = (name, nesting = 0, more = {}) => ({
  type: 'test:pass',
  data: { name, nesting, details: { duration_ms: 1.4, ...more.details }, ...more.data },
});
const failed = (name, nesting, error, data = {}) => ({
  type: 'test:fail',
  data: { name, nesting, details: { error }, ...data },
});
const broken = (message, failureType = 'testCodeFailure') => {
  const error = new Error('test failed', {
    cause: Object.assign(new Error(message), { stack: `Error: ${message}\n    at x` }),
  });
  return Object.assign(error, { failureType });
};

async function textOf(events, proc = {}) {
  const source = (async function* feed() {
    yield* events;
  })();
  let text = '';
  for await (const part of report(source, proc)) text += part;
  return text;
}

describe('report', () => {
  it('gives each test a line with the names around it', async () => {
    const suite = { details: { type: 'suite' } };
    const text = await textOf([
      started('outer'),
      started('inner', 1),
      started('one', 2),
      passed('one', 2),
      passed('inner', 1, suite),
      started('two', 1),
      passed('two', 1),
      passed('outer', 0, suite),
      started('three'),
      passed('three'),
    ]);
    assert.equal(
      text,
      'ok   outer > inner > one (1 ms)\nok   outer > two (1 ms)\nok   three (1 ms)\n\n3 passed, 0 failed\n',
    );
  });

  it('shows the error of a failure where it happened, and all names at the end', async () => {
    const file = join(process.cwd(), 'tests/x.test.js');
    const text = await textOf([
      started('suite'),
      started('one', 1),
      failed('one', 1, broken('no'), { file, line: 7 }),
      failed('suite', 0, broken('1 subtest failed', 'subtestsFailed')),
      started('two'),
      passed('two'),
    ]);
    assert.equal(
      text,
      [
        'FAIL suite > one (tests/x.test.js:7)',
        '    Error: no',
        '        at x',
        'ok   two (1 ms)',
        '',
        '1 passed, 1 failed',
        'Failed tests:',
        '  suite > one (tests/x.test.js:7)',
        '',
      ].join('\n'),
    );
  });

  it("counts a suite's own failure, such as that of a hook", async () => {
    const hook = failed('suite', 0, broken('no database', 'hookFailed'), {});
    hook.data.details.type = 'suite';
    assert.match(await textOf([started('suite'), hook]), /FAIL suite\n {4}Error: no database/);
  });

  it('does not count what was skipped as passed, and shows the reason', async () => {
    const skipped = passed('one', 0, { data: { skip: 'no engine' } });
    const text = await textOf([started('one'), skipped, started('two'), passed('two')]);
    assert.equal(text, 'skip one # no engine\nok   two (1 ms)\n\n1 passed, 0 failed, 1 skipped\n');
  });

  it('passes on what the tests print', async () => {
    assert.match(await textOf([{ type: 'test:stdout', data: { message: 'hello\n' } }]), /^hello\n/);
  });

  it('takes a run in which no test passed for a failure', async () => {
    const proc = {};
    assert.match(await textOf([], proc), /No test passed/);
    assert.equal(proc.exitCode, 1);
  });

  it('leaves the exit code alone otherwise', async () => {
    const proc = {};
    await textOf([started('one'), passed('one')], proc);
    assert.equal(proc.exitCode, undefined);
  });
});

describe('node --test with the reporter', () => {
  const test = (t, source) => {
    const folder = temporaryFolder(t, { 'a.test.mjs': `import { before, describe, it } from 'node:test';\n${source}` });
    const reporter = join(ROOT, 'tools/reporter.mjs');
    return run(t, [process.execPath, '--test', `--test-reporter=${reporter}`, 'a.test.mjs'], { cwd: folder });
  };

  it('exits 0 where all pass', async (t) => {
    const { code, stdout } = await test(t, "describe('suite', () => { it('one', () => {}); it('two', () => {}); });");
    assert.equal(code, 0);
    assert.match(stdout, /^ok {3}suite > one \(\d+ ms\)\nok {3}suite > two \(\d+ ms\)\n\n2 passed, 0 failed\n$/);
  });

  it('exits 1 where one fails', async (t) => {
    const { code, stdout } = await test(
      t,
      "describe('suite', () => { it('one', () => { throw new Error('no'); }); it('two', () => {}); });",
    );
    assert.equal(code, 1);
    assert.match(stdout, /FAIL suite > one .*\n {4}Error: no\n/);
    assert.match(stdout, /1 passed, 1 failed\nFailed tests:\n {2}suite > one/);
  });

  it('exits 1 for a hook that fails, and shows its error', async (t) => {
    const { code, stdout } = await test(
      t,
      "describe('suite', () => { before(() => { throw new Error('no hook'); }); it('one', () => {}); });",
    );
    assert.equal(code, 1);
    assert.match(stdout, /Error: no hook/);
  });

  it('exits 1 for a file that cannot be loaded, and shows why', async (t) => {
    const { code, stdout } = await test(t, "import './missing.mjs';");
    assert.equal(code, 1);
    assert.match(stdout, /missing\.mjs/);
    assert.match(stdout, /FAIL .*a\.test\.mjs/);
  });

  it('exits 1 where every test is skipped', async (t) => {
    const { code, stdout } = await test(t, "it('one', { skip: 'later' }, () => {});");
    assert.equal(code, 1);
    assert.match(stdout, /skip one # later\n\n0 passed, 0 failed, 1 skipped\nNo test passed/);
  });
});
