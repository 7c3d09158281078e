// Why a replica cannot be followed, or not any more: what is the case and what to do about it, for people.

import fs from 'node:fs';
import path from 'node:path';

import { channelFolder, MalformedStatus } from './channel.mjs';
import { explainMissingMount } from './mount.mjs';

/** @typedef {{reason: string, message: string}} Reason */

/**
 * @param {import('./channel.mjs').Status} status
 * @param {import('./settings.mjs').Settings} settings
 * @returns {Reason | undefined} why this node's replica is nothing to follow
 */
export function reasonAgainst(status, { file, journalModes }) {
  if (status.role === 'primary') {
    return {
      reason: 'on-primary',
      message: `this node writes ${file}, so zero-cache must write it here. Leave ZERO_CHANGE_STREAMER_URI out on this pod, or run it on another node`,
    };
  }
  if (!status.ready) {
    return {
      reason: 'not-ready',
      message: `${file} has no content on this node yet. It comes from the primary; if it does not, litefs' log and GET /info say why`,
    };
  }
  if (!journalModes.includes(status.journalMode)) return wrongJournalMode(file, status.journalMode, journalModes);
  return undefined;
}

/**
 * @param {string} file
 * @param {string} mode
 * @param {readonly string[]} wanted
 * @returns {Reason}
 */
export function wrongJournalMode(file, mode, wanted) {
  return {
    reason: 'journal-mode',
    message:
      `${file} is in journal mode ${mode} and zero-cache's syncers need ${wanted.join(' or ')}. The writing pod makes it so when ` +
      'its initial synchronisation is done; if it stays, that pod runs with ZERO_NUM_SYNC_WORKERS=0 or with ' +
      'ZERO_LITESTREAM_BACKUP_URL: use 1, and leave the URL out',
  };
}

/**
 * @param {string} file
 * @param {unknown} error what reading the notification file gave
 * @returns {Reason}
 */
export function reasonOf(file, error) {
  const folder = channelFolder(file);
  if (error instanceof MalformedStatus) {
    return {
      reason: 'malformed',
      message: `${path.basename(file)}.json in ${folder} cannot be understood: ${error.message}. Use the files of zero/ and the litefs of one release`,
    };
  }
  const code = /** @type {NodeJS.ErrnoException} */ (error).code ?? String(error);
  if (code === 'ENOENT' && fs.existsSync(folder)) {
    return {
      reason: 'no-database',
      message: `there is no ${file} on the mount${others(folder)}. The writing pod makes it; look there, or correct ZERO_REPLICA_FILE`,
    };
  }
  if (code === 'ENOENT' || code === 'ENOTCONN' || code === 'ENOTDIR') return explainMissingMount(path.dirname(file));
  return { reason: 'unreadable', message: `the notification file of ${file} gives ${code}. litefs' log says why` };
}

/** @param {string} folder */
function others(folder) {
  try {
    const names = fs.readdirSync(folder).flatMap(name => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
    return names.length === 0 ? '' : `, but ${names.slice(0, 5).join(', ')}`;
  } catch {
    return '';
  }
}
