// The stand-in on a real mount: two real daemons, a database that python3 writes on the primary, and the stand-in on the
// replica, forked as zero-cache forks it. SQLite's own library does not open wal2, so the databases here are in wal.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { Cluster, reasonToSkip } from './support/cluster.mjs';
import { copySources } from './support/package.mjs';
import Database from './support/sqlite.cjs';
import { stopAll } from './support/stand-in.mjs';

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** @param {number[]} values milliseconds */
function summary(values) {
  return `median ${quantile(values, 0.5).toFixed(2)} ms, p99 ${quantile(values, 0.99).toFixed(2)} ms, of ${values.length}`;
}

/** @param {bigint} nanoseconds */
const milliseconds = nanoseconds => Number(nanoseconds) / 1e6;

describe('on a real mount', { skip: reasonToSkip() }, () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster.stop());
  afterEach(() => stopAll());

  /** A database with version 00000001, and a stand-in that follows it. */
  async function following(name, env = {}) {
    const writer = cluster.writer(name);
    await writer.do('create 00000001');
    const standIn = cluster.standIn(name, env);
    await standIn.follows();
    return { writer, standIn };
  }

  test('each commit is notified, and a reader that looks then finds it', async t => {
    const { writer, standIn } = await following('steady.db', { LITEFS_ZERO_POLL_MS: '60000' });
    const reader = new Database(path.join(cluster.replica.mount, 'steady.db'), { readonly: true });
    const statement = reader.prepare(
      'SELECT stateVersion, (SELECT max(id) FROM item) AS id FROM "_zero.replicationState"',
    );
    const found = new Map();
    standIn.child.on('message', ([type, { watermark }]) => {
      if (type === 'notify') found.set(watermark, statement.get());
    });
    // What inotify alone takes, to tell it from what the stand-in adds.
    let heard = 0n;
    const watcher = fs.watch(path.join(cluster.replica.mount, '.litefs'), (_kind, name) => {
      if (name === 'steady.db.json' && heard === 0n) heard = process.hrtime.bigint();
    });
    const events = [];
    const committed = new Map();
    const count = 1000;
    for (let number = 2; number < count + 2; number += 1) {
      const version = String(number).padStart(8, '0');
      heard = 0n;
      const start = await writer.do(`commit ${version}`);
      committed.set(version, start);
      await standIn.notification(version);
      if (heard > start) events.push(milliseconds(heard - start));
    }
    watcher.close();
    reader.close();
    const delays = [];
    for (const { message, at } of standIn.messages) {
      const start = committed.get(message[1].watermark);
      if (start !== undefined) delays.push(milliseconds(at - start));
    }
    assert.equal(delays.length, count);
    t.diagnostic(`from COMMIT on the primary to the message: ${summary(delays)}`);
    t.diagnostic(`from COMMIT on the primary to the event on the replica: ${summary(events)}`);
    assert.ok(quantile(delays, 0.5) < 50);
    for (const [watermark, row] of found) {
      assert.ok(row.stateVersion >= watermark);
      assert.equal(row.id, Number(row.stateVersion) - 1);
    }
    assert.equal(standIn.logged('no-events').length, 0);
  });

  test('a watch that is old is told of a commit after a long rest as well', async () => {
    const { writer, standIn } = await following('old.db', { LITEFS_ZERO_POLL_MS: '60000' });
    // litefs finds out now and then whether anybody watches; it must not come to the wrong end.
    for (const [index, rest] of [0, 6_000, 100, 12_000].entries()) {
      await pause(rest);
      const version = String(index + 2).padStart(8, '0');
      await writer.do(`commit ${version}`);
      await standIn.notification(version);
    }
  });

  test('commits without a pause are put together, in order, and the last one arrives', async t => {
    const { writer, standIn } = await following('burst.db');
    const committed = await writer.do('burst 2 5002');
    await standIn.notification('00005001');
    const watermarks = standIn.notifications.map(({ watermark }) => watermark);
    assert.deepEqual(watermarks, [...new Set(watermarks)].sort());
    const last = standIn.messages.findLast(({ message }) => message[0] === 'notify');
    t.diagnostic(
      `5000 commits were ${watermarks.length - 1} messages, the last one ${milliseconds(last.at - committed).toFixed(2)} ms after the last COMMIT`,
    );
  });

  test('a database that is dropped and made anew ends it with 14', async () => {
    const { writer, standIn } = await following('dropped.db');
    await writer.do('drop');
    await standIn.line('outdated', line => line.reason === 'no-database');
    await writer.do('create 00000050');
    assert.equal(await standIn.ends(), 14);
    assert.equal(standIn.logged('replaced').length, 1);
    const next = cluster.standIn('dropped.db');
    await next.follows();
    assert.equal(next.notifications[0].watermark, '00000050');
  });

  test('a database onto which another one is renamed ends it with 14', async () => {
    const { writer, standIn } = await following('renamed.db');
    await writer.do('replace 00000050');
    assert.equal(await standIn.ends(), 14);
    assert.equal(standIn.logged('replaced').length + standIn.logged('resynchronised').length, 1);
    const next = cluster.standIn('renamed.db');
    await next.follows();
    assert.equal(next.notifications[0].watermark, '00000050');
  });

  test('it waits on the primary, and for a database that is not there', async () => {
    await cluster.writer('here.db').do('create 00000001');
    const onPrimary = cluster.standIn('here.db', {}, { node: cluster.primary });
    await onPrimary.line('waiting', line => line.reason === 'on-primary');
    const early = cluster.standIn('later.db');
    await early.line('waiting', line => line.reason === 'no-database');
    await cluster.writer('later.db').do('create 00000001');
    await early.follows();
    assert.equal(onPrimary.messages.length, 0);
  });

  test('a change-streamer on the replica is refused', async () => {
    const name = 'second.db';
    await cluster.writer(name).do('create 00000001');
    await cluster.standIn(name).isReady();
    const second = cluster.standIn(
      name,
      { ZERO_CHANGE_STREAMER_URI: undefined },
      { module: cluster.modules.changeStreamer },
    );
    assert.equal(await second.ends(), 13);
  });

  test('a primary that is away is a lag that is said, and commits go on afterwards', async () => {
    const { standIn } = await following('lag.db', { LITEFS_ZERO_MAX_LAG_MS: '3000' });
    await cluster.primary.stop();
    await standIn.line('lagging');
    await cluster.primary.start();
    await standIn.line('caught-up');
    assert.equal(standIn.exit, undefined);
  });

  for (const signal of /** @type {const} */ (['SIGKILL', 'SIGTERM'])) {
    test(`a daemon that ends by ${signal} ends it with 14, and the next one waits for the mount`, async () => {
      const name = `ended-${signal}.db`;
      const { writer, standIn } = await following(name);
      await cluster.replica.stop(signal);
      assert.equal(await standIn.ends(), 14);
      assert.equal(standIn.logged('mount-gone').length, 1);
      const next = cluster.standIn(name);
      const { reason } = await next.line('waiting');
      assert.equal(reason, signal === 'SIGKILL' ? 'daemon-gone' : 'no-mount');
      await cluster.replica.start();
      await next.follows();
      await writer.do('commit 00000002');
      await next.notification('00000002');
    });
  }

  test('in a container of its own, with another user and started before the mount, it follows all the same', async () => {
    const name = 'container.db';
    const writer = cluster.writer(name);
    await writer.do('create 00000001');
    await cluster.replica.stop();
    const within = ['unshare', '--mount', '--propagation', 'slave'];
    within.push('setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups');
    const load = copySources(path.join(cluster.folder, 'replicator'));
    const standIn = cluster.standIn(name, { LITEFS_ZERO_POLL_MS: '8000' }, { within, load });
    await standIn.line('waiting', line => line.reason === 'no-mount');
    await cluster.replica.start();
    await standIn.follows();
    await writer.do('commit 00000002');
    // By its event, not by the next look at the file.
    await standIn.notification('00000002', 4_000);
    await cluster.replica.stop();
    assert.equal(await standIn.ends(), 14);
    await cluster.replica.start();
  });

  test('a daemon that hangs is said, and what waited goes on when it answers again', async () => {
    const { writer, standIn } = await following('hangs.db', { LITEFS_ZERO_POLL_MS: '100' });
    cluster.replica.daemon?.kill('SIGSTOP');
    try {
      await standIn.line('daemon-silent');
    } finally {
      cluster.replica.daemon?.kill('SIGCONT');
    }
    await standIn.line('daemon-answers');
    await writer.do('commit 00000002');
    await standIn.notification('00000002');
  });

  test('a daemon that hangs does not keep it from ending while it waits, and no longer than it hangs while it follows', async () => {
    const { standIn } = await following('stuck.db', { LITEFS_ZERO_POLL_MS: '100' });
    const waiting = cluster.standIn('nothing.db');
    await waiting.line('waiting');
    cluster.replica.daemon?.kill('SIGSTOP');
    try {
      await Promise.all([waiting.line('daemon-silent'), standIn.line('daemon-silent')]);
      waiting.child.kill('SIGTERM');
      standIn.child.kill('SIGTERM');
      assert.equal(await waiting.ends(5_000), 'SIGKILL');
      await standIn.line('stopped');
    } finally {
      cluster.replica.daemon?.kill('SIGCONT');
    }
    // The kernel waits for the daemon when a mapping of the wal-index ends.
    await standIn.ends(5_000);
  });
});
