import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';

const require = createRequire(import.meta.url);

describe('the stand-in for better-sqlite3', () => {
  const Database = require('../src/modules/better-sqlite3');

  it('can be loaded, and opens no database', () => {
    assert.throws(() => new Database('memory.db'), { message: /^SQLite is not part of this image/ });
  });

  it('fails in one line, however it is printed', () => {
    try {
      new Database('memory.db');
      assert.fail('a database was opened');
    } catch (error) {
      assert.equal(inspect(error).split('\n').length, 1);
    }
  });
});
