// Trouble in random order, from one seed: commits with and without an event, content that is malformed or missing, a lag,
// signs of life of other databases. Whatever came, the versions are notified once and in order, and the last one arrives.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { Imitation } from './support/imitation.mjs';
import { stopAll } from './support/stand-in.mjs';

/** Numbers from 0 to `below`, the same for the same seed (Lehmer's generator). */
function generator(seed) {
  let state = (seed % 2147483646) + 1;
  return below => {
    state = Number((BigInt(state) * 48271n) % 2147483647n);
    return state % below;
  };
}

test('whatever happens to the notification file, versions come once, in order, and the last one comes', async t => {
  const seed = Number(process.env.LITEFS_TEST_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`LITEFS_TEST_SEED=${seed}`);
  const random = generator(seed);
  const mount = new Imitation();
  try {
    mount.createDatabase('00000000');
    mount.announce();
    const standIn = mount.standIn({ LITEFS_ZERO_POLL_MS: '20', LITEFS_ZERO_MAX_LAG_MS: '3000' });
    await standIn.follows();
    const committed = new Set(['00000000']);
    const version = number => String(number).padStart(8, '0');
    const acts = [
      number => {
        committed.add(version(number));
        mount.commit(version(number));
      },
      number => {
        committed.add(version(number));
        mount.commitInSilence(version(number));
      },
      () => mount.step(),
      () => mount.announceText('{"role":"repl'),
      () => fs.rmSync(mount.channel, { force: true }),
      () => mount.announce({ lagMs: random(9000) }),
      () => mount.announce({ lagMs: null }),
      () => fs.writeFileSync(path.join(path.dirname(mount.channel), 'other.db.json'), String(random(1000))),
      () => mount.announce({ role: random(2) === 0 ? 'primary' : 'replica' }),
    ];
    for (let step = 1; step <= 600; step += 1) {
      acts[random(acts.length)](step);
      // Time for the stand-in to come in between, or none.
      await pause(random(3) === 0 ? random(30) : 0);
    }
    mount.commit(version(601));
    await standIn.notification(version(601));
    committed.add(version(601));
    const watermarks = standIn.notifications.map(({ watermark }) => watermark);
    assert.deepEqual(watermarks, [...new Set(watermarks)].sort());
    assert.ok(watermarks.every(watermark => committed.has(watermark)));
    assert.equal(standIn.exit, undefined);
  } finally {
    stopAll();
    mount.remove();
  }
});
