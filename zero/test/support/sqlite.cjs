// Node's own SQLite in the shape of better-sqlite3, as far as the stand-in uses it. zero-cache's module, which opens
// wal2 databases, is no package of Debian or PyPI.

const { DatabaseSync } = require('node:sqlite');

module.exports = class Database {
  #database;

  constructor(file, { readonly }) {
    this.#database = new DatabaseSync(file, { readOnly: readonly });
  }

  prepare(sql) {
    return this.#database.prepare(sql);
  }

  pragma(text, { simple }) {
    const row = this.#database.prepare(`PRAGMA ${text}`).get();
    return simple ? Object.values(row)[0] : [row];
  }

  close() {
    this.#database.close();
  }
};
