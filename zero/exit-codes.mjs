// How the stand-in ends. zero-cache ends the whole server when a worker ends, with the worker's code, and Kubernetes
// starts the container again.

/** It was asked to: a signal, or its parent is gone. */
export const ASKED = 0;

/** It cannot work, and the reason was logged. zero-cache knows the number as "already logged". */
export const UNUSABLE = 13;

/** Whoever has the replica open must open it anew. zero-cache knows the number as an intended stop without draining. */
export const OPEN_ANEW = 14;
