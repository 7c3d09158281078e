// Runs one check again and again, never two at once: when its time has come, or sooner if somebody asks for it. A check
// reads from a file system whose daemon may hang, so it is said when one takes long.

/** The daemon answers in microseconds. */
const SILENCE_MS = 5_000;

export class Checks {
  #check;
  #silence;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #due = Number.POSITIVE_INFINITY;
  /** @type {Promise<void> | undefined} */
  #running;
  #startedAt = 0;
  #hasStopped = false;

  /**
   * @param {() => Promise<number>} check returns after how many milliseconds it wants to be run again
   * @param {import('./log.mjs').Reminder} silence
   */
  constructor(check, silence) {
    this.#check = check;
    this.#silence = silence;
    setInterval(() => this.#listen(), SILENCE_MS / 5).unref();
  }

  /** @param {number} ms at the latest */
  within(ms) {
    const due = performance.now() + ms;
    if (due >= this.#due || this.#hasStopped) return;
    this.#due = due;
    clearTimeout(this.#timer);
    // One that comes due while another runs is run after it.
    if (!this.#running) this.#timer = setTimeout(() => this.#run(), ms);
  }

  /**
   * No check begins any more.
   *
   * @param {number} ms
   * @returns {Promise<boolean>} whether the last check ended within that time
   */
  async stop(ms) {
    this.#hasStopped = true;
    clearTimeout(this.#timer);
    if (!this.#running) return true;
    const timeout = new Promise(resolve => setTimeout(resolve, ms, false));
    return Promise.race([this.#running.then(() => true), timeout]);
  }

  #run() {
    this.#due = Number.POSITIVE_INFINITY;
    this.#startedAt = performance.now();
    this.#running = this.#check().then(ms => {
      this.#running = undefined;
      this.#silence.over('daemon-answers', 'litefs answers again');
      const asked = Math.max(0, this.#due - performance.now());
      this.#due = Number.POSITIVE_INFINITY;
      this.within(Math.min(ms, asked));
    });
  }

  #listen() {
    if (!this.#running || performance.now() - this.#startedAt < SILENCE_MS) return;
    this.#silence.say(
      'WARN',
      'daemon-silent',
      'litefs does not answer on its mount; readers hang as well. See whether its process is stopped or starved, and its log',
    );
  }
}
