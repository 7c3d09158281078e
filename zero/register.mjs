// What NODE_OPTIONS=--import loads into every Node process of a zero-cache container: installs the hook that replaces
// two of zero-cache's worker modules. Does nothing else, because every process pays for it.

import module from 'node:module';

import { replace } from './hooks.mjs';

if (module.registerHooks) {
  module.registerHooks({ resolve: (specifier, context, next) => replace(next(specifier, context)) });
} else {
  // Before Node 22.15 hooks run in a thread of their own.
  module.register('./hooks.mjs', import.meta.url);
}
