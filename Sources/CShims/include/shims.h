// Inline shims over calls that Swift cannot make itself: variadic functions, system calls without a
// wrapper in glibc, and macros. Each says why it exists. Only the module POSIX (and FUSE) includes
// this; SQLiteFormat uses the atomics alone.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "atomics.h"

// open(2) and openat(2) are variadic.
static inline int cshims_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags, mode);
}

// fcntl(2) is variadic. command: F_OFD_SETLK, F_OFD_SETLKW or F_OFD_GETLK.
static inline int cshims_ofd_lock(int fd, int command, struct flock *lock) {
    return fcntl(fd, command, lock);
}

// errno is a macro over a thread-local; read right after the failed call.
static inline int cshims_errno(void) { return errno; }

static inline pid_t cshims_gettid(void) { return (pid_t)syscall(SYS_gettid); }

// The mount API of Linux 5.2 has no wrapper in glibc before 2.36 and its headers clash with <linux/mount.h>.
static inline int cshims_fsopen(const char *type, unsigned flags) {
    return (int)syscall(SYS_fsopen, type, flags);
}
static inline int cshims_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
    return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}
static inline int cshims_fsmount(int fd, unsigned flags, unsigned attributes) {
    return (int)syscall(SYS_fsmount, fd, flags, attributes);
}
static inline int cshims_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
    return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

// The WIF… family are macros.
static inline int cshims_exited(int status) { return WIFEXITED(status); }
static inline int cshims_exit_status(int status) { return WEXITSTATUS(status); }
static inline int cshims_term_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

// st_mtime and friends are macros over st_mtim.
static inline int64_t cshims_mtime_ns(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}
static inline int64_t cshims_ctime_ns(const struct stat *st) {
    return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

// GNU extensions that the Swift overlay of glibc leaves out.
static inline void cshims_set_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }
static inline const char *cshims_errno_name(int number) { return strerrorname_np(number); }
static inline int cshims_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
static inline int cshims_syncfs(int fd) { return syncfs(fd); }

// A global variable that Swift 6 takes for shared mutable state.
extern char **environ;
static inline char **cshims_environment(void) { return environ; }
