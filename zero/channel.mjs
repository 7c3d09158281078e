// The notification file `.litefs/NAME.json` that litefs has for each database of a mount: one line of JSON, made at the
// moment when the file is opened.

import fs from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';

/**
 * What the daemon says of a database.
 *
 * @typedef {object} Status
 * @property {'primary' | 'replica'} role of the node
 * @property {string} position transaction and checksum; another text, another content
 * @property {string} generation another one when the file of that name is another file than before
 * @property {string} journalMode as a reader on this node will find it
 * @property {number | null} lagMs milliseconds behind the primary; null while the node does not know
 * @property {boolean} ready whether a reader can open the database
 */

/** The text is not what the notification file should hold. */
export class MalformedStatus extends Error {}

// A status has some 250 bytes. A text that fills the buffer is none.
const MOST_BYTES = 4096;

/** @param {string} file a database on a mount */
export function channelFolder(file) {
  return path.join(path.dirname(file), '.litefs');
}

/** @param {string} file a database on a mount */
export function channelName(file) {
  return `${path.basename(file)}.json`;
}

/**
 * @param {string} text
 * @returns {Status}
 * @throws {MalformedStatus}
 */
export function parseStatus(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedStatus(`it is no JSON: ${JSON.stringify(text.slice(0, 80))}`);
  }
  /** @type {[string, (member: unknown) => boolean][]} */
  const members = [
    ['role', member => member === 'primary' || member === 'replica'],
    ['position', member => typeof member === 'string'],
    ['generation', member => typeof member === 'string' && member !== ''],
    ['journalMode', member => typeof member === 'string'],
    ['lagMs', member => member === null || (typeof member === 'number' && member >= 0)],
    ['ready', member => typeof member === 'boolean'],
  ];
  for (const [name, isSound] of members) {
    if (isSound(value?.[name])) continue;
    throw new MalformedStatus(`its member "${name}" is ${JSON.stringify(value?.[name]) ?? 'missing'}`);
  }
  return value;
}

/**
 * Reads without keeping the event loop waiting: a daemon that hangs makes the read hang.
 *
 * @param {string} file a database on a mount
 * @returns {Promise<Status>}
 * @throws {MalformedStatus | NodeJS.ErrnoException}
 */
export async function readStatus(file) {
  const handle = await open(path.join(channelFolder(file), channelName(file)));
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(MOST_BYTES), 0, MOST_BYTES, 0);
    return parseStatus(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await handle.close();
  }
}

/**
 * @param {string} file a database on a mount
 * @returns {Status | undefined} undefined for every reason why it cannot be known
 */
export function readStatusNow(file) {
  try {
    return parseStatus(fs.readFileSync(path.join(channelFolder(file), channelName(file)), 'utf8'));
  } catch {
    return undefined;
  }
}
