#define _GNU_SOURCE
#include "namespaces.h"

#include <sched.h>

int namespaces_new_network(void) { return unshare(CLONE_NEWNET); }

int namespaces_enter_network(int descriptor) { return setns(descriptor, CLONE_NEWNET); }
