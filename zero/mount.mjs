// The mount as a folder: whether it is still the one on which the replica was opened.

import fs from 'node:fs';
import { stat } from 'node:fs/promises';

/** Linux' number of a FUSE file system, in statfs. */
const FUSE = 0x65735546;

/** Holds a folder open, so that the kernel cannot give its device number to a later mount. */
export class MountedFolder {
  #descriptor;
  #device;

  /** @param {string} folder @throws {NodeJS.ErrnoException} */
  constructor(folder) {
    this.folder = folder;
    this.#descriptor = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    this.#device = fs.fstatSync(this.#descriptor).dev;
  }

  /**
   * @returns {Promise<string | undefined>} what became of the mount, if it is not there any more
   */
  async loss() {
    try {
      if ((await stat(this.folder)).dev === this.#device) return undefined;
      return `another file system is mounted on ${this.folder} now, or none`;
    } catch (error) {
      return `${this.folder} gives ${/** @type {NodeJS.ErrnoException} */ (error).code}`;
    }
  }

  close() {
    fs.closeSync(this.#descriptor);
  }
}

/**
 * Why the folder `.litefs` of a mount cannot be read, for people.
 *
 * @param {string} folder where the mount should be
 * @returns {import('./reasons.mjs').Reason}
 */
export function explainMissingMount(folder) {
  let type;
  try {
    type = fs.statfsSync(folder).type;
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code;
    if (code === 'ENOTCONN') {
      return {
        reason: 'daemon-gone',
        message: `the litefs daemon behind ${folder} has ended. It comes back with its sidecar; see why that is not running`,
      };
    }
    return {
      reason: 'no-mount',
      message: `${folder} gives ${code}. Set ZERO_REPLICA_FILE to a file at the top of the mount`,
    };
  }
  if (type === FUSE) {
    return {
      reason: 'no-channel',
      message: `the mount on ${folder} has no folder .litefs. Set ZERO_REPLICA_FILE to a file at the top of the mount, and use a litefs that has .litefs/NAME.json`,
    };
  }
  return {
    reason: 'no-mount',
    message: `nothing is mounted on ${folder}. Look whether the litefs sidecar runs, and whether this container mounts the volume with mountPropagation HostToContainer`,
  };
}
