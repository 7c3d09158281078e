// One JSON object a line on standard output, with the members that zero-cache's own JSON lines have.

/** @typedef {'INFO' | 'WARN' | 'ERROR'} Level */

/**
 * @param {Level} level
 * @param {string} event a name that does not change, to search for and to alert on
 * @param {string} message what is the case and, if something is wrong, what to do
 * @param {Record<string, unknown>} [details]
 */
export function logLine(level, event, message, details = {}) {
  const time = new Date().toISOString();
  const line = { level, time, pid: process.pid, worker: 'litefs-replicator', event, message, ...details };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * A condition that may last: it is logged when it begins, when its event or reason becomes another one, and again each
 * `everyMs` for as long as it lasts.
 */
export class Reminder {
  /** @type {string | undefined} */
  #said;
  #loggedAt = 0;
  #since = 0;

  /**
   * @param {number} everyMs
   * @param {typeof logLine} [log]
   * @param {() => number} [now] milliseconds
   */
  constructor(everyMs, log = logLine, now = () => performance.now()) {
    this.everyMs = everyMs;
    this.log = log;
    this.now = now;
  }

  /** Milliseconds since the condition began, or 0. */
  get lastedMs() {
    return this.#said === undefined ? 0 : this.now() - this.#since;
  }

  /**
   * @param {Level} level
   * @param {string} event
   * @param {string} message
   * @param {Record<string, unknown>} [details]
   */
  say(level, event, message, details = {}) {
    const now = this.now();
    if (this.#said === undefined) this.#since = now;
    const said = `${event} ${details.reason}`;
    if (said === this.#said && now - this.#loggedAt < this.everyMs) return;
    this.#said = said;
    this.#loggedAt = now;
    this.log(level, event, message, { ...details, forMs: Math.round(now - this.#since) });
  }

  /**
   * The condition is over. Says so if it was ever logged.
   *
   * @param {string} event
   * @param {string} message
   */
  over(event, message) {
    if (this.#said === undefined) return;
    const forMs = Math.round(this.lastedMs);
    this.#said = undefined;
    this.log('INFO', event, message, { forMs });
  }
}
