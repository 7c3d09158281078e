#define _GNU_SOURCE
#include "write_recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The next definition of a function, behind this library. Looked up once; two threads at once find the same.
#define NEXT(function)                                                        \
    static __typeof__(&function) next;                                        \
    if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, #function)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static const char *log_path;
static dev_t device;
static const char *root;
static size_t root_length;

// Ends the process: a recording with a hole would let a test pass that should not.
static void give_up(const char *what) {
    ssize_t ignored = write(2, what, strlen(what));
    (void)ignored;
    abort();
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Adds a record. Call with the lock held.
static void add(struct write_recorder_header header, const char *name, const char *new_name, const void *bytes) {
    header.name_length = name != NULL ? (uint32_t)strlen(name) : 0;
    header.new_name_length = new_name != NULL ? (uint32_t)strlen(new_name) : 0;
    struct iovec parts[] = {
        {&header, sizeof header},
        {(void *)(uintptr_t)name, header.name_length},
        {(void *)(uintptr_t)new_name, header.new_name_length},
        {(void *)(uintptr_t)bytes, header.byte_count},
    };
    ssize_t all = (ssize_t)(sizeof header + header.name_length + header.new_name_length + header.byte_count);
    ssize_t count = writev(log_file, parts, 4);
    if (count < 0 && errno == EBADF) {
        // A thread with a descriptor table of its own.
        int file = open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
        count = writev(file, parts, 4);
        close(file);
    }
    if (count != all) give_up("write recorder: the log cannot be written\n");
}

__attribute__((constructor)) static void begin(void) {
    root = getenv("LITEFS_RECORD_ROOT");
    log_path = getenv("LITEFS_RECORD_LOG");
    if (root == NULL || log_path == NULL) return;
    struct stat status;
    if (stat(root, &status) != 0) give_up("write recorder: LITEFS_RECORD_ROOT is not there\n");
    device = status.st_dev;
    root_length = strlen(root);
    int file = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) give_up("write recorder: LITEFS_RECORD_LOG cannot be opened\n");
    // Where a program that closes its low descriptors does not reach it.
    log_file = fcntl(file, F_DUPFD_CLOEXEC, 500);
    close(file);
    if (log_file < 0) give_up("write recorder: no descriptor for the log\n");
    struct write_recorder_header header = {.kind = write_recorder_begin, .time = now(), .node = status.st_ino};
    add(header, NULL, NULL, NULL);
}

// ---------------------------------------------------------------------------------------------------------------
// What is recorded

// Whether a descriptor is of the recorded file system. Asked before the lock is taken: on a mount that the same process
// serves the answer may need another thread of it.
static int is_recorded(int fd, struct stat *status) {
    if (log_file < 0) return 0;
    int saved = errno;
    int known = fstat(fd, status) == 0 && status->st_dev == device && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode));
    errno = saved;
    return known;
}

// A name and the folder that it is in.
struct place {
    char path[4096];
    char *name;
    uint64_t folder;
};

// Finds the place of an absolute path below the root; 0 for any other path.
static int find_place(const char *path, struct place *place) {
    if (log_file < 0 || strncmp(path, root, root_length) != 0 || path[root_length] != '/') return 0;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    if (length >= sizeof place->path) return 0;
    memcpy(place->path, path, length);
    place->path[length] = 0;
    char *slash = strrchr(place->path, '/');
    *slash = 0;
    place->name = slash + 1;
    struct stat status;
    int saved = errno;
    int known = stat(place->path, &status) == 0 && status.st_dev == device;
    errno = saved;
    place->folder = status.st_ino;
    return known;
}

static int64_t modified(const struct stat *status) {
    return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

// A record about a file, with its time of change as it is now.
static void add_change(int fd, int kind, int64_t time, int64_t offset, const void *bytes, size_t count) {
    struct stat status;
    if (fstat(fd, &status) != 0) give_up("write recorder: fstat\n");
    struct write_recorder_header header = {
        .kind = (uint32_t)kind, .time = time, .node = status.st_ino, .offset = offset, .modified = modified(&status),
        .byte_count = (uint32_t)count,
    };
    add(header, NULL, NULL, bytes);
}

// ---------------------------------------------------------------------------------------------------------------
// Names

static int record_open(int directory, const char *path, int flags, mode_t mode) {
    NEXT(openat);
    struct place place;
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !find_place(path, &place)) return next(directory, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before;
    int64_t time = now();
    int existed = stat(path, &before) == 0;
    int fd = next(directory, path, flags, mode);
    int saved = errno;
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        struct write_recorder_header header = {.time = time, .node = status.st_ino, .modified = modified(&status)};
        if (!existed) {
            header.kind = write_recorder_create;
            header.folder = place.folder;
            add(header, place.name, NULL, NULL);
        } else if ((flags & O_TRUNC) != 0 && before.st_size > 0) {
            header.kind = write_recorder_set_size;
            add(header, NULL, NULL, NULL);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

#define MODE_ARGUMENT(flags)                                                  \
    mode_t mode = 0;                                                          \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                             \
        va_list arguments;                                                    \
        va_start(arguments, flags);                                           \
        mode = va_arg(arguments, mode_t);                                     \
        va_end(arguments);                                                    \
    }

int open(const char *path, int flags, ...) {
    MODE_ARGUMENT(flags)
    return record_open(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE_ARGUMENT(flags)
    return record_open(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int directory, const char *path, int flags, ...) {
    MODE_ARGUMENT(flags)
    return record_open(directory, path, flags, mode);
}
int openat64(int directory, const char *path, int flags, ...) {
    MODE_ARGUMENT(flags)
    return record_open(directory, path, flags | O_LARGEFILE, mode);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    NEXT(mkdirat);
    struct place place;
    if (!find_place(path, &place)) return next(directory, path, mode);
    pthread_mutex_lock(&lock);
    int64_t time = now();
    int result = next(directory, path, mode);
    int saved = errno;
    struct stat status;
    if (result == 0 && stat(path, &status) == 0) {
        struct write_recorder_header header = {
            .kind = write_recorder_make_folder, .time = time, .node = status.st_ino, .folder = place.folder,
        };
        add(header, place.name, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int directory, const char *path, int flags) {
    NEXT(unlinkat);
    struct place place;
    if (!find_place(path, &place)) return next(directory, path, flags);
    pthread_mutex_lock(&lock);
    int64_t time = now();
    int result = next(directory, path, flags);
    int saved = errno;
    if (result == 0) {
        struct write_recorder_header header = {.kind = write_recorder_remove, .time = time, .folder = place.folder};
        add(header, place.name, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    NEXT(renameat2);
    struct place old, new;
    int is_from = find_place(from, &old), is_to = find_place(to, &new);
    if (!is_from && !is_to) return next(from_directory, from, to_directory, to, flags);
    if (!is_from || !is_to || (flags & RENAME_EXCHANGE) != 0) give_up("write recorder: a rename that is not known\n");
    pthread_mutex_lock(&lock);
    int64_t time = now();
    int result = next(from_directory, from, to_directory, to, flags);
    int saved = errno;
    if (result == 0) {
        struct write_recorder_header header = {
            .kind = write_recorder_rename, .time = time, .folder = old.folder, .new_folder = new.folder,
        };
        add(header, old.name, new.name, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

// ---------------------------------------------------------------------------------------------------------------
// Content

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    NEXT(pwrite);
    struct stat status;
    if (!is_recorded(fd, &status)) return next(fd, bytes, count, offset);
    pthread_mutex_lock(&lock);
    int64_t time = now();
    ssize_t result = next(fd, bytes, count, offset);
    int saved = errno;
    if (result > 0) add_change(fd, write_recorder_write, time, offset, bytes, (size_t)result);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) { return pwrite(fd, bytes, count, offset); }

ssize_t write(int fd, const void *bytes, size_t count) {
    NEXT(write);
    struct stat status;
    if (!is_recorded(fd, &status)) return next(fd, bytes, count);
    pthread_mutex_lock(&lock);
    int64_t time = now();
    ssize_t result = next(fd, bytes, count);
    int saved = errno;
    if (result > 0) {
        add_change(fd, write_recorder_write, time, lseek(fd, 0, SEEK_CUR) - result, bytes, (size_t)result);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int ftruncate(int fd, off_t size) {
    NEXT(ftruncate);
    struct stat status;
    if (!is_recorded(fd, &status)) return next(fd, size);
    pthread_mutex_lock(&lock);
    int64_t time = now();
    int result = next(fd, size);
    int saved = errno;
    if (result == 0) add_change(fd, write_recorder_set_size, time, size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
    NEXT(fallocate);
    struct stat status;
    if (!is_recorded(fd, &status)) return next(fd, mode, offset, length);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) give_up("write recorder: a fallocate that is not known\n");
    pthread_mutex_lock(&lock);
    int64_t time = now();
    int result = next(fd, mode, offset, length);
    int saved = errno;
    if (result == 0 && mode == 0) add_change(fd, write_recorder_extend, time, offset + length, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
int fallocate64(int fd, int mode, off_t offset, off_t length) { return fallocate(fd, mode, offset, length); }

// ---------------------------------------------------------------------------------------------------------------
// Syncs

#define SYNC(function, kind, data_only)                                       \
    int function(int fd) {                                                    \
        NEXT(function);                                                       \
        struct stat status;                                                   \
        if (!is_recorded(fd, &status)) return next(fd);                       \
        pthread_mutex_lock(&lock);                                            \
        int64_t time = now();                                                 \
        int result = next(fd);                                                \
        int saved = errno;                                                    \
        if (result == 0) add_change(fd, kind, time, data_only, NULL, 0);      \
        pthread_mutex_unlock(&lock);                                          \
        errno = saved;                                                        \
        return result;                                                        \
    }

SYNC(fsync, write_recorder_sync, 0)
SYNC(fdatasync, write_recorder_sync, 1)
SYNC(syncfs, write_recorder_sync_all, 0)
