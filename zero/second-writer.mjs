// Loaded instead of zero-cache's change-streamer on a node whose mount is a replica. A change-streamer takes over
// Postgres' replication slot from the one that has it, before it finds out that it cannot write its file: the writing
// pod would be cut off. So it is not started.

import { UNUSABLE } from './exit-codes.mjs';
import { logLine } from './log.mjs';
import { replicaFile } from './settings.mjs';

logLine(
  'ERROR',
  'second-writer',
  `zero-cache was about to start a change-streamer here, where ${replicaFile(process.env)} is a replica that cannot be ` +
    "written; it would have taken the replication slot from the writing pod. Set ZERO_CHANGE_STREAMER_URI to that pod's " +
    'change-streamer, as in http://app-0.app:4849, on all pods but the writing one',
);
process.exit(UNUSABLE);
