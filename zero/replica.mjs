// The replica as SQLite shows it: one connection that only reads, kept for as long as the file is the same.

import { createRequire } from 'node:module';

import { SettingError } from './settings.mjs';

// Both tables have one row. They are read in one statement, so in one snapshot.
const STATE = `
  SELECT state.stateVersion AS watermark, config.replicaVersion AS replicaVersion
  FROM "_zero.replicationState" AS state, "_zero.replicationConfig" AS config`;

/**
 * @typedef {object} ReplicaState
 * @property {string} watermark the newest version that a reader sees
 * @property {string} replicaVersion the initial synchronisation that the file descends from
 */

/**
 * The class Database of better-sqlite3's shape. zero-cache's own is the only one that opens wal2 databases; it is found
 * from the path of the worker that this module stands in for.
 *
 * @param {string} name
 * @param {string} from
 * @returns {new (file: string, options: {readonly: boolean, fileMustExist: boolean}) => any}
 * @throws {SettingError}
 */
export function loadSQLite(name, from) {
  try {
    return createRequire(from)(name);
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new SettingError(
      `the SQLite module ${name} cannot be loaded from ${from}: ${detail}. Leave LITEFS_ZERO_SQLITE out to use zero-cache's`,
    );
  }
}

export class Replica {
  #database;
  /** @type {{get: () => ReplicaState | undefined} | undefined} */
  #statement;

  /**
   * @param {ReturnType<typeof loadSQLite>} Database
   * @param {string} file
   */
  constructor(Database, file) {
    this.#database = new Database(file, { readonly: true, fileMustExist: true });
  }

  /** @returns {string} what PRAGMA journal_mode says, as zero-cache's syncers will ask it */
  journalMode() {
    return this.#database.pragma('journal_mode', { simple: true });
  }

  /**
   * @returns {ReplicaState | undefined} undefined while the tables are there and have no row yet
   * @throws what SQLite has to say, with a `code`
   */
  read() {
    this.#statement ??= this.#database.prepare(STATE);
    return this.#statement?.get();
  }

  close() {
    try {
      this.#database.close();
    } catch {
      // A connection to a mount that is gone. Its descriptors are closed all the same.
    }
  }
}
