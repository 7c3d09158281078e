// Follows a replica that is open: tells the subscriber of newer versions, and ends the process when whoever has the
// replica open must open it anew.
//
// Invariants:
// - What is notified was read from the replica before, so every reader that looks after the message finds it.
// - Whatever lasts and keeps versions from the subscriber is in the log, or ends the process.

import { readStatus } from './channel.mjs';
import { LagWarning } from './lag.mjs';
import { Reminder } from './log.mjs';
import { reasonOf } from './reasons.mjs';

/** A replica that cannot be read for that long is opened anew, by a new process. */
const UNREADABLE_MS = 60_000;

export class Following {
  #file;
  #opened;
  #state;
  #position;
  #subscriber;
  #openAnew;
  #mustRead = false;
  #lag;
  #outdated;
  #unreadable;
  #promoted;
  #otherMode;

  /**
   * @param {import('./settings.mjs').Settings} settings
   * @param {import('./opening.mjs').Opened} opened
   * @param {import('./subscriber.mjs').Subscriber} subscriber
   * @param {(event: string, message: string, details?: Record<string, unknown>) => void} openAnew ends the process
   */
  constructor(settings, opened, subscriber, openAnew) {
    this.#file = settings.file;
    this.#opened = opened;
    this.#state = opened.state;
    this.#position = opened.status.position;
    this.#subscriber = subscriber;
    this.#openAnew = openAnew;
    this.#lag = new LagWarning(settings.maxLagMs, new Reminder(settings.remindMs));
    this.#outdated = new Reminder(settings.remindMs);
    this.#unreadable = new Reminder(settings.remindMs);
    this.#promoted = new Reminder(settings.remindMs);
    this.#otherMode = new Reminder(settings.remindMs);
  }

  /** Whether the replica could not be read, and is to be tried again soon. */
  get isInTrouble() {
    return this.#mustRead;
  }

  /**
   * Reads the replica, and notifies if there is a newer version.
   *
   * @returns {boolean} whether there was
   */
  read() {
    let state;
    try {
      state = this.#opened.replica.read();
      if (!state) throw new Error("zero-cache's tables are empty");
    } catch (error) {
      this.#failed(/** @type {NodeJS.ErrnoException} */ (error));
      return false;
    }
    this.#mustRead = false;
    this.#unreadable.over('readable', `${this.#file} can be read again`);
    if (state.replicaVersion !== this.#state.replicaVersion) {
      this.#openAnew('resynchronised', `${this.#file} descends from another initial synchronisation now`, {
        from: this.#state.replicaVersion,
        to: state.replicaVersion,
      });
      return false;
    }
    if (state.watermark === this.#state.watermark) return false;
    // Versions are text that sorts. The syncers have computed with changes that are gone; they cannot take them back.
    if (state.watermark < this.#state.watermark) {
      this.#openAnew(
        'went-back',
        `${this.#file} went back to an older version, as after a loss of power on the primary`,
        {
          from: this.#state.watermark,
          to: state.watermark,
        },
      );
      return false;
    }
    this.#state = state;
    this.#subscriber.notify(state.watermark);
    return true;
  }

  /**
   * Reads the notification file, and the replica if it has another position than at the last check.
   *
   * @returns {Promise<boolean>} whether there was a newer version
   */
  async check() {
    const lost = await this.#opened.mount.loss();
    if (lost !== undefined) {
      this.#openAnew('mount-gone', `${lost}; what is open is of a mount that has ended`);
      return false;
    }
    let status;
    try {
      status = await readStatus(this.#file);
    } catch (error) {
      // Readers keep what they have, so they go on, and are stopped when there is something new to open.
      const { reason, message } = reasonOf(this.#file, error);
      this.#outdated.say('WARN', 'outdated', `readers keep the last content: ${message}`, { reason });
      return false;
    }
    if (status.generation !== this.#opened.status.generation) return this.#replaced(status);
    this.#outdated.over('up-to-date', `${this.#file} is there again`);
    this.#lag.observe(status.lagMs);
    this.#checkRole(status.role);
    this.#checkMode(status.journalMode);
    if (status.position === this.#position && !this.#mustRead) return false;
    this.#position = status.position;
    return this.read();
  }

  /** @param {import('./channel.mjs').Status} status */
  #replaced({ generation, ready }) {
    const details = { from: this.#opened.status.generation, to: generation };
    if (ready) this.#openAnew('replaced', `${this.#file} is another file now`, details);
    else {
      this.#outdated.say('WARN', 'outdated', `readers keep the last content: another ${this.#file} is on its way`, {
        reason: 'not-ready',
        ...details,
      });
    }
    return false;
  }

  /** @param {'primary' | 'replica'} role */
  #checkRole(role) {
    if (role === 'replica') return this.#promoted.over('replica-again', 'this node is a replica again');
    this.#promoted.say(
      'WARN',
      'promoted',
      'this node has become the primary, and nobody writes the replica here. Restart this pod as the writing one, without ZERO_CHANGE_STREAMER_URI',
    );
  }

  /** @param {string} mode */
  #checkMode(mode) {
    const before = this.#opened.status.journalMode;
    if (mode === before) return this.#otherMode.over('journal-mode-again', `the journal mode is ${mode} again`);
    this.#otherMode.say(
      'WARN',
      'journal-mode',
      `the journal mode was ${before} and is ${mode} now: queries of new clients may fail. See how the writing pod is configured`,
    );
  }

  /** @param {NodeJS.ErrnoException} error */
  #failed({ code, message }) {
    this.#mustRead = true;
    const text = `SQLite cannot read ${this.#file}: ${message}`;
    this.#unreadable.say('WARN', 'unreadable', `${text}. It is tried again; litefs' log may say why`, { code });
    if (this.#unreadable.lastedMs >= UNREADABLE_MS) {
      this.#openAnew('unreadable', `${text}, for ${UNREADABLE_MS / 1000} s now`, { code });
    }
  }
}
