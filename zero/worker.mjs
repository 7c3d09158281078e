// The worker in its two phases: waiting until the replica can be opened, and following it. Events lead to a read of the
// replica at once. The notification file is read now and then as well, should an event be lost; the replica never is.

import { channelFolder, channelName } from './channel.mjs';
import { Checks } from './checks.mjs';
import { OPEN_ANEW } from './exit-codes.mjs';
import { Following } from './following.mjs';
import { logLine, Reminder } from './log.mjs';
import { Opening } from './opening.mjs';
import { ChannelWatch } from './watch.mjs';

/** How often the notification file is read while there is no replica. */
const WAITING_MS = 250;
/** How often it is read while events cannot be relied on, and how soon after an event. */
const BRISK_MS = 50;
/** How much later than the change an event may come. */
const LATE_MS = 1_000;
/** How long the end waits for a read that a daemon may never answer. */
const LAST_READ_MS = 1_000;

export class Worker {
  #settings;
  #subscriber;
  #opening;
  /** @type {Following | undefined} */
  #following;
  #checks;
  #watch;
  #waiting;
  #events;
  #hasEnded = false;
  /** @type {number | undefined} when a check found a version of which no event has been heard, in milliseconds */
  #unannouncedSince;

  /**
   * @param {import('./settings.mjs').Settings} settings
   * @param {ReturnType<typeof import('./replica.mjs').loadSQLite>} Database
   * @param {import('./subscriber.mjs').Subscriber} subscriber
   */
  constructor(settings, Database, subscriber) {
    const { file, remindMs } = settings;
    this.#settings = settings;
    this.#subscriber = subscriber;
    this.#opening = new Opening(settings, Database);
    this.#checks = new Checks(() => this.#check(), new Reminder(remindMs));
    this.#watch = new ChannelWatch(channelFolder(file), channelName(file), {
      onChange: () => this.#changed(),
      onDoubt: () => this.#checks.within(0),
    });
    this.#waiting = new Reminder(remindMs);
    this.#events = new Reminder(remindMs);
  }

  start() {
    logLine('INFO', 'started', `stands in for zero-cache's replicator and follows ${this.#settings.file}`);
    this.#checks.within(0);
  }

  /**
   * Ends the process.
   *
   * @param {number} code
   * @param {import('./log.mjs').Level} level
   * @param {string} event
   * @param {string} message
   * @param {Record<string, unknown>} [details]
   */
  async end(code, level, event, message, details) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    logLine(level, event, message, { ...details, exitCode: code });
    this.#watch.close();
    if (await this.#checks.stop(LAST_READ_MS)) process.exit(code);
    // process.exit waits for reads that are under way, so for a daemon that hangs.
    process.kill(process.pid, 'SIGKILL');
  }

  #changed() {
    if (this.#hasEnded) return;
    if (!this.#following) return this.#checks.within(0);
    this.#unannouncedSince = undefined;
    this.#events.over('events', 'changes are announced again');
    this.#following.read();
    this.#checks.within(BRISK_MS);
  }

  /** @returns {Promise<number>} after how many milliseconds to check again */
  async #check() {
    // The watch comes first: what changes after it is heard, what changed before it is read.
    const deafness = await this.#watch.ensure();
    if (this.#following) return this.#follow(this.#following, deafness);
    const opened = await this.#opening.attempt();
    if (this.#hasEnded) return WAITING_MS;
    if ('reason' in opened) {
      const level = this.#waiting.lastedMs < this.#settings.remindMs ? 'INFO' : 'WARN';
      this.#waiting.say(level, 'waiting', opened.message, { reason: opened.reason });
      return WAITING_MS;
    }
    const { state, status } = opened;
    this.#waiting.over('waited', 'what was missing is there');
    this.#following = new Following(this.#settings, opened, this.#subscriber, (event, message, details) =>
      this.end(
        OPEN_ANEW,
        'WARN',
        event,
        `${message}. Ends, so that the container starts again and opens it anew`,
        details,
      ),
    );
    logLine('INFO', 'following', `${this.#settings.file} is there`, { ...state, ...status });
    this.#subscriber.ready(state.watermark);
    return 0;
  }

  /**
   * @param {Following} following
   * @param {string | undefined} deafness the error's code, if there are no events
   */
  async #follow(following, deafness) {
    if (await following.check()) this.#unannouncedSince ??= performance.now();
    if (this.#hasEnded) return BRISK_MS;
    if (!this.#watch.isWatching) {
      this.#events.say(
        'WARN',
        'no-watch',
        `changes cannot be watched (${deafness}), so the notification file is read every ${BRISK_MS} ms. For ENOSPC and EMFILE raise the node's fs.inotify.max_user_watches and max_user_instances`,
      );
    } else if (performance.now() - (this.#unannouncedSince ?? Number.POSITIVE_INFINITY) > LATE_MS) {
      this.#events.say(
        'WARN',
        'no-events',
        `changes came that were not announced, so the notification file is read every ${BRISK_MS} ms. Report it with litefs' version and log`,
      );
    }
    const isRelied = this.#watch.isWatching && this.#unannouncedSince === undefined && !following.isInTrouble;
    return isRelied ? this.#settings.pollMs : BRISK_MS;
  }
}
