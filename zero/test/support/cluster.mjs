// A primary and a replica: real daemons with real mounts, and a writer on the primary.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

import { layOutPackage } from './package.mjs';
import { StandIn } from './stand-in.mjs';
import { until } from './waiting.mjs';

const BINARY = process.env.LITEFS_BINARY;
const WRITER = fileURLToPath(new URL('./writer.py', import.meta.url));

/** Why no mount can be made here, or undefined. */
export function reasonToSkip() {
  if (!BINARY) return 'LITEFS_BINARY does not name the daemon; scripts/test-zero builds it';
  if (process.getuid?.() !== 0 || !fs.existsSync('/dev/fuse')) return 'mounting needs root and /dev/fuse';
  return undefined;
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  await new Promise(resolve => server.close(resolve));
  return port;
}

class Node {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  daemon;

  /** @param {string} folder @param {boolean} isPrimary @param {number} port @param {number} primaryPort */
  constructor(folder, isPrimary, port, primaryPort) {
    this.port = port;
    this.folder = folder;
    this.mount = path.join(folder, 'mount');
    this.log = path.join(folder, 'log');
    this.config = path.join(folder, 'litefs.yml');
    fs.mkdirSync(this.mount, { recursive: true });
    const config = {
      fuse: { dir: this.mount, 'allow-other': true },
      data: { dir: path.join(folder, 'data') },
      http: { addr: `127.0.0.1:${port}` },
      lease: {
        type: 'static',
        candidate: isPrimary,
        hostname: 'primary',
        'advertise-url': `http://127.0.0.1:${primaryPort}`,
        'reconnect-delay': '100ms',
      },
    };
    // JSON is YAML.
    fs.writeFileSync(this.config, JSON.stringify(config));
  }

  async start() {
    const log = fs.openSync(this.log, 'a');
    // Should this process be killed, the daemon ends and unmounts.
    const command = ['--pdeathsig', 'TERM', String(BINARY), 'mount', '-config', this.config];
    // One process, so that what is stopped or killed is the daemon.
    const env = { ...process.env, LITEFS_SUPERVISOR: 'off' };
    this.daemon = spawn('setpriv', command, { env, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    await until(`${this.folder} is live`, async () => {
      if (this.daemon?.exitCode !== null) throw new Error(fs.readFileSync(this.log, 'utf8').slice(-2000));
      return fetch(`http://127.0.0.1:${this.port}/health/live`).then(
        answer => answer.ok,
        () => false,
      );
    });
  }

  /** @param {NodeJS.Signals} signal */
  async stop(signal = 'SIGTERM') {
    const daemon = this.daemon;
    this.daemon = undefined;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = new Promise(resolve => daemon.once('exit', resolve));
    daemon.kill(signal);
    await ended;
  }
}

class Writer {
  /** @param {string} file */
  constructor(file) {
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', 'python3', '-u', WRITER, file], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.answers = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** @param {string} command @returns {Promise<bigint>} CLOCK_MONOTONIC in nanoseconds when COMMIT had returned */
  async do(command) {
    this.child.stdin.write(`${command}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error(`the writer ended at "${command}"`);
    return BigInt(value);
  }
}

export class Cluster {
  /** @type {Set<Writer>} */
  #writers = new Set();

  static async start() {
    const cluster = new Cluster();
    const [primary, replica] = [await freePort(), await freePort()];
    cluster.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'litefs-zero-'));
    fs.chmodSync(cluster.folder, 0o755);
    // What is mounted in it later appears in the mount namespaces that were made from this one.
    spawnSync('mount', ['--bind', cluster.folder, cluster.folder]);
    spawnSync('mount', ['--make-rshared', cluster.folder]);
    cluster.primary = new Node(path.join(cluster.folder, 'primary'), true, primary, primary);
    cluster.replica = new Node(path.join(cluster.folder, 'replica'), false, replica, primary);
    cluster.modules = layOutPackage(cluster.folder);
    await cluster.primary.start();
    await cluster.replica.start();
    return cluster;
  }

  /** @param {string} name of a database, to be written on the primary */
  writer(name) {
    const writer = new Writer(path.join(this.primary.mount, name));
    this.#writers.add(writer);
    return writer;
  }

  /** @param {string} name of a database, to be followed on the replica */
  standIn(name, env = {}, { module = this.modules.replicator, node = this.replica, ...options } = {}) {
    const common = { ZERO_REPLICA_FILE: path.join(node.mount, name), LITEFS_ZERO_TEST_JOURNAL_MODES: 'wal' };
    return new StandIn(module, { ...common, ...env }, options);
  }

  async stop() {
    for (const { child } of this.#writers) child.kill('SIGKILL');
    await this.replica.stop();
    await this.primary.stop();
    // Logs of programs that outlived a mount are immutable.
    spawnSync('chattr', ['-R', '-f', '-i', this.folder]);
    spawnSync('umount', ['--lazy', this.folder]);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
