// Opens the replica as soon as that makes sense, and says what is missing until then.
//
// Invariant: the file that is open is the one whose generation is remembered. The generation is read before the file is
// opened and again after, and must be the same.

import path from 'node:path';

import { readStatus } from './channel.mjs';
import { MountedFolder } from './mount.mjs';
import { reasonAgainst, reasonOf, wrongJournalMode } from './reasons.mjs';
import { Replica } from './replica.mjs';

/**
 * @typedef {object} Opened
 * @property {Replica} replica
 * @property {MountedFolder} mount
 * @property {import('./replica.mjs').ReplicaState} state
 * @property {import('./channel.mjs').Status} status
 */

export class Opening {
  #settings;
  #Database;
  /** @type {{generation: string, mount: MountedFolder, replica: Replica} | undefined} */
  #files;

  /**
   * @param {import('./settings.mjs').Settings} settings
   * @param {ReturnType<typeof import('./replica.mjs').loadSQLite>} Database
   */
  constructor(settings, Database) {
    this.#settings = settings;
    this.#Database = Database;
  }

  /** @returns {Promise<Opened | import('./reasons.mjs').Reason>} */
  async attempt() {
    const { file } = this.#settings;
    try {
      const status = await readStatus(file);
      const reason = reasonAgainst(status, this.#settings);
      if (reason) return this.#give(reason);
      await this.#closeStale(status.generation);
      const state = this.#read(status.generation);
      if ('reason' in state) return state;
      const { generation } = await readStatus(file);
      if (generation !== status.generation || !this.#files) {
        return this.#give({ reason: 'replaced', message: `${file} became another file while it was being opened` });
      }
      return { ...this.#files, state, status };
    } catch (error) {
      return this.#give(reasonOf(file, error));
    }
  }

  /**
   * Closes files of an earlier attempt that are not the ones that have the names now.
   *
   * @param {string} generation
   */
  async #closeStale(generation) {
    if (!this.#files) return;
    if (this.#files.generation !== generation || (await this.#files.mount.loss())) this.#close();
  }

  /**
   * @param {string} generation
   * @returns {import('./replica.mjs').ReplicaState | import('./reasons.mjs').Reason}
   */
  #read(generation) {
    const { file, journalModes } = this.#settings;
    try {
      this.#files ??= this.#open(generation);
      const mode = this.#files.replica.journalMode();
      if (!journalModes.includes(mode)) return this.#give(wrongJournalMode(file, mode, journalModes));
      const state = this.#files.replica.read();
      if (state) return state;
    } catch (error) {
      const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
      if (!/no such table/.test(message)) {
        return this.#give({ reason: 'unreadable', message: `SQLite cannot read ${file}: ${message} (${code})` });
      }
    }
    // The connection stays: the tables will come into this file, or another one gets its name.
    return {
      reason: 'no-tables',
      message: `${file} has no replica of zero-cache's in it. If the writing pod's initial synchronisation is done, correct ZERO_REPLICA_FILE`,
    };
  }

  /** @param {string} generation */
  #open(generation) {
    const { file } = this.#settings;
    const mount = new MountedFolder(path.dirname(file));
    try {
      return { generation, mount, replica: new Replica(this.#Database, file) };
    } catch (error) {
      mount.close();
      throw error;
    }
  }

  /** @param {import('./reasons.mjs').Reason} reason */
  #give(reason) {
    this.#close();
    return reason;
  }

  #close() {
    this.#files?.replica.close();
    this.#files?.mount.close();
    this.#files = undefined;
  }
}
