// The stand-in, forked as zero-cache forks its workers, with what it sent and what it logged.

import { fork } from 'node:child_process';
import readline from 'node:readline';

import { until } from './waiting.mjs';

const REGISTER = new URL('../../register.mjs', import.meta.url).href;

/** @type {Set<StandIn>} */
const running = new Set();

/** Ends what a test left running. */
export function stopAll() {
  for (const standIn of running) standIn.child.kill('SIGKILL');
}

export class StandIn {
  /** @type {any[]} what it sent, with `at`, CLOCK_MONOTONIC in nanoseconds */
  messages = [];
  /** @type {any[]} its log */
  lines = [];
  errors = '';
  /** @type {{code: number | null, signal: string | null} | undefined} */
  exit;

  /**
   * @param {URL} module
   * @param {Record<string, string | undefined>} env
   * @param {object} [options]
   * @param {string} [options.mode]
   * @param {string} [options.load] what NODE_OPTIONS=--import loads
   * @param {string[]} [options.within] a command that runs Node
   */
  constructor(module, env, { mode = 'serving', load = REGISTER, within = [] } = {}) {
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const [execPath, ...execArgv] = [...within, process.execPath];
    this.child = fork(module, [mode], {
      execPath,
      execArgv,
      detached: true,
      serialization: 'advanced',
      silent: true,
      env: { ...inherited, NODE_OPTIONS: `--import=${load}`, ZERO_CHANGE_STREAMER_URI: 'http://127.0.0.1:9', ...env },
    });
    running.add(this);
    this.child.on('message', message => this.messages.push({ message, at: process.hrtime.bigint() }));
    readline.createInterface({ input: /** @type {any} */ (this.child.stdout) }).on('line', line => {
      this.lines.push(line.startsWith('{') ? JSON.parse(line) : line);
    });
    this.child.stderr?.on('data', data => {
      this.errors += data;
    });
    // "close" does not come for a child that was disconnected from.
    const ended = () => {
      const { exitCode: code, signalCode: signal, stdout, connected } = this.child;
      if ((code === null && signal === null) || !stdout?.closed || connected) return;
      running.delete(this);
      this.exit = { code, signal };
    };
    this.child.on('exit', ended);
    this.child.on('disconnect', ended);
    this.child.stdout?.on('close', ended);
  }

  subscribe() {
    this.child.send(['subscribe', {}]);
  }

  /** @returns {any[]} the notifications so far */
  get notifications() {
    return this.messages.flatMap(({ message }) => (message[0] === 'notify' ? [message[1]] : []));
  }

  /** @param {string} event */
  logged(event) {
    return this.lines.filter(line => line.event === event);
  }

  /** @param {string} event @param {(line: any) => boolean} [which] @returns {Promise<any>} the log line */
  line(event, which = () => true) {
    return this.#until(`a log line "${event}"`, () => this.logged(event).find(which));
  }

  isReady() {
    return this.#until('ready', () => this.messages.some(({ message }) => message[0] === 'ready'));
  }

  /** @param {string} watermark @param {number} [ms] @returns {Promise<any>} */
  notification(watermark, ms) {
    const find = () => this.notifications.find(notification => notification.watermark === watermark);
    return this.#until(`a notification of ${watermark}`, find, ms);
  }

  /** Ready, subscribed, and the first notification came. */
  async follows() {
    await this.isReady();
    this.subscribe();
    await this.#until('the first notification', () => this.notifications.length > 0);
  }

  /** @returns {Promise<number | string | null>} the exit code, or the signal */
  async ends(ms = 15_000) {
    const { code, signal } = await this.#until('the end of the process', () => this.exit, ms);
    return code ?? signal;
  }

  /** @template T @param {string} what @param {() => T | undefined | false} condition @param {number} [ms] */
  async #until(what, condition, ms) {
    try {
      return await until(what, condition, ms);
    } catch (error) {
      const log = this.lines.map(line => JSON.stringify(line)).join('\n');
      throw new Error(
        `${/** @type {Error} */ (error).message}\nsent: ${JSON.stringify(this.messages.map(m => m.message))}\nlog: ${log}\n${this.errors}`,
      );
    }
  }
}
