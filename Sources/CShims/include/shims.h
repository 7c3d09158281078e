// Shims over calls that Swift cannot make itself: variadic functions, system calls and GNU extensions without a
// wrapper, and macros. Each says why it exists. Only POSIX, FUSE and Faults import them. The GNU dialect stays inside
// shims.c, because it changes the layout of structures that other C modules share.
#pragma once

#include "atomics.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

// openat(2) is variadic.
int cshims_openat(int directory, const char *path, int flags, mode_t mode);

// fcntl(2) is variadic and F_OFD_SETLK, F_OFD_GETLK are GNU.
int cshims_ofd_set_lock(int fd, struct flock *lock);
int cshims_ofd_get_lock(int fd, struct flock *lock);

// errno is a macro over a thread-local; read right after the failed call.
int cshims_errno(void);
// GNU.
const char *cshims_errno_name(int number);

// No wrapper in older glibc.
pid_t cshims_gettid(void);
// GNU.
void cshims_set_thread_name(const char *name);
int cshims_timed_join(pthread_t thread, const struct timespec *deadline);
// Gives the calling thread a descriptor table of its own with the standard streams and one more descriptor
// (close_range with CLOSE_RANGE_UNSHARE is GNU, and newer than some headers).
int cshims_leave_descriptor_table(int kept);
// Makes a signal do nothing but interrupt blocking calls (sigaction without SA_RESTART).
void cshims_make_interrupting(int signal);

// signalfd(2) and its record are not in Swift's Glibc. Blocks the signals on the calling thread, for itself and the
// threads it starts, and returns a non-blocking descriptor that delivers them; -1 on error.
int cshims_signalfd(const int *signals, int count);
// The next signal of the descriptor; 0 when none is pending.
int cshims_next_signal(int fd);
// SIG_IGN is a macro that casts a number to a function.
void cshims_ignore(int signal);
int cshims_is_ignored(int signal);
// GNU: the name without SIG; NULL for an unknown number.
const char *cshims_signal_name(int number);

// ioctl(2) is variadic. Sets or clears a flag of a file's inode (FS_IOC_SETFLAGS).
int cshims_set_immutable(int fd, int is_immutable);
// F_SETLEASE is GNU. 1 when an open file may write to the inode, 0 when none does, -1 on error.
int cshims_is_open_for_writing(int fd);

int cshims_eventfd(void);
// What tells one file from another that had its inode number before: number, time of birth, generation of the file system; 0 where one
// is not known. -1 on error.
int cshims_identity(int fd, unsigned long long identity[4]);
// inotify(7) is not in Swift's Glibc. A non-blocking descriptor; -1 on error.
int cshims_inotify(void);
// Makes it readable at the next write to the file, once.
int cshims_inotify_next_write(int fd, const char *path);
// As inotify_add_watch(2).
int cshims_inotify_watch(int fd, const char *path, unsigned mask);
int cshims_syncfs(int fd);
int cshims_fallocate(int fd, int mode, off_t offset, off_t length);
int cshims_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);

// The mount API of Linux 5.2 has no wrapper in glibc before 2.36.
int cshims_fsopen(const char *type, unsigned flags);
int cshims_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux);
int cshims_fsmount(int fd, unsigned flags, unsigned attributes);
int cshims_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
// MNT_DETACH is an enumerator that Swift does not import as a number.
int cshims_unmount(const char *path, int lazily);

// The device number macros.
unsigned cshims_device_major(dev_t device);

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begins to write what is dirty in a range, and waits for nothing. 0, or -1 and errno.
int cshims_begin_writing(int fd, int64_t offset, int64_t count);

unsigned cshims_device_minor(dev_t device);

// The WIF… family are macros.
int cshims_exited(int status);
int cshims_exit_status(int status);
int cshims_term_signal(int status);

// The commit that was compiled in by -DLITEFS_COMMIT="…"; empty without it.
const char *cshims_build_commit(void);

// A global variable that Swift 6 takes for shared mutable state.
char **cshims_environment(void);

// Passthrough is newer (Linux 6.9, FUSE 7.40) than some <linux/fuse.h>. Registers a file with a connection, and
// returns its backing id, or -1; the file may be closed afterwards.
int cshims_fuse_open_backing(int device, int file);
int cshims_fuse_close_backing(int device, int backing);

// The macros that lay out control messages (cmsg(3)). One message with descriptors over a connected socket; the number
// of bytes, or -1. Received descriptors are closed on exec.
long cshims_send_message(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count);
long cshims_receive_message(int socket, void *bytes, size_t capacity, int *descriptors, int *descriptor_count);
// struct sockaddr_un is an array that Swift imports as a tuple. A stream socket at a name in a folder, by way of
// /proc/self/fd, because the folder's path may be longer than an address; -1 on error. Only its owner may connect.
int cshims_local_socket(int directory, const char *name, int listens);
// GNU. A file of memory alone.
int cshims_memory_file(const char *name);
// prctl(2) is variadic. The process is killed when the thread that started it ends.
int cshims_die_with_parent(void);
