// Waits for a condition, with a deadline.

import { setTimeout as pause } from 'node:timers/promises';

/**
 * @template T
 * @param {string} what for the error
 * @param {() => T | undefined | false | Promise<T | undefined | false>} condition
 * @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function until(what, condition, ms = 15_000) {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`after ${ms} ms still not: ${what}`);
    await pause(2);
  }
}
