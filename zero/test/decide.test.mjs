// The parts that decide, without processes.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { MalformedStatus, parseStatus, readStatusNow } from '../channel.mjs';
import { replace } from '../hooks.mjs';
import { LagWarning } from '../lag.mjs';
import { Reminder } from '../log.mjs';
import { explainMissingMount } from '../mount.mjs';
import { readSettings, SettingError } from '../settings.mjs';
import { Subscriber } from '../subscriber.mjs';

const STATUS = {
  name: 'zero.db',
  role: 'replica',
  position: '0000000000000012/8f00c4d2a1b3e597',
  txid: 18,
  generation: '00000000000000a1',
  journalMode: 'wal2',
  pageSize: 4096,
  pages: 123,
  lagMs: 0,
  ready: true,
};

test('a status is taken with members that are not known, and with an unknown lag', () => {
  assert.deepEqual(parseStatus(`${JSON.stringify(STATUS)}\n`), STATUS);
  assert.equal(parseStatus(JSON.stringify({ ...STATUS, lagMs: null, later: [] })).lagMs, null);
});

test('a status without a member, or with one of another kind, is malformed and the error names it', () => {
  for (const member of ['role', 'position', 'generation', 'journalMode', 'lagMs', 'ready']) {
    for (const value of [undefined, -1, {}, ['x']]) {
      const text = JSON.stringify({ ...STATUS, [member]: value });
      const names = error => error instanceof MalformedStatus && error.message.includes(`"${member}"`);
      assert.throws(() => parseStatus(text), names);
    }
  }
});

test('a status that was cut off anywhere is malformed', () => {
  const text = JSON.stringify(STATUS);
  for (let end = 0; end < text.length; end += 1) assert.throws(() => parseStatus(text.slice(0, end)), MalformedStatus);
});

/** A parent that answers when told to. */
class SlowParent {
  /** @type {any[]} */
  sent = [];
  /** @type {(() => void)[]} */
  #waiting = [];

  send(message, done) {
    this.sent.push(message);
    this.#waiting.push(done);
  }

  answer() {
    for (const done of this.#waiting.splice(0)) done();
  }
}

test('versions that come while the parent is slow become one message, with the newest version and the oldest time', () => {
  const parent = new SlowParent();
  let now = 100;
  const subscriber = new Subscriber(parent, () => now);
  subscriber.ready('01');
  subscriber.subscribe();
  for (const version of ['02', '03', '04']) {
    now += 10;
    subscriber.notify(version);
  }
  assert.deepEqual(parent.sent.slice(1), [['notify', { state: 'version-ready', watermark: '01' }]]);
  parent.answer();
  assert.deepEqual(parent.sent.slice(2), [
    ['notify', { state: 'version-ready', watermark: '04', replicaReadyTimeMs: 110 }],
  ]);
  parent.answer();
  assert.equal(parent.sent.length, 3);
});

test('who has not subscribed gets nothing but ready, and the newest version when he does', () => {
  const parent = new SlowParent();
  const subscriber = new Subscriber(parent);
  subscriber.ready('01');
  subscriber.notify('02');
  assert.deepEqual(parent.sent, [['ready', { ready: true }]]);
  subscriber.subscribe();
  assert.deepEqual(parent.sent[1], ['notify', { state: 'version-ready', watermark: '02' }]);
});

test('a lasting condition is logged once, again after the time, at once for another reason, and at its end', () => {
  /** @type {any[]} */
  const lines = [];
  let now = 1000;
  const reminder = new Reminder(
    30_000,
    (level, event, message, details) => lines.push({ level, event, message, ...details }),
    () => now,
  );
  reminder.over('ended', 'never began');
  reminder.say('WARN', 'waiting', 'a', { reason: 'x' });
  now += 29_999;
  reminder.say('WARN', 'waiting', 'a', { reason: 'x' });
  assert.equal(lines.length, 1);
  now += 1;
  reminder.say('WARN', 'waiting', 'a', { reason: 'x' });
  assert.equal(lines.length, 2);
  reminder.say('WARN', 'waiting', 'b', { reason: 'y' });
  assert.equal(lines.length, 3);
  reminder.over('ended', 'it is over');
  reminder.over('ended', 'it is over');
  assert.deepEqual(
    lines.map(({ event, forMs }) => [event, forMs]),
    [
      ['waiting', 0],
      ['waiting', 30_000],
      ['waiting', 30_000],
      ['ended', 30_000],
    ],
  );
});

test('a lag about the limit is one line, and one that is unknown for long is said', () => {
  /** @type {string[]} */
  const events = [];
  let now = 0;
  const clock = () => now;
  const warning = new LagWarning(1000, new Reminder(1e9, (_level, event) => events.push(event), clock), clock);
  for (const lag of [1000, 1001, 999, 1001, 600, 2000]) warning.observe(lag);
  assert.deepEqual(events, ['lagging']);
  warning.observe(500);
  assert.deepEqual(events, ['lagging', 'caught-up']);
  warning.observe(null);
  now += 1000;
  warning.observe(null);
  assert.equal(events.length, 2);
  now += 1;
  warning.observe(null);
  assert.equal(events.length, 3);
});

test('a setting that is no number in its range is refused, with its name', () => {
  assert.equal(readSettings({}).pollMs, 1000);
  assert.equal(readSettings({ LITEFS_ZERO_POLL_MS: '' }).pollMs, 1000);
  assert.equal(readSettings({ LITEFS_ZERO_POLL_MS: '250' }).pollMs, 250);
  for (const text of ['0', '-5', '1.5', 'NaN', '1s', '9999999']) {
    assert.throws(
      () => readSettings({ LITEFS_ZERO_POLL_MS: text }),
      error => error instanceof SettingError && error.message.startsWith(`LITEFS_ZERO_POLL_MS=${text} `),
    );
  }
});

test("only zero-cache's replicator is replaced, and only where a change-streamer elsewhere is named", () => {
  const zero = 'file:///app/node_modules/@rocicorp/zero/out/zero-cache/src';
  const view = { ZERO_CHANGE_STREAMER_URI: 'http://app-0:4849' };
  const target = (url, env) => path.basename(replace({ url }, env).url);
  assert.equal(target(`${zero}/server/replicator.js`, view), 'replicator.mjs');
  assert.equal(target(`${zero}/server/replicator.js`, {}), 'replicator.js');
  assert.equal(target(`${zero}/workers/replicator.js`, view), 'replicator.js');
  assert.equal(target(`${zero}/services/replicator/replicator.js`, view), 'replicator.js');
  assert.equal(target('file:///app/server/replicator.js', view), 'replicator.js');
  assert.equal(target(`${zero}/server/syncer.js`, view), 'syncer.js');
});

test('a change-streamer is replaced on a replica, and on no other node', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'litefs-zero-'));
  try {
    const env = { ZERO_REPLICA_FILE: path.join(folder, 'zero.db') };
    const url = 'file:///app/node_modules/@rocicorp/zero/out/zero-cache/src/server/change-streamer.js';
    assert.equal(replace({ url }, env).url, url);
    fs.mkdirSync(path.join(folder, '.litefs'));
    const say = text => fs.writeFileSync(path.join(folder, '.litefs/zero.db.json'), text);
    say(JSON.stringify({ ...STATUS, role: 'primary' }));
    assert.equal(replace({ url }, env).url, url);
    say('{');
    assert.equal(readStatusNow(env.ZERO_REPLICA_FILE), undefined);
    assert.equal(replace({ url }, env).url, url);
    say(JSON.stringify(STATUS));
    assert.equal(path.basename(replace({ url }, env).url), 'second-writer.mjs');
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test('a folder that is no mount, and one that does not exist, are told from each other', () => {
  assert.match(explainMissingMount(os.tmpdir()).message, /nothing is mounted/);
  assert.match(explainMissingMount('/does/not/exist').message, /ENOENT/);
});
