import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { Unhealthy, askApi, askVersion, check, modelsUrl } from '../src/health.js';
import { ROOT, listen, plainEnvironment, run, serve, temporaryFolder } from './support.js';

const KEY = 'sk-test-0123456789';
const GOOD_CLI = "console.log('v2.0.0\\nand more');";

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
    return run(t, [process.execPath, join(folder, 'healthcheck.js'), ...more], { env: plainEnvironment(env) });
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

  it('asks the API alone where it is told to, and nothing without a key', async (t) => {
    const { url, requests } = await serve(t, answerWith(200));
    const asked = await healthcheck(t, {}, { CLAUDE_API_KEY: KEY, CLAUDE_BASE_URL: url }, 'api');
    assert.deepEqual([asked.code, asked.stdout, requests.length], [0, '', 1]);
    const silent = await healthcheck(t, {}, { CLAUDE_BASE_URL: url }, 'api');
    assert.deepEqual([silent.code, silent.stdout, requests.length], [0, '', 1]);
  });
});
