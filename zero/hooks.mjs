// Which module of this folder is loaded instead of which module of zero-cache.
//
//   zero-cache's worker          is replaced where                               by
//   server/replicator.js         ZERO_CHANGE_STREAMER_URI is set (view-syncer)   replicator.mjs
//   server/change-streamer.js    the mount says that this node is a replica      second-writer.mjs
//
// Everything else is left alone, so one NODE_OPTIONS serves all pods, the writing one as well.

import { readStatusNow } from './channel.mjs';
import { logLine } from './log.mjs';
import { replicaFile } from './settings.mjs';

const WORKERS = '/zero-cache/src/server/';

/**
 * The resolution with another module's URL, where one of ours stands in.
 *
 * @template {{url: string}} R
 * @param {R} resolved what Node, or the hook after this one, found
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {R}
 */
export function replace(resolved, env = process.env) {
  const name = standIn(resolved.url, env);
  if (name === undefined) return resolved;
  return { ...resolved, url: new URL(name, import.meta.url).href, format: 'module', shortCircuit: true };
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  return replace(await next(specifier, context));
}

/**
 * @param {string} url
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined} a module of this folder
 */
function standIn(url, env) {
  if (url.endsWith(`${WORKERS}replicator.js`)) {
    if (env.ZERO_CHANGE_STREAMER_URI) return './replicator.mjs';
    logLine(
      'INFO',
      'left-alone',
      "no ZERO_CHANGE_STREAMER_URI: this is the writing pod, with zero-cache's own replicator",
    );
  }
  if (url.endsWith(`${WORKERS}change-streamer.js`) && readStatusNow(replicaFile(env))?.role === 'replica') {
    return './second-writer.mjs';
  }
  return undefined;
}
