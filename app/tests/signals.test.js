import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { EXIT_CODES, exitOnSignals } from '../src/signals.js';

/** A process that notes how it was ended: `exit` tells its listeners first, as Node's does. */
class FakeProcess extends EventEmitter {
  ended = [];

  exit(code) {
    this.exitCode = code;
    this.emit('exit', code);
    this.ended.push(this.exitCode);
  }
}

function started() {
  const proc = new FakeProcess();
  exitOnSignals(proc, { graceMs: 1000 });
  return proc;
}

describe('exitOnSignals', () => {
  it("uses 128 + the signal's number", () => {
    for (const [signal, code] of Object.entries(EXIT_CODES)) assert.equal(code, 128 + constants.signals[signal]);
  });

  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    it(`ends at once with ${code} on ${signal} where the command does not handle it`, () => {
      const proc = started();
      proc.emit(signal);
      assert.deepEqual(proc.ended, [code]);
    });
  }

  it("keeps the signal's code where the command exits 0", () => {
    const proc = started();
    proc.on('SIGTERM', () => proc.exit(0));
    proc.emit('SIGTERM');
    assert.deepEqual(proc.ended, [143]);
  });

  it('gives a command that handles the signal its time, and no more', (t) => {
    const setTimeout = t.mock.method(globalThis, 'setTimeout', () => ({ unref() {} }));
    const proc = started();
    proc.on('SIGTERM', () => {});
    proc.emit('SIGTERM');
    assert.deepEqual(proc.ended, []);
    const [end, ms] = setTimeout.mock.calls[0].arguments;
    assert.equal(ms, 1000);
    end();
    assert.deepEqual(proc.ended, [143]);
  });

  it("ends at once on a second signal, with the first one's code", () => {
    const proc = started();
    proc.on('SIGTERM', () => {});
    proc.emit('SIGTERM');
    proc.emit('SIGINT');
    assert.deepEqual(proc.ended, [143]);
  });
});
