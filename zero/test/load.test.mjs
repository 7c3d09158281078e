// How the stand-in gets into zero-cache's processes, and what it refuses.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Imitation } from './support/imitation.mjs';
import { StandIn, stopAll } from './support/stand-in.mjs';
import { until } from './support/waiting.mjs';

const folder = fileURLToPath(new URL('..', import.meta.url));

/** @type {Imitation} */
let mount;
beforeEach(() => {
  mount = new Imitation();
  mount.createDatabase();
  mount.announce();
});
afterEach(() => {
  stopAll();
  mount.remove();
});

/** @param {StandIn} standIn */
const isOriginal = standIn =>
  until('the original worker', () => standIn.messages.some(({ message }) => message[0] === 'original'));

test('a pod without a change-streamer elsewhere runs the original replicator, and it is said', async () => {
  const worker = mount.standIn({ ZERO_CHANGE_STREAMER_URI: undefined });
  await isOriginal(worker);
  await worker.line('left-alone');
});

test('it is loaded by Node versions whose hooks run in a thread of their own', async () => {
  const load = path.join(mount.folder, 'older.mjs');
  fs.writeFileSync(
    load,
    `import module from 'node:module';
     delete module.registerHooks;
     module.syncBuiltinESMExports();
     await import(${JSON.stringify(path.join(folder, 'register.mjs'))});`,
  );
  const standIn = mount.standIn({}, { load });
  await standIn.follows();
});

test('it is loaded from a folder of symbolic links, as ConfigMaps are', async () => {
  const data = path.join(mount.folder, 'config/..data');
  fs.mkdirSync(data, { recursive: true });
  for (const name of fs.readdirSync(folder).filter(name => name.endsWith('.mjs'))) {
    fs.copyFileSync(path.join(folder, name), path.join(data, name));
    fs.symlinkSync(path.join('..data', name), path.join(data, '..', name));
  }
  const standIn = mount.standIn({}, { load: path.join(mount.folder, 'config/register.mjs') });
  await standIn.follows();
});

test('the ConfigMap has every file that is needed', () => {
  const listed = fs.readFileSync(path.join(folder, 'kustomization.yaml'), 'utf8').match(/[\w-]+\.mjs/g);
  assert.deepEqual(
    listed,
    fs.readdirSync(folder).filter(name => name.endsWith('.mjs')),
  );
});

test('other Node programs in the container do not notice it', () => {
  const env = {
    ...process.env,
    NODE_OPTIONS: `--import=${path.join(folder, 'register.mjs')}`,
    ZERO_CHANGE_STREAMER_URI: 'x',
  };
  assert.equal(execFileSync(process.execPath, ['-p', '6 * 7'], { env, encoding: 'utf8' }), '42\n');
});

test('a change-streamer on a replica ends with 13 before it does anything', async () => {
  const worker = new StandIn(mount.modules.changeStreamer, {
    ZERO_REPLICA_FILE: mount.file,
    ZERO_CHANGE_STREAMER_URI: undefined,
  });
  assert.equal(await worker.ends(), 13);
  assert.match((await worker.line('second-writer')).message, /ZERO_CHANGE_STREAMER_URI/);
  assert.equal(worker.messages.length, 0);
});

test('a change-streamer on the primary runs', async () => {
  mount.announce({ role: 'primary' });
  await isOriginal(
    new StandIn(mount.modules.changeStreamer, { ZERO_REPLICA_FILE: mount.file, ZERO_CHANGE_STREAMER_URI: undefined }),
  );
});

test("the SQLite module is found from the worker's path, and can be replaced by a variable", async () => {
  const own = path.join(folder, 'test/support/counting-sqlite.cjs');
  const standIn = mount.standIn({ LITEFS_ZERO_SQLITE: own });
  await standIn.follows();
  assert.ok(standIn.logged('sqlite').length > 0);
});

test('a SQLite module that is not there ends it with 13, and its name', async () => {
  const standIn = mount.standIn({ LITEFS_ZERO_SQLITE: '/no/such/module' });
  assert.equal(await standIn.ends(), 13);
  assert.match((await standIn.line('unusable')).message, /\/no\/such\/module/);
});

test('a wrong setting ends it with 13, and its name', async () => {
  const standIn = mount.standIn({ LITEFS_ZERO_MAX_LAG_MS: 'soon' });
  assert.equal(await standIn.ends(), 13);
  assert.match((await standIn.line('unusable')).message, /LITEFS_ZERO_MAX_LAG_MS=soon/);
});

test('a replicator for backups is refused', async () => {
  const standIn = mount.standIn({}, { mode: 'backup' });
  assert.equal(await standIn.ends(), 13);
  assert.match((await standIn.line('unusable')).message, /ZERO_LITESTREAM_BACKUP_URL/);
});

test('started by hand it says how it is started', () => {
  const { status, stdout } = spawnSync(process.execPath, [path.join(folder, 'replicator.mjs'), 'serving'], {
    encoding: 'utf8',
  });
  assert.equal(status, 13);
  assert.match(stdout, /NODE_OPTIONS=--import/);
});

test('an error that nobody reckoned with is logged and ends it with 13', async () => {
  const broken = path.join(mount.folder, 'broken.cjs');
  fs.writeFileSync(
    broken,
    'module.exports = class { constructor() { process.nextTick(() => { throw new Error("unforeseen"); }); } pragma() {} };',
  );
  const standIn = mount.standIn({ LITEFS_ZERO_SQLITE: broken });
  assert.equal(await standIn.ends(), 13);
  assert.match((await standIn.line('crash')).detail, /unforeseen/);
});
