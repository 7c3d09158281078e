// The stand-in in a process of its own, beside a plain folder that imitates a mount.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Imitation } from './support/imitation.mjs';
import { stopAll } from './support/stand-in.mjs';
import { until } from './support/waiting.mjs';

const COUNTING = fileURLToPath(new URL('./support/counting-sqlite.cjs', import.meta.url));

/** @type {Imitation} */
let mount;
beforeEach(() => {
  mount = new Imitation();
});
afterEach(() => {
  stopAll();
  mount.remove();
});

/** A stand-in that follows version 01. */
async function following(env = {}) {
  mount.createDatabase();
  mount.announce();
  const standIn = mount.standIn(env);
  await standIn.follows();
  return standIn;
}

test('the first message is ready, and the answer to subscribe has the version and no time', async () => {
  const standIn = await following();
  assert.deepEqual(standIn.messages[0].message, ['ready', { ready: true }]);
  assert.deepEqual(standIn.notifications, [{ state: 'version-ready', watermark: '01' }]);
});

test('who subscribes before the replica is there gets the first notification after ready', async () => {
  const standIn = mount.standIn();
  standIn.subscribe();
  await standIn.line('waiting');
  mount.createDatabase();
  mount.announce();
  await standIn.notification('01');
  assert.deepEqual(
    standIn.messages.map(({ message }) => message[0]),
    ['ready', 'notify'],
  );
});

test('a commit is notified with the time at which it could be read', async () => {
  const standIn = await following();
  const before = Date.now();
  mount.commit('02');
  const { state, replicaReadyTimeMs, ...others } = await standIn.notification('02');
  assert.equal(state, 'version-ready');
  assert.ok(replicaReadyTimeMs >= before && replicaReadyTimeMs <= Date.now());
  assert.deepEqual(others, { watermark: '02' });
});

test('each version is notified once, in order', async () => {
  const standIn = await following();
  for (let version = 10; version < 30; version += 1) {
    mount.commit(String(version));
    await standIn.notification(String(version));
    mount.step();
  }
  mount.commit('99');
  await standIn.notification('99');
  const watermarks = standIn.notifications.map(({ watermark }) => watermark);
  assert.deepEqual(watermarks, [...new Set(watermarks)].sort());
});

test('a position that changes without a new version is not notified', async () => {
  const standIn = await following();
  for (let step = 0; step < 20; step += 1) mount.step();
  mount.commit('02');
  await standIn.notification('02');
  assert.equal(standIn.notifications.length, 2);
});

test('a version is found although its event was lost', async () => {
  const standIn = await following({ LITEFS_ZERO_POLL_MS: '50' });
  const elsewhere = path.join(mount.mount, '.away');
  const channelFolder = path.dirname(mount.channel);
  // Events of a folder are those of the inode that is watched. What is changed while another has its name is not heard.
  mount.commitInSilence('02');
  fs.cpSync(channelFolder, elsewhere, { recursive: true });
  mount.status.position = '0000000000000002/8000000000000002';
  fs.writeFileSync(path.join(elsewhere, 'zero.db.json'), JSON.stringify(mount.status));
  fs.renameSync(channelFolder, path.join(mount.mount, '.gone'));
  fs.renameSync(elsewhere, channelFolder);
  await standIn.notification('02');
  // And the folder that has the name now is watched.
  mount.commit('03');
  await standIn.notification('03');
});

test('a change that no event announced is found within the poll time, and is said to be', async () => {
  // On overlaid folders as in containers, and on a daemon with a fault, the file changes without an event. Here: a bind
  // of the same content through a symbolic link that is exchanged, so that the folder's inode stays the watched one.
  mount.createDatabase();
  const real = path.join(mount.folder, 'real.json');
  fs.writeFileSync(real, JSON.stringify(mount.status));
  fs.symlinkSync(real, mount.channel);
  const standIn = mount.standIn({ LITEFS_ZERO_POLL_MS: '100' });
  await standIn.follows();
  mount.commitInSilence('02');
  fs.writeFileSync(`${real}.new`, JSON.stringify({ ...mount.status, position: '0000000000000002/8' }));
  fs.renameSync(`${real}.new`, real);
  await standIn.notification('02');
  await standIn.line('no-events');
  fs.rmSync(mount.channel);
  mount.commit('03');
  await standIn.line('events');
});

test('where nothing can be watched the notification file is read often, and the remedy is said', async () => {
  const load = path.join(mount.folder, 'no-watch.mjs');
  fs.writeFileSync(
    load,
    `import fs from 'node:fs';
     import module from 'node:module';
     fs.watch = () => { throw Object.assign(new Error('no space'), { code: 'ENOSPC' }); };
     module.syncBuiltinESMExports();
     await import(${JSON.stringify(new URL('../register.mjs', import.meta.url).href)});`,
  );
  mount.createDatabase();
  mount.announce();
  const standIn = mount.standIn({ LITEFS_ZERO_POLL_MS: '60000' }, { load });
  await standIn.follows();
  assert.match((await standIn.line('no-watch')).message, /ENOSPC.*max_user_watches/);
  mount.commit('02');
  await standIn.notification('02');
});

test('the database is opened once, and not read for as long as the position stays', async () => {
  const standIn = await following({ LITEFS_ZERO_POLL_MS: '10', LITEFS_ZERO_SQLITE: COUNTING });
  const calls = () => standIn.logged('sqlite').map(({ call }) => call);
  await until('the reads of the start', () => calls().includes('get'));
  // Lines come in order: when this one is there, so is every read that came before it.
  mount.announce({ lagMs: 60_000 });
  await standIn.line('lagging');
  const before = calls().length;
  mount.commitInSilence('02');
  const polled = performance.now() + 300;
  await until('some thirty polls', () => performance.now() > polled);
  assert.equal(calls().length, before);
  assert.equal(calls().filter(call => call === 'open').length, 1);
});

test('another generation ends the process with 14, and its content is not notified', async () => {
  const standIn = await following();
  const fresh = path.join(mount.mount, 'zero.db.tmp');
  mount.createDatabase('50', '50', fresh).close();
  fs.renameSync(fresh, mount.file);
  mount.announce({ generation: '00000000000000a2', position: '0000000000000009/8000000000000009' });
  assert.equal(await standIn.ends(), 14);
  assert.equal((await standIn.line('replaced')).to, '00000000000000a2');
  assert.deepEqual(
    standIn.notifications.map(({ watermark }) => watermark),
    ['01'],
  );
});

test('another replicaVersion in the same file ends the process with 14', async () => {
  const standIn = await following();
  mount.database?.exec(`UPDATE "_zero.replicationConfig" SET replicaVersion = '50'`);
  mount.commit('50');
  assert.equal(await standIn.ends(), 14);
  assert.deepEqual([(await standIn.line('resynchronised')).from, standIn.notifications.length], ['01', 1]);
});

test('a version older than the last one ends the process with 14, and is not notified', async () => {
  const standIn = await following();
  mount.commit('09');
  await standIn.notification('09');
  mount.commit('08');
  assert.equal(await standIn.ends(), 14);
  const { from, to } = await standIn.line('went-back');
  assert.deepEqual([from, to, standIn.notifications.length], ['09', '08', 2]);
});

test('a database that vanished is said to be outdated, until another one has its name', async () => {
  const standIn = await following();
  mount.drop();
  await standIn.line('outdated', line => line.reason === 'no-database');
  await until('it is said again', () => standIn.logged('outdated').length > 1);
  assert.equal(standIn.exit, undefined);
  mount.announce({ generation: '00000000000000a2', ready: false });
  await standIn.line('outdated', line => line.reason === 'not-ready');
  assert.equal(standIn.exit, undefined);
  mount.announce({ ready: true });
  assert.equal(await standIn.ends(), 14);
});

test('malformed content is said, stops nothing, and is forgotten when it is right again', async () => {
  const standIn = await following();
  for (const text of ['', 'null', '{"role":', '[]', '{"role":"replica"}', '{"generation":"x"}\n'.repeat(1000)]) {
    mount.announceText(text);
    await standIn.line('outdated', line => line.reason === 'malformed');
  }
  mount.commit('02');
  await standIn.notification('02');
  await standIn.line('up-to-date');
});

test('it waits for what is missing, says why once, again after a while, and goes on by itself', async () => {
  fs.rmSync(path.dirname(mount.channel), { recursive: true });
  const standIn = mount.standIn({ LITEFS_ZERO_REMIND_MS: '1000' });
  const waits = reason => standIn.line('waiting', line => line.reason === reason);
  const first = await waits('no-mount');
  assert.equal(first.level, 'INFO');
  assert.match(first.message, /mountPropagation/);
  await until('it is said again', () => standIn.logged('waiting').length > 1);
  assert.equal(standIn.logged('waiting')[1].level, 'WARN');
  assert.ok(standIn.logged('waiting')[1].forMs >= 1000);

  fs.mkdirSync(path.dirname(mount.channel));
  fs.writeFileSync(path.join(path.dirname(mount.channel), 'other.db.json'), '{}');
  assert.match((await waits('no-database')).message, /other\.db/);
  mount.announceText('{');
  await waits('malformed');
  mount.announce({ role: 'primary' });
  await waits('on-primary');
  mount.announce({ role: 'replica', ready: false });
  await waits('not-ready');
  mount.announce({ ready: true, journalMode: 'delete' });
  assert.match((await waits('journal-mode')).message, /delete/);
  mount.announce({ journalMode: 'wal' });
  await waits('unreadable');
  mount.createDatabase().exec('DELETE FROM "_zero.replicationState"');
  await waits('no-tables');
  assert.equal(standIn.messages.length, 0);
  mount.database?.exec(`INSERT INTO "_zero.replicationState"(stateVersion) VALUES ('07')`);
  await standIn.isReady();
  await standIn.line('waited');
  assert.equal((await standIn.line('following')).watermark, '07');
});

test('a replica in wal is refused unless a test allows it', async () => {
  mount.createDatabase();
  mount.announce({ journalMode: 'wal' });
  const standIn = mount.standIn({ LITEFS_ZERO_TEST_JOURNAL_MODES: undefined });
  assert.match((await standIn.line('waiting')).message, /wal.*need wal2/);
});

test('a journal mode that SQLite does not confirm is refused', async () => {
  mount.createDatabase();
  mount.announce({ journalMode: 'wal2' });
  const standIn = mount.standIn({ LITEFS_ZERO_TEST_JOURNAL_MODES: undefined });
  assert.match((await standIn.line('waiting')).message, /in journal mode wal /);
  assert.equal(standIn.messages.length, 0);
});

test('a lag that is too large is said, and its end', async () => {
  const standIn = await following({ LITEFS_ZERO_MAX_LAG_MS: '5000' });
  mount.announce({ lagMs: 5001 });
  assert.equal((await standIn.line('lagging')).lagMs, 5001);
  mount.announce({ lagMs: 12 });
  await standIn.line('caught-up');
});

test('a node that became the primary is said to be', async () => {
  const standIn = await following();
  mount.announce({ role: 'primary' });
  await standIn.line('promoted');
  mount.announce({ role: 'replica' });
  await standIn.line('replica-again');
});

test('a journal mode that becomes another one is said to', async () => {
  const standIn = await following();
  mount.announce({ journalMode: 'delete' });
  await standIn.line('journal-mode');
  mount.announce({ journalMode: 'wal' });
  await standIn.line('journal-mode-again');
});

test('a replica that cannot be read is said to be, and read again when it can', async () => {
  const standIn = await following();
  mount.database?.exec('ALTER TABLE "_zero.replicationState" RENAME TO away');
  mount.step();
  await standIn.line('unreadable');
  mount.database?.exec(
    `BEGIN; UPDATE away SET stateVersion = '02'; ALTER TABLE away RENAME TO "_zero.replicationState"; COMMIT`,
  );
  await standIn.notification('02');
  await standIn.line('readable');
});

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT'])) {
  test(`${signal} ends it with 0, while it follows and while it waits`, async () => {
    const waiting = mount.standIn();
    await waiting.line('waiting');
    waiting.child.kill(signal);
    assert.equal(await waiting.ends(), 0);
    const standIn = await following();
    standIn.child.kill(signal);
    assert.equal(await standIn.ends(), 0);
  });
}

test('it ends with 0 when its parent is gone', async () => {
  const standIn = await following();
  standIn.child.disconnect();
  assert.equal(await standIn.ends(), 0);
});

test('a message that is not known is left alone, and said once', async () => {
  const standIn = await following();
  standIn.child.send(['profile', { id: '1' }]);
  standIn.child.send(['profile', { id: '2' }]);
  mount.commit('02');
  await standIn.notification('02');
  assert.equal(standIn.logged('unknown-message').length, 1);
});
