// A folder laid out like an installed zero-cache, with workers that say that they are the original ones.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ADAPTER = fileURLToPath(new URL('./sqlite.cjs', import.meta.url));
const SOURCES = fileURLToPath(new URL('../..', import.meta.url));
const ORIGINAL = "process.send(['original', {}]);\nprocess.on('message', () => {});\n";

/**
 * @param {string} folder
 * @returns {{replicator: URL, changeStreamer: URL}} the modules that zero-cache forks
 */
export function layOutPackage(folder) {
  const zero = path.join(folder, 'node_modules/@rocicorp/zero');
  const server = path.join(zero, 'out/zero-cache/src/server');
  const sqlite = path.join(folder, 'node_modules/@rocicorp/zero-sqlite3');
  fs.mkdirSync(server, { recursive: true });
  fs.mkdirSync(sqlite, { recursive: true });
  fs.writeFileSync(path.join(zero, 'package.json'), '{"name": "@rocicorp/zero", "type": "module"}');
  fs.writeFileSync(path.join(sqlite, 'package.json'), '{"name": "@rocicorp/zero-sqlite3", "main": "index.js"}');
  fs.copyFileSync(ADAPTER, path.join(sqlite, 'index.js'));
  const worker = name => {
    fs.writeFileSync(path.join(server, name), ORIGINAL);
    return pathToFileURL(path.join(server, name));
  };
  return { replicator: worker('replicator.js'), changeStreamer: worker('change-streamer.js') };
}

/**
 * The files of the stand-in as a container has them: copies in a folder of their own.
 *
 * @param {string} folder
 * @returns {string} what is to be loaded
 */
export function copySources(folder) {
  fs.mkdirSync(folder);
  for (const name of fs.readdirSync(SOURCES).filter(name => name.endsWith('.mjs'))) {
    fs.copyFileSync(path.join(SOURCES, name), path.join(folder, name));
  }
  return path.join(folder, 'register.mjs');
}
