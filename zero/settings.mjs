// The environment variables, read once and checked.

import path from 'node:path';

/** What a setting must be; the message names the variable and the remedy. */
export class SettingError extends Error {}

/**
 * @typedef {object} Settings
 * @property {string} file the replica: a database at the top of a litefs mount
 * @property {number} pollMs how often the notification file is read although no event came
 * @property {number} maxLagMs more than that behind the primary is logged
 * @property {number} remindMs how often a lasting condition is logged
 * @property {string} sqlite the module with better-sqlite3's Database
 * @property {readonly string[]} journalModes the journal modes that a replica may have
 */

/**
 * The path of the replica, as zero-cache has it.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function replicaFile(env) {
  return path.resolve(env.ZERO_REPLICA_FILE || 'zero.db');
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Settings}
 * @throws {SettingError}
 */
export function readSettings(env) {
  return {
    file: replicaFile(env),
    pollMs: milliseconds(env, 'LITEFS_ZERO_POLL_MS', 1000, { from: 10, to: 60_000 }),
    // The lag is the time since the primary's last word, and that comes every second.
    maxLagMs: milliseconds(env, 'LITEFS_ZERO_MAX_LAG_MS', 10_000, { from: 3_000, to: 86_400_000 }),
    remindMs: milliseconds(env, 'LITEFS_ZERO_REMIND_MS', 30_000, { from: 100, to: 3_600_000 }),
    sqlite: env.LITEFS_ZERO_SQLITE || '@rocicorp/zero-sqlite3',
    journalModes: (env.LITEFS_ZERO_TEST_JOURNAL_MODES || 'wal2').split(','),
  };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string} name
 * @param {number} otherwise
 * @param {{from: number, to: number}} range
 */
function milliseconds(env, name, otherwise, { from, to }) {
  const text = env[name];
  if (!text) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new SettingError(
    `${name}=${text} is no number of milliseconds from ${from} to ${to}. Correct it or leave it out`,
  );
}
