// Says when a replica is too far behind its primary, or has not known for long how far.

export class LagWarning {
  #maxLagMs;
  #reminder;
  #now;
  /** @type {number | undefined} */
  #unknownSince;

  /**
   * @param {number} maxLagMs
   * @param {import('./log.mjs').Reminder} reminder
   * @param {() => number} [now] milliseconds
   */
  constructor(maxLagMs, reminder, now = () => performance.now()) {
    this.#maxLagMs = maxLagMs;
    this.#reminder = reminder;
    this.#now = now;
  }

  /** @param {number | null} lagMs as the daemon says; null if it does not know */
  observe(lagMs) {
    if (lagMs === null) {
      this.#unknownSince ??= this.#now();
      if (this.#now() - this.#unknownSince <= this.#maxLagMs) return;
      this.#reminder.say('WARN', 'lagging', "this node has no connection to its primary. litefs' log says why", {
        lagMs,
      });
      return;
    }
    this.#unknownSince = undefined;
    if (lagMs > this.#maxLagMs) {
      this.#reminder.say(
        'WARN',
        'lagging',
        `readers see what is more than ${this.#maxLagMs} ms old. See whether the primary and the network are alive, and GET /info`,
        { lagMs },
      );
    } else if (lagMs <= this.#maxLagMs / 2) {
      // Half, so that a lag about the limit is one line and not many.
      this.#reminder.over('caught-up', 'readers see new content again');
    }
  }
}
