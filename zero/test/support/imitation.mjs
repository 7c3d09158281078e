// A plain folder with a SQLite database and a notification file, which tests change as a daemon would, or wrongly.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { layOutPackage } from './package.mjs';
import { StandIn } from './stand-in.mjs';

export class Imitation {
  status = {
    name: 'zero.db',
    role: 'replica',
    position: '0000000000000001/8000000000000001',
    txid: 1,
    generation: '00000000000000a1',
    journalMode: 'wal',
    pageSize: 4096,
    pages: 10,
    lagMs: /** @type {number | null} */ (0),
    ready: true,
  };

  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'litefs-zero-'));
    this.mount = path.join(this.folder, 'mount');
    this.file = path.join(this.mount, 'zero.db');
    this.channel = path.join(this.mount, '.litefs/zero.db.json');
    fs.mkdirSync(path.dirname(this.channel), { recursive: true });
    this.modules = layOutPackage(this.folder);
  }

  /** @param {Record<string, string | undefined>} [env] @param {object} [options] */
  standIn(env = {}, options = {}) {
    const common = {
      ZERO_REPLICA_FILE: this.file,
      LITEFS_ZERO_TEST_JOURNAL_MODES: 'wal',
      LITEFS_ZERO_REMIND_MS: '300',
    };
    return new StandIn(this.modules.replicator, { ...common, ...env }, options);
  }

  /** Makes the database, with zero-cache's two tables. */
  createDatabase(version = '01', replicaVersion = version, file = this.file) {
    const database = new DatabaseSync(file);
    database.exec(`
      PRAGMA journal_mode = wal;
      CREATE TABLE "_zero.replicationConfig"(replicaVersion TEXT NOT NULL, lock INTEGER PRIMARY KEY DEFAULT 1);
      CREATE TABLE "_zero.replicationState"(stateVersion TEXT NOT NULL, writeTimeMs INTEGER, lock INTEGER PRIMARY KEY DEFAULT 1);
      INSERT INTO "_zero.replicationConfig"(replicaVersion) VALUES ('${replicaVersion}');
      INSERT INTO "_zero.replicationState"(stateVersion) VALUES ('${version}');`);
    if (file === this.file) this.database = database;
    return database;
  }

  /** Writes the notification file as it stands in `status`, and moves it into its place. */
  announce(changes = {}) {
    Object.assign(this.status, changes);
    this.#put(`${JSON.stringify(this.status)}\n`);
  }

  /** @param {string} text */
  announceText(text) {
    this.#put(text);
  }

  /** A commit of zero-cache's, without a word. */
  commitInSilence(version) {
    this.database?.exec(`UPDATE "_zero.replicationState" SET stateVersion = '${version}'`);
  }

  /** A commit of zero-cache's, and the event. */
  commit(version) {
    this.commitInSilence(version);
    this.step();
  }

  /** Another position. */
  step() {
    const txid = this.status.txid + 1;
    this.announce({ txid, position: `${txid.toString(16).padStart(16, '0')}/8000000000000000` });
  }

  /** The database and its notification file go, as on a drop. */
  drop() {
    fs.rmSync(this.channel, { force: true });
    this.database?.close();
    this.database = undefined;
    for (const suffix of ['', '-wal', '-shm']) fs.rmSync(this.file + suffix, { force: true });
  }

  remove() {
    this.database?.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** @param {string} text */
  #put(text) {
    const fresh = path.join(this.folder, 'fresh.json');
    fs.writeFileSync(fresh, text);
    fs.renameSync(fresh, this.channel);
  }
}
