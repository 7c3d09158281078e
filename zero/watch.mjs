// Hears of changes to one file of the folder `.litefs` by inotify. The folder is watched and not the file, because the
// file goes and comes with its database.

import fs from 'node:fs';
import { stat } from 'node:fs/promises';

export class ChannelWatch {
  /** @type {fs.FSWatcher | undefined} */
  #watcher;
  #inode = 0n;
  #device = 0n;

  /**
   * @param {string} folder
   * @param {string} name
   * @param {object} hears
   * @param {() => void} hears.onChange the file changed, appeared or vanished
   * @param {() => void} hears.onDoubt something happened to the folder itself, such as an unmount
   */
  constructor(folder, name, { onChange, onDoubt }) {
    this.folder = folder;
    this.name = name;
    this.onChange = onChange;
    this.onDoubt = onDoubt;
  }

  get isWatching() {
    return this.#watcher !== undefined;
  }

  /**
   * Watches the folder that has the path now, if it is not watched already.
   *
   * @returns {Promise<string | undefined>} the error's code, if it cannot be watched
   */
  async ensure() {
    try {
      const { dev, ino } = await stat(this.folder, { bigint: true });
      if (this.#watcher && dev === this.#device && ino === this.#inode) return undefined;
      this.close();
      const watcher = fs.watch(this.folder);
      watcher.on('change', (_kind, name) => (name === this.name ? this.onChange() : this.#other(name)));
      watcher.on('error', () => this.#lost(watcher));
      this.#watcher = watcher;
      this.#device = dev;
      this.#inode = ino;
      return undefined;
    } catch (error) {
      this.close();
      return /** @type {NodeJS.ErrnoException} */ (error).code ?? String(error);
    }
  }

  close() {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** @param {string | Buffer | null} name */
  #other(name) {
    // Events of other databases' files are none of ours. Those of the folder itself come with its own name or none.
    if (typeof name === 'string' && name.endsWith('.json')) return;
    this.onDoubt();
  }

  /** @param {fs.FSWatcher} watcher */
  #lost(watcher) {
    if (watcher !== this.#watcher) return;
    this.close();
    this.onDoubt();
  }
}
