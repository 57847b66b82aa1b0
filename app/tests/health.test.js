import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { Unhealthy, askApi, askVersion, check, modelsUrl } from '../src/health.js';
import { ROOT, listen, plainEnvironment, run, serve, start, temporaryFolder } from './support.js';

const KEY = 'sk-test-0123456789';
const GOOD_CLI = "console.log('v2.0.0\\nand more');";

/** Whether a process runs; one that has ended and that nobody has asked for is not. */
function alive(pid) {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(what) {
  for (const end = Date.now() + 10_000; !what(); ) {
    assert.ok(Date.now() < end, 'it never came true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const answerWith =
  (status, headers = {}) =>
  (_, response) =>
    response.writeHead(status, headers).end('{}');

async function unhealthy(promise, message) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Unhealthy, String(error));
    assert.match(error.message, message);
    assert.ok(!error.message.includes(KEY), 'the message holds the key');
    return true;
  });
}

describe('modelsUrl', () => {
  it('appends to the path of the address', () => {
    assert.equal(modelsUrl('http://gateway:8080/claude/').href, 'http://gateway:8080/claude/v1/models?limit=1');
    assert.equal(modelsUrl('https://gateway').href, 'https://gateway/v1/models?limit=1');
  });

  for (const [address, message] of [
    ['no address', /not an address/],
    ['file:///etc/passwd', /not an http or https address/],
    ['http://user:word@gateway', /user name or password/],
  ]) {
    it(`refuses ${address}`, () => assert.throws(() => modelsUrl(address), { name: 'Unhealthy', message }));
  }
});

describe('askApi', () => {
  const ask = (baseUrl, options = {}) => askApi({ baseUrl, key: KEY, timeoutMs: 5000, ...options });

  it('is content with an answer, and sends the key in its header', async (t) => {
    const { url, requests } = await serve(t, answerWith(200));
    await ask(url);
    assert.equal(requests.length, 1);
    assert.equal(requests[0].url, '/v1/models?limit=1');
    assert.equal(requests[0].headers['x-api-key'], KEY);
  });

  for (const status of [400, 404, 429]) {
    it(`takes HTTP ${status} for an API that can be reached`, async (t) =>
      ask((await serve(t, answerWith(status))).url));
  }

  for (const status of [401, 403]) {
    it(`tells a refused key (HTTP ${status})`, async (t) => {
      await unhealthy(
        ask((await serve(t, answerWith(status))).url),
        new RegExp(`refused the key \\(HTTP ${status}\\)`),
      );
    });
  }

  for (const status of [500, 503]) {
    it(`tells a failing API (HTTP ${status})`, async (t) => {
      await unhealthy(ask((await serve(t, answerWith(status))).url), new RegExp(`is failing \\(HTTP ${status}\\)`));
    });
  }

  it('waits no longer than it is told', async (t) => {
    const { url } = await serve(t, () => {});
    await unhealthy(ask(url, { timeoutMs: 50 }), /no answer within 50 ms/);
  });

  it('sends the key to no other host', async (t) => {
    const other = await serve(t, answerWith(200));
    const { url } = await serve(t, answerWith(302, { location: other.url }));
    await ask(url);
    assert.equal(other.requests.length, 0);
  });

  it('tells a connection that is refused', async (t) => {
    const { server, url } = await listen(t, createServer());
    await new Promise((resolve) => server.close(resolve));
    await unhealthy(ask(url), /Failed to connect to Claude API at 127\.0\.0\.1:\d+: ECONNREFUSED/);
  });

  it('refuses a key that no header can carry, without showing it', async () => {
    const key = `${KEY}\nx-other: 1`;
    await unhealthy(ask('http://127.0.0.1', { key }), /CLAUDE_API_KEY has characters/);
  });
});

describe('askVersion', () => {
  const ask = (t, source, options = {}) => {
    const folder = temporaryFolder(t, { 'cli.mjs': source });
    return askVersion(join(folder, 'cli.mjs'), { timeoutMs: 20_000, env: plainEnvironment(), ...options });
  };

  it('gives the first line', async (t) => assert.equal(await ask(t, GOOD_CLI), 'v2.0.0'));

  it('does not show the key to the tool', async (t) => {
    const env = plainEnvironment({ CLAUDE_API_KEY: KEY });
    const source = "console.log(process.env.CLAUDE_API_KEY === undefined ? 'v1.0.0' : 'seen');";
    assert.equal(await ask(t, source, { env }), 'v1.0.0');
  });

  it('tells a tool that is missing', async () => {
    await unhealthy(askVersion('/missing/cli.js', { timeoutMs: 1000, env: {} }), /^claude-flow CLI not found$/);
  });

  it('tells a tool that fails', (t) => unhealthy(ask(t, 'process.exit(3);'), /exit code 3/));

  it('tells a tool that gives no version', (t) =>
    unhealthy(ask(t, "console.log('hello');"), /no version in its answer/));

  it('waits no longer than it is told', async (t) => {
    await unhealthy(ask(t, 'setInterval(() => {}, 1000);', { timeoutMs: 200 }), /no version within 200 ms/);
  });

  it('tells a tool that is killed', (t) => unhealthy(ask(t, "process.kill(process.pid, 'SIGABRT');"), /\(SIGABRT\)/));

  const leave = (detached) => `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    const options = { stdio: 'inherit', detached: ${detached} };
    const more = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], options);
    writeFileSync(process.env.MARK, String(more.pid));
    console.log('v2.0.0');
    process.exit();`;

  it('is not held up by what the tool leaves behind, and ends it', async (t) => {
    const folder = temporaryFolder(t);
    const begun = Date.now();
    const env = plainEnvironment({ MARK: join(folder, 'pid') });
    assert.equal(await ask(t, leave(false), { env }), 'v2.0.0');
    assert.ok(Date.now() - begun < 10_000);
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
    await until(() => !alive(pid));
  });

  it('answers in time though a process outside of its group holds the output', async (t) => {
    const mark = join(temporaryFolder(t), 'pid');
    const begun = Date.now();
    assert.equal(await ask(t, leave(true), { timeoutMs: 3000, env: plainEnvironment({ MARK: mark }) }), 'v2.0.0');
    assert.ok(Date.now() - begun < 10_000);
    process.kill(Number(readFileSync(mark, 'utf8')), 'SIGKILL');
  });
});

describe('check', () => {
  const cli = (t, source = GOOD_CLI) => join(temporaryFolder(t, { 'cli.mjs': source }), 'cli.mjs');
  const patient = { timeoutMs: 20_000 };

  it('asks no API without a key', async (t) => {
    const { url, requests } = await serve(t, answerWith(500));
    const env = plainEnvironment({ CLAUDE_BASE_URL: url, CLAUDE_API_KEY: ' ' });
    assert.equal(await check(cli(t), env, patient), 'v2.0.0');
    assert.equal(requests.length, 0);
  });

  it('asks both with a key', async (t) => {
    const { url, requests } = await serve(t, answerWith(200));
    const env = plainEnvironment({ CLAUDE_BASE_URL: url, CLAUDE_API_KEY: `${KEY}\n` });
    assert.equal(await check(cli(t), env, patient), 'v2.0.0');
    assert.equal(requests[0].headers['x-api-key'], KEY);
  });

  it('fails where the API does', async (t) => {
    const { url } = await serve(t, answerWith(401));
    await unhealthy(
      check(cli(t), plainEnvironment({ CLAUDE_BASE_URL: url, CLAUDE_API_KEY: KEY }), patient),
      /refused the key/,
    );
  });
});

describe('healthcheck.js', () => {
  const healthcheck = (t, files, env = {}, ...more) => {
    const sources = ['health.js', 'healthcheck.js'].map((name) => [
      name,
      readFileSync(join(ROOT, 'src', name), 'utf8'),
    ]);
    const folder = temporaryFolder(t, {
      'package.json': '{"type": "module"}',
      ...Object.fromEntries(sources),
      ...files,
    });
    // no test of these is about three seconds, which a loaded machine may take to start Node.js
    const patient = plainEnvironment({ CLAUDE_FLOW_CHECK_MS: '20000', ...env });
    return run(t, [process.execPath, join(folder, 'healthcheck.js'), ...more], { env: patient });
  };

  it('prints the version and exits 0', async (t) => {
    const { code, stdout } = await healthcheck(t, { 'cli.js': GOOD_CLI });
    assert.deepEqual([code, stdout], [0, 'Health check passed - v2.0.0\n']);
  });

  it('prints what is wrong in one line and exits 1, the key nowhere', async (t) => {
    const { url } = await serve(t, answerWith(403));
    const env = { CLAUDE_API_KEY: KEY, CLAUDE_BASE_URL: url };
    const { code, stdout, stderr } = await healthcheck(t, { 'cli.js': GOOD_CLI }, env);
    assert.equal(code, 1);
    assert.match(stdout, /^Claude API at 127\.0\.0\.1:\d+ refused the key \(HTTP 403\)\n$/);
    assert.ok(!(stdout + stderr).includes(KEY));
  });

  it('asks no API where it is told not to', async (t) => {
    const { url, requests } = await serve(t, answerWith(500));
    const env = { CLAUDE_API_KEY: KEY, CLAUDE_BASE_URL: url };
    const { code, stdout } = await healthcheck(t, { 'cli.js': GOOD_CLI }, env, 'basic');
    assert.deepEqual([code, stdout, requests.length], [0, 'Health check passed - v2.0.0\n', 0]);
  });

  it('gives a question the time that it is told', async (t) => {
    const env = { CLAUDE_FLOW_CHECK_MS: '200' };
    const { code, stdout } = await healthcheck(t, { 'cli.js': 'setInterval(() => {}, 1000);' }, env);
    assert.deepEqual([code, stdout], [1, 'claude-flow gave no version within 200 ms\n']);
  });

  it('ends the tool with itself when it is asked to end', async (t) => {
    const folder = temporaryFolder(t, {
      'cli.mjs': `import { writeFileSync } from 'node:fs';
        writeFileSync(process.env.MARK, String(process.pid));
        setInterval(() => {}, 1000);`,
    });
    const mark = join(folder, 'pid');
    const env = plainEnvironment({ CLAUDE_FLOW_CLI: join(folder, 'cli.mjs'), MARK: mark });
    const { child, ended } = start(t, [process.execPath, join(ROOT, 'src', 'healthcheck.js')], { env });
    await until(() => existsSync(mark) && readFileSync(mark, 'utf8') !== '');
    child.kill('SIGTERM');
    assert.equal((await ended).code, 1);
    assert.throws(() => process.kill(Number(readFileSync(mark, 'utf8')), 0), { code: 'ESRCH' });
  });
});
