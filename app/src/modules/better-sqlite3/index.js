'use strict';

const MESSAGE = 'SQLite is not part of this image; data is kept in memory or JSON files';

class SqliteUnavailable extends Error {
  constructor() {
    super(MESSAGE);
    // claude-flow logs the whole error: where this file lies is no news to anyone.
    this.stack = `SqliteUnavailable: ${MESSAGE}`;
  }
}

/**
 * Stands where claude-flow looks for SQLite. The image holds no native modules, so opening a database fails, in one
 * line, and claude-flow goes on with its other stores.
 */
class Database {
  constructor() {
    throw new SqliteUnavailable();
  }
}

module.exports = Database;
