// The parent process, zero-cache's main one, and the messages that it gets:
//
//   ['ready', {ready: true}]        once, and before any other
//   ['notify', {state, watermark}]  the answer to ['subscribe', …]: what is there already
//   ['notify', {state, watermark, replicaReadyTimeMs}]  a newer version, for every reader that looks from now on
//
// One message is on its way at a time. Versions that come meanwhile become one message, with the newest watermark and
// the oldest time, as zero-cache itself puts them together.

/** @typedef {{state: 'version-ready', watermark: string, replicaReadyTimeMs?: number}} Notification */

export class Subscriber {
  /** @type {string | undefined} the newest version, once there is one */
  #watermark;
  #isSubscribed = false;
  #isSending = false;
  /** @type {Notification | undefined} */
  #next;

  /**
   * @param {{send: (message: unknown, sent: (error: Error | null) => void) => unknown}} parent
   * @param {() => number} [now] milliseconds since 1970
   */
  constructor(parent, now = Date.now) {
    this.parent = parent;
    this.now = now;
  }

  /** @param {string} watermark */
  ready(watermark) {
    this.#watermark = watermark;
    this.parent.send(['ready', { ready: true }], () => {});
    if (this.#isSubscribed) this.#queue({ state: 'version-ready', watermark });
  }

  /** The parent asks for notifications. It may do so before there is a version. */
  subscribe() {
    this.#isSubscribed = true;
    if (this.#watermark !== undefined) this.#queue({ state: 'version-ready', watermark: this.#watermark });
  }

  /** @param {string} watermark of a version that readers see */
  notify(watermark) {
    this.#watermark = watermark;
    if (this.#isSubscribed) this.#queue({ state: 'version-ready', watermark, replicaReadyTimeMs: this.now() });
  }

  /** @param {Notification} notification */
  #queue(notification) {
    const replicaReadyTimeMs = this.#next?.replicaReadyTimeMs ?? notification.replicaReadyTimeMs;
    this.#next = { ...notification, ...(replicaReadyTimeMs === undefined ? {} : { replicaReadyTimeMs }) };
    this.#send();
  }

  #send() {
    if (this.#isSending || this.#next === undefined) return;
    const notification = this.#next;
    this.#next = undefined;
    this.#isSending = true;
    // An error means that the parent is gone. That arrives as "disconnect", which ends the process.
    this.parent.send(['notify', notification], () => {
      this.#isSending = false;
      this.#send();
    });
  }
}
