import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib';
import {
  ask,
  connectionOf,
  credentials,
  describe as inWords,
  findings,
  installedPackages,
  main,
  matchingSet,
  parseArguments,
  readAnswer,
} from '../tools/audit.mjs';
import { ROOT, listen, plainEnvironment, run, serve, temporaryFolder } from './support.js';

const TOKEN = 'npm_0123456789abcdef';

/** A lock file in which `left` is installed twice, once for development, and `right` once. */
const LOCK = JSON.stringify({
  lockfileVersion: 3,
  packages: {
    '': { name: 'app', version: '1.0.0' },
    'node_modules/@scope/right': { version: '3.0.0' },
    'node_modules/left': { version: '1.2.3' },
    'node_modules/@scope/right/node_modules/left': { version: '2.0.0', dev: true },
  },
});
const QUESTION = { left: ['1.2.3', '2.0.0'], '@scope/right': ['3.0.0'] };

const ADVISORY = Object.freeze({
  id: 7,
  title: 'Prototype pollution',
  url: 'https://advisories.example/7',
  severity: 'high',
  vulnerable_versions: '>=1.0.0 <1.2.4',
});

const answerWith =
  (status, body, headers = {}) =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

const unavailable = (message) => ({ name: 'Unavailable', message });

describe('parseArguments', () => {
  const required = ['--level', 'moderate', '--report', '/gate'];

  it('reads what is given and fills in the rest', () => {
    assert.deepEqual(parseArguments([...required, '--omit', 'dev', '--omit', 'peer']), {
      level: 'moderate',
      report: '/gate',
      lock: 'package-lock.json',
      omit: ['dev', 'peer'],
      timeLimitMs: 60_000,
    });
  });

  for (const [args, message] of [
    [[], /--level is missing/],
    [['--level', 'high'], /--report is missing/],
    [['--level', 'severe', '--report', 'x'], /--level: got severe, expected info, low, moderate, high, critical/],
    [[...required, '--omit', 'bundled'], /--omit: got bundled/],
    [[...required, '--time-limit', 'soon'], /--time-limit/],
    [[...required, '--time-limit', '0'], /--time-limit/],
    [[...required, '--fix'], /--fix/],
    [[...required, 'more'], /more/],
  ]) {
    it(`refuses "${args.join(' ')}"`, () => assert.throws(() => parseArguments(args), { name: 'UsageError', message }));
  }
});

describe('installedPackages', () => {
  const packages = (entries) => JSON.stringify({ packages: { '': { version: '1.0.0' }, ...entries } });
  const plain = (text, omit) =>
    Object.fromEntries([...installedPackages(text, omit)].map(([k, v]) => [k, Object.fromEntries(v)]));

  it('gives versions and places, without the root', () => {
    assert.deepEqual(plain(LOCK), {
      '@scope/right': { '3.0.0': ['node_modules/@scope/right'] },
      left: { '1.2.3': ['node_modules/left'], '2.0.0': ['node_modules/@scope/right/node_modules/left'] },
    });
  });

  it('leaves out what is omitted', () => {
    assert.deepEqual(Object.keys(plain(LOCK, ['dev']).left), ['1.2.3']);
    const both = packages({
      'node_modules/a': { version: '1.0.0', devOptional: true },
      'node_modules/b': { version: '1.0.0' },
    });
    assert.deepEqual(Object.keys(plain(both, ['dev'])), ['a', 'b']);
    assert.deepEqual(Object.keys(plain(both, ['dev', 'optional'])), ['b']);
  });

  it('asks about an alias by the name of the package behind it', () => {
    assert.deepEqual(Object.keys(plain(packages({ 'node_modules/alias': { name: 'real', version: '1.0.0' } }))), [
      'real',
    ]);
  });

  it('knows the whole lock file of this package', () => {
    assert.ok(installedPackages(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).has('claude-flow'));
  });

  for (const [what, text] of [
    ['text that is not JSON', '{'],
    ['version 1', '{"dependencies": {}}'],
    ['no package at all', packages({})],
    ['no package that is not omitted', packages({ 'node_modules/a': { version: '1.0.0', dev: true } })],
    ['a package without version', packages({ 'node_modules/a': {} })],
  ]) {
    it(`refuses ${what}`, () => assert.throws(() => installedPackages(text, ['dev']), { name: 'UsageError' }));
  }
});

describe('credentials', () => {
  const registry = new URL('https://host:8443/npm/private/');

  for (const [what, keys, expected] of [
    ['a token', { '//host:8443/npm/private/:_authToken': TOKEN }, { authorization: `Bearer ${TOKEN}` }],
    ['a token of a shorter path', { '//host:8443/:_authToken': TOKEN }, { authorization: `Bearer ${TOKEN}` }],
    ['a token without slash', { '//host:8443/npm:_authToken': TOKEN }, { authorization: `Bearer ${TOKEN}` }],
    ['basic authentication', { '//host:8443/:_auth': 'dTpw' }, { authorization: 'Basic dTpw' }],
    [
      'user name and password',
      { '//host:8443/:username': 'u', '//host:8443/:_password': 'cA==' },
      { authorization: 'Basic dTpw' },
    ],
    ["nothing of another host's", { '//host/:_authToken': TOKEN, '//other:8443/npm/:_authToken': TOKEN }, {}],
    ['nothing of a longer path', { '//host:8443/npm/private/more/:_authToken': TOKEN }, {}],
  ]) {
    it(`finds ${what}`, () => assert.deepEqual(credentials(registry, keys), expected));
  }

  it('reads a client certificate', (t) => {
    const folder = temporaryFolder(t, { cert: 'C', key: 'K' });
    const keys = { '//host:8443/:certfile': join(folder, 'cert'), '//host:8443/:keyfile': join(folder, 'key') };
    assert.deepEqual(credentials(registry, keys), { cert: 'C', key: 'K' });
  });
});

describe('connectionOf', () => {
  const registry = 'https://registry.example/npm';
  const proxyOf = (config, env = {}) => connectionOf({ registry, ...config }, {}, env).proxy?.href;

  it('appends the endpoint to the address of the registry', () => {
    assert.equal(connectionOf({ registry }, {}, {}).url.pathname, '/npm/-/npm/v1/security/advisories/bulk');
  });

  it('takes the proxy from npm, then from the environment', () => {
    assert.equal(proxyOf({}), undefined);
    assert.equal(proxyOf({ proxy: 'http://a:1' }), 'http://a:1/');
    assert.equal(
      proxyOf({ proxy: 'http://a:1', 'https-proxy': 'http://b:1' }, { https_proxy: 'http://c:1' }),
      'http://b:1/',
    );
    assert.equal(proxyOf({}, { https_proxy: 'http://c:1' }), 'http://c:1/');
    assert.equal(proxyOf({}, { HTTPS_PROXY: 'http://c:1' }), 'http://c:1/');
    assert.equal(proxyOf({}, { http_proxy: 'http://c:1' }), undefined);
    assert.equal(proxyOf({ registry: 'http://registry.example/' }, { http_proxy: 'http://c:1' }), 'http://c:1/');
  });

  it('uses none for hosts that are exempt', () => {
    const env = { https_proxy: 'http://c:1' };
    assert.equal(proxyOf({ noproxy: [''] }, { ...env, no_proxy: 'localhost, .example' }), undefined);
    assert.equal(proxyOf({ noproxy: ['registry.example'] }, env), undefined);
    assert.equal(proxyOf({ noproxy: [''] }, { ...env, no_proxy: 'y.example' }), 'http://c:1/');
  });

  it('hands on the CA bundle, and a waiver of checks', (t) => {
    const cafile = join(temporaryFolder(t, { bundle: 'PEM' }), 'bundle');
    assert.deepEqual(connectionOf({ registry, cafile }, {}, {}).tls, { rejectUnauthorized: true, ca: 'PEM' });
    assert.deepEqual(connectionOf({ registry, 'strict-ssl': false }, {}, {}).tls, { rejectUnauthorized: false });
    assert.deepEqual(connectionOf({ registry, cafile: '/missing' }, {}, {}).tls, { rejectUnauthorized: true });
  });

  it('takes a user name and password out of the address', () => {
    const { url, authorization } = connectionOf({ registry: 'https://u:p%40@registry.example/' }, {}, {});
    assert.equal(url.username + url.password, '');
    assert.equal(authorization, `Basic ${Buffer.from('u:p@').toString('base64')}`);
  });

  for (const config of [{ registry: 'nowhere' }, { registry: 'file:///' }, { registry, proxy: 'socks5://a:1' }]) {
    it(`refuses ${JSON.stringify(config)}`, () => {
      assert.throws(() => connectionOf(config, {}, {}), unavailable(/^npm's (registry|proxy) is not an/));
    });
  }
});

describe('ask', () => {
  const options = { timeLimitMs: 20_000, pauseMs: 1 };
  const connect = (url, more = {}) => ({ url: new URL(url), tls: {}, ...more });

  it("speaks npm's protocol", async (t) => {
    const { url, requests } = await serve(t, answerWith(200, JSON.stringify({ left: [ADVISORY] })));
    const answer = await ask(connect(`${url}/path`, { authorization: `Bearer ${TOKEN}` }), QUESTION, options);
    assert.deepEqual(answer, { left: [ADVISORY] });
    const [{ method, url: path, headers, body }] = requests;
    assert.deepEqual([method, path, headers.authorization], ['POST', '/path', `Bearer ${TOKEN}`]);
    assert.deepEqual([headers['content-type'], headers['content-encoding']], ['application/json', 'gzip']);
    assert.deepEqual(JSON.parse(gunzipSync(body)), QUESTION);
  });

  for (const [encoding, compress] of [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ]) {
    it(`reads an answer in ${encoding}`, async (t) => {
      const { url } = await serve(t, answerWith(200, compress('{"left":[]}'), { 'content-encoding': encoding }));
      assert.deepEqual(await ask(connect(url), QUESTION, options), { left: [] });
    });
  }

  for (const status of [201, 302, 400, 401, 403, 404, 405, 501]) {
    it(`takes HTTP ${status} for a refusal, at once`, async (t) => {
      const { url, requests } = await serve(t, answerWith(status, '{}', { location: '/elsewhere' }));
      await assert.rejects(
        ask(connect(url), QUESTION, options),
        unavailable(new RegExp(`^the registry answered HTTP ${status}`)),
      );
      assert.equal(requests.length, 1);
    });
  }

  for (const status of [429, 500, 502, 503]) {
    it(`asks again after HTTP ${status}, three times in all`, async (t) => {
      const { url, requests } = await serve(t, answerWith(status, '{}'));
      await assert.rejects(
        ask(connect(url), QUESTION, options),
        unavailable(new RegExp(`HTTP ${status}.*; asked 3 times in \\d`)),
      );
      assert.equal(requests.length, 3);
    });
  }

  it('is content with a later answer', async (t) => {
    const { url, requests } = await serve(t, (request, response) => {
      if (requests.length === 1) response.socket.destroy();
      else response.writeHead(requests.length === 2 ? 503 : 200).end('{}');
    });
    assert.deepEqual(await ask(connect(url), QUESTION, options), {});
    assert.equal(requests.length, 3);
  });

  it('does not wait for a service that asks for more time than there is', async (t) => {
    const { url, requests } = await serve(t, answerWith(503, '', { 'retry-after': '3600' }));
    await assert.rejects(ask(connect(url), QUESTION, options), unavailable(/HTTP 503/));
    assert.equal(requests.length, 1);
  });

  it('gives up at its time limit where nothing is answered', async (t) => {
    const { url } = await serve(t, () => {});
    const begin = performance.now();
    await assert.rejects(
      ask(connect(url), QUESTION, { timeLimitMs: 150, pauseMs: 1 }),
      unavailable(/no answer within \d+ ms; asked 3 times/),
    );
    assert.ok(performance.now() - begin < 2000);
  });

  it('gives up at its time limit where an answer does not end', async (t) => {
    const { url } = await serve(t, (_, response) => response.writeHead(200).write('{'));
    await assert.rejects(
      ask(connect(url), QUESTION, { timeLimitMs: 150, pauseMs: 1 }),
      unavailable(/no answer within/),
    );
  });

  it('tells a refused connection', async (t) => {
    const { server, url } = await listen(t, createServer());
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(ask(connect(url), QUESTION, options), unavailable(/ECONNREFUSED\); asked 3 times/));
  });

  for (const [what, body, headers] of [
    ['a page', '<!doctype html><title>Log in</title>'],
    ['nothing', ''],
    ['half an answer', '{"left": [{"id": 1'],
    ['what does not decompress', 'plain', { 'content-encoding': 'gzip' }],
  ]) {
    it(`takes ${what} for no answer`, async (t) => {
      const { url } = await serve(t, answerWith(200, body, headers));
      await assert.rejects(
        ask(connect(url), QUESTION, options),
        unavailable(/^the answer is not what the protocol says/),
      );
    });
  }

  it('takes an answer shorter than announced for no answer', async (t) => {
    const { url } = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{}', () => response.socket.destroy());
    });
    await assert.rejects(ask(connect(url), QUESTION, options), unavailable(/the connection failed \(ECONNRESET\)/));
  });
});

describe('ask by way of a proxy', () => {
  const options = { timeLimitMs: 20_000, pauseMs: 1 };

  it('sends a plain question with its whole address, the credentials of the proxy to the proxy alone', async (t) => {
    const { port, requests } = await serve(t, answerWith(200, '{}'));
    const proxy = new URL(`http://u:p@127.0.0.1:${port}`);
    await ask({ url: new URL('http://registry.example/npm'), proxy, tls: {} }, QUESTION, options);
    assert.equal(requests[0].url, 'http://registry.example/npm');
    assert.equal(requests[0].headers.host, 'registry.example');
    assert.equal(requests[0].headers['proxy-authorization'], 'Basic dTpw');
  });

  // Pre-shared keys: TLS without a certificate, which the tests could not make.
  const psk = { ciphers: 'PSK-AES128-CBC-SHA256', maxVersion: 'TLSv1.2' };
  const client = {
    ...psk,
    pskCallback: () => ({ psk: Buffer.alloc(16, 1), identity: 'test' }),
    checkServerIdentity: () => undefined,
  };

  async function serveTls(t) {
    const http = createHttpServer((request, response) => request.resume().on('end', () => response.end('{"left":[]}')));
    const tls = createTlsServer({ ...psk, pskCallback: () => Buffer.alloc(16, 1) }, (socket) =>
      http.emit('connection', socket),
    );
    return listen(t, tls);
  }

  async function serveTunnels(t, asked) {
    const proxy = createHttpServer();
    proxy.on('connect', (request, socket) => {
      asked.push([request.url, request.headers['proxy-authorization']]);
      const [host, port] = request.url.split(':');
      const upstream = connect(port, host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
    });
    return listen(t, proxy);
  }

  it('asks by TLS through a tunnel', async (t) => {
    const { port } = await serveTls(t);
    const asked = [];
    const tunnels = await serveTunnels(t, asked);
    const proxy = new URL(`http://u:p@127.0.0.1:${tunnels.port}`);
    const answer = await ask({ url: new URL(`https://127.0.0.1:${port}/x`), proxy, tls: client }, QUESTION, options);
    assert.deepEqual(answer, { left: [] });
    assert.deepEqual(asked, [[`127.0.0.1:${port}`, 'Basic dTpw']]);
  });

  it('tells a proxy that refuses', async (t) => {
    const refusing = createHttpServer();
    refusing.on('connect', (_, socket) => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
    const { url } = await listen(t, refusing);
    const connection = { url: new URL('https://registry.example'), proxy: new URL(url), tls: {} };
    await assert.rejects(ask(connection, QUESTION, options), unavailable('the proxy answered HTTP 407'));
  });

  it('tells a service that speaks no TLS', async (t) => {
    const { port } = await serve(t, answerWith(200, '{}'));
    const connection = { url: new URL(`https://127.0.0.1:${port}`), tls: {} };
    await assert.rejects(ask(connection, QUESTION, options), unavailable(/^the connection failed \((ERR_SSL|EPROTO)/));
  });
});

describe('readAnswer', () => {
  it('takes an empty object for "nothing known"', () => assert.deepEqual(readAnswer('{}', QUESTION), {}));

  for (const text of [
    'null',
    '[]',
    '""',
    '0',
    '{"error":"not found"}',
    '{"error":[]}',
    '{"left":{}}',
    '{"left":["x"]}',
    '{"left":[null]}',
  ]) {
    it(`refuses ${text}`, () =>
      assert.throws(() => readAnswer(text, QUESTION), unavailable(/not what the protocol says/)));
  }
});

describe('matchingSet', () => {
  for (const [version, range, expected] of [
    ['1.2.3', '<1.2.4', true],
    ['1.2.4', '<1.2.4', false],
    ['1.2.4', '<=1.2.4', true],
    ['1.10.0', '<1.9.0', false],
    ['1.2.3', '>=1.0.0 <1.2.4', true],
    ['0.9.0', '>=1.0.0 <1.2.4', false],
    ['1.2.3', '>= 1.0.0, < 1.2.4', true],
    ['2.0.1', '<1.0.0 || >=2.0.0 <2.0.2', true],
    ['1.5.0', '<1.0.0 || >=2.0.0 <2.0.2', false],
    ['1.2.3', '*', true],
    ['1.2.3', '', true],
    ['1.2.3', '=1.2.3', true],
    ['1.2.3', '1.2.3', true],
    ['1.2.3', '1.2.4', false],
    ['3.0.0', '<2', false],
    ['1.9.0', '<2', true],
    ['2.0.0-rc.1', '<2.0.0', true],
    ['2.0.0-rc.2', '<2.0.0-rc.10', true],
    ['2.0.0-rc.2', '<2.0.0-beta', false],
    ['2.0.0+build', '<2.0.0', false],
    ['1.0.0', '^1.2', true], // can't be read: better one finding too many
    ['not-a-version', '<1.0.0', true],
  ]) {
    it(`${version} is ${expected ? '' : 'not '}in "${range}"`, () =>
      assert.equal(matchingSet(version, range) !== undefined, expected));
  }
});

describe('findings', () => {
  const installed = installedPackages(LOCK);
  const of = (...advisories) => findings({ left: advisories }, installed);

  it('concern the installed versions in the range, and say which are fixed', () => {
    assert.deepEqual(of(ADVISORY), [
      {
        package: 'left',
        version: '1.2.3',
        paths: ['node_modules/left'],
        id: '7',
        title: 'Prototype pollution',
        url: 'https://advisories.example/7',
        severity: 'high',
        vulnerable: '>=1.0.0 <1.2.4',
        fixed: '>=1.2.4',
      },
    ]);
  });

  it('name the fixed versions of the part that matches, where known', () => {
    const fixed = (range, more) => of({ ...ADVISORY, vulnerable_versions: range, ...more }).map((one) => one.fixed);
    assert.deepEqual(fixed('<1.2.4 || >=2.0.0 <2.0.5'), ['>=1.2.4', '>=2.0.5']);
    assert.deepEqual(fixed('<=1.2.3'), ['>1.2.3']);
    assert.deepEqual(fixed('*'), [null, null]);
    assert.deepEqual(fixed('<=1.2.3', { patched_versions: '>=1.3.0' }), ['>=1.3.0']);
  });

  it('put the gravest first', () => {
    const severities = of({ ...ADVISORY, severity: 'low' }, { ...ADVISORY, severity: 'critical' }, ADVISORY);
    assert.deepEqual(
      severities.map(({ severity }) => severity),
      ['critical', 'high', 'low'],
    );
  });

  it('count an unknown severity as high and a missing range as all versions', () => {
    const found = of({ id: 8, severity: 'terrible' });
    assert.deepEqual(
      found.map(({ version, severity, title }) => [version, severity, title]),
      [
        ['1.2.3', 'high', 'untitled'],
        ['2.0.0', 'high', 'untitled'],
      ],
    );
  });

  it('carry no control characters to a terminal', () => {
    const [{ title, url }] = of({ ...ADVISORY, title: 'a\u001b[2Jb\nc\u202e', url: 'x\ry' });
    assert.deepEqual([title, url], ['a [2Jb c', 'x y']);
  });

  it('are described with everything needed to act', () => {
    const text = inWords({ outcome: 'found', level: 'low', packages: 3, advisories: of(ADVISORY), belowLevel: 1 });
    for (const part of [
      'left 1.2.3',
      'Prototype pollution (high)',
      'https://advisories.example/7',
      '>=1.0.0 <1.2.4',
      '>=1.2.4',
      'node_modules/left',
      '1 found at or above low (1 below it); 3 packages',
    ])
      assert.ok(text.includes(part), part);
  });
});

describe('audit.mjs', () => {
  /** Runs the program against a registry, whose token is in an npmrc by way of a variable. */
  async function gate(t, { url = 'http://127.0.0.1:1', args = [], env = {}, files = {} } = {}) {
    const folder = temporaryFolder(t, {
      'package-lock.json': LOCK,
      npmrc: `//${new URL(url).host}/:_authToken=\${AUDIT_TEST_TOKEN}\n`,
      ...files,
    });
    const npm = { npm_config_registry: url, npm_config_userconfig: join(folder, 'npmrc'), AUDIT_TEST_TOKEN: TOKEN };
    const command = [
      process.execPath,
      join(ROOT, 'tools/audit.mjs'),
      '--level',
      'moderate',
      '--report',
      join(folder, 'gate'),
      ...args,
    ];
    const result = await run(t, command, { cwd: folder, env: plainEnvironment({ ...npm, ...env }) });
    assert.ok(!(result.stdout + result.stderr).includes(TOKEN), 'the token is printed');
    const path = join(folder, 'gate', 'audit.json');
    const report = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    if (report) assert.deepEqual(readdirSync(join(folder, 'gate')), ['audit.json']);
    return { ...result, report: report && JSON.parse(report) };
  }

  it('exits 0 where nothing is found, having asked with the token of npm', async (t) => {
    const { url, requests } = await serve(t, answerWith(200, '{}'));
    const { code, stdout, report } = await gate(t, { url: `${url}/npm/` });
    assert.equal(code, 0);
    assert.equal(stdout, 'audit: nothing found at or above moderate; 3 packages\n');
    assert.deepEqual(report, {
      version: 1,
      level: 'moderate',
      packages: 3,
      outcome: 'nothing-found',
      advisories: [],
      belowLevel: 0,
    });
    assert.equal(requests[0].url, '/npm/-/npm/v1/security/advisories/bulk');
    assert.equal(requests[0].headers.authorization, `Bearer ${TOKEN}`);
    assert.deepEqual(JSON.parse(gunzipSync(requests[0].body)), QUESTION);
  });

  it('exits 0 where what is found lies below the level', async (t) => {
    const { url } = await serve(t, answerWith(200, JSON.stringify({ left: [{ ...ADVISORY, severity: 'low' }] })));
    const { code, report } = await gate(t, { url });
    assert.deepEqual([code, report.outcome, report.belowLevel], [0, 'nothing-found', 1]);
  });

  it('exits 1 where something is found, and says what', async (t) => {
    const { url } = await serve(t, answerWith(200, JSON.stringify({ left: [{ ...ADVISORY, severity: 'moderate' }] })));
    const { code, stdout, report } = await gate(t, { url });
    assert.equal(code, 1);
    assert.match(stdout, /^left 1\.2\.3: Prototype pollution \(moderate\)\n/);
    assert.equal(report.outcome, 'found');
    assert.deepEqual(
      report.advisories.map(({ package: name, version }) => [name, version]),
      [['left', '1.2.3']],
    );
  });

  it('exits 69 where the service cannot be asked, and says why', async (t) => {
    const { url } = await serve(t, answerWith(405, ''));
    const { code, stderr, report } = await gate(t, {
      url,
      files: { 'gate/audit.json': '{"outcome": "nothing-found"}' },
    });
    assert.equal(code, 69);
    assert.match(stderr, /^audit: the advisory service could not be asked: the registry answered HTTP 405/);
    assert.deepEqual([report.outcome, report.packages], ['unavailable', 3]);
    assert.match(report.reason, /HTTP 405/);
  });

  it('exits 69 where npm is missing', async (t) => {
    const { code, report } = await gate(t, { env: { PATH: '/missing' } });
    assert.deepEqual([code, report.outcome], [69, 'unavailable']);
    assert.match(report.reason, /npm did not tell its configuration \(ENOENT\)/);
  });

  for (const [what, args, message] of [
    ['a wrong argument', ['--level', 'severe'], /--level: got severe.*\nusage:/],
    ['a missing lock file', ['--lock', 'missing.json'], /--lock: missing\.json can't be read \(ENOENT\)/],
    [
      'a report folder that is a file',
      ['--report', 'package-lock.json'],
      /--report: package-lock\.json can't be written/,
    ],
  ]) {
    it(`exits 2 for ${what}`, async (t) => {
      const { code, stderr } = await gate(t, { args });
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }

  it('never returns the 1 of "found" for an error of its own', async (t) => {
    const folder = temporaryFolder(t, { lock: LOCK });
    const texts = [];
    const proc = {
      get env() {
        throw new Error('a mistake');
      },
      stderr: { write: (text) => texts.push(text) },
    };
    const code = await main(['--level', 'low', '--report', join(folder, 'gate'), '--lock', join(folder, 'lock')], proc);
    assert.equal(code, 70);
    assert.match(texts.join(''), /a mistake/);
  });

  it('leaves no older verdict where it gives none', async (t) => {
    const { report } = await gate(t, { args: ['--lock', 'missing.json'], files: { 'gate/audit.json': '{}' } });
    assert.equal(report, undefined);
  });
});
