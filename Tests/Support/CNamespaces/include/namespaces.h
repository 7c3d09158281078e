/*
 * Network namespaces: Glibc shows their calls to Swift only with _GNU_SOURCE.
 */
#ifndef NAMESPACES_H
#define NAMESPACES_H

/* Gives the calling thread a network namespace of its own; -1 and errno when it is refused. */
int namespaces_new_network(void);

/* Moves the calling thread into a network namespace; -1 and errno when it is refused. */
int namespaces_enter_network(int descriptor);

#endif
