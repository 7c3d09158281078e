// Stands in for zero-cache's replicator worker on a view-syncer, where litefs maintains the replica: writes nothing,
// connects to nothing, and tells its parent when there is a newer version to read.

import { ASKED, UNUSABLE } from './exit-codes.mjs';
import { Worker } from './worker.mjs';
import { logLine } from './log.mjs';
import { loadSQLite } from './replica.mjs';
import { readSettings, SettingError } from './settings.mjs';
import { Subscriber } from './subscriber.mjs';

/** @param {string} message */
function refuse(message) {
  logLine('ERROR', 'unusable', message);
  process.exit(UNUSABLE);
}

/** @param {unknown} error */
function crash(error) {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  logLine('ERROR', 'crash', 'an error that nobody reckoned with. Report it with this line', { detail });
  process.exit(UNUSABLE);
}

function start() {
  const [, path, mode] = process.argv;
  const send = process.send?.bind(process);
  if (!send)
    return refuse('this is a worker of zero-cache. Load register.mjs with NODE_OPTIONS=--import, and start zero-cache');
  if (mode !== 'serving') {
    return refuse(
      `zero-cache wants a replicator of mode ${mode}, which writes. Leave ZERO_LITESTREAM_BACKUP_URL out on this pod`,
    );
  }
  const settings = readSettings(process.env);
  if (process.env.LITEFS_ZERO_TEST_JOURNAL_MODES) {
    logLine('WARN', 'test-setting', 'LITEFS_ZERO_TEST_JOURNAL_MODES is set, which is for tests alone: leave it out');
  }
  const subscriber = new Subscriber({ send: (message, sent) => send(message, sent) });
  const worker = new Worker(settings, loadSQLite(settings.sqlite, path), subscriber);

  /** @type {Set<string>} */
  const unknown = new Set();
  process.on('message', message => {
    if (Array.isArray(message) && message[0] === 'subscribe') return subscriber.subscribe();
    const type = Array.isArray(message) ? String(message[0]) : typeof message;
    if (unknown.has(type)) return;
    unknown.add(type);
    logLine('WARN', 'unknown-message', 'zero-cache sent a message that is not known here, and it was left alone', {
      type,
    });
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT'])) {
    process.on(signal, () => worker.end(ASKED, 'INFO', 'stopped', `${signal} came`));
  }
  process.on('disconnect', () => worker.end(ASKED, 'INFO', 'stopped', 'the parent process is gone'));
  worker.start();
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
try {
  start();
} catch (error) {
  if (!(error instanceof SettingError)) throw error;
  refuse(error.message);
}
