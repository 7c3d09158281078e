#define _GNU_SOURCE
#include "shims.h"
#include "faults.h"

#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int cshims_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags, mode);
}
int cshims_ofd_set_lock(int fd, struct flock *lock) { return fcntl(fd, F_OFD_SETLK, lock); }
int cshims_ofd_get_lock(int fd, struct flock *lock) { return fcntl(fd, F_OFD_GETLK, lock); }
int cshims_errno(void) { return errno; }
const char *cshims_errno_name(int number) { return strerrorname_np(number); }
pid_t cshims_gettid(void) { return (pid_t)syscall(SYS_gettid); }
void cshims_set_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }
int cshims_timed_join(pthread_t thread, const struct timespec *deadline) {
    return pthread_timedjoin_np(thread, NULL, deadline);
}
int cshims_leave_descriptor_table(int kept) {
    if (unshare(CLONE_FILES) != 0) return -1;
    if (kept > 3) syscall(SYS_close_range, 3u, (unsigned)(kept - 1), 0u);
    syscall(SYS_close_range, kept >= 3 ? (unsigned)kept + 1u : 3u, ~0u, 0u);
    return 0;
}
static void nothing(int signal) { (void)signal; }
void cshims_make_interrupting(int signal) {
    struct sigaction action = {.sa_handler = nothing};
    sigaction(signal, &action, NULL);
}
int cshims_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
int cshims_next_signal(int fd) {
    struct signalfd_siginfo info;
    ssize_t count;
    do {
        count = read(fd, &info, sizeof info);
    } while (count < 0 && errno == EINTR);
    return count == sizeof info ? (int)info.ssi_signo : 0;
}
void cshims_ignore(int number) { signal(number, SIG_IGN); }
int cshims_is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
const char *cshims_signal_name(int number) { return sigabbrev_np(number); }

#ifndef LITEFS_COMMIT
#define LITEFS_COMMIT ""
#endif
const char *cshims_build_commit(void) { return LITEFS_COMMIT; }

int cshims_set_immutable(int fd, int is_immutable) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -1;
    flags = is_immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}
int cshims_is_open_for_writing(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return 0;
    }
    return errno == EAGAIN ? 1 : -1;
}
int cshims_identity(int fd, unsigned long long identity[4]) {
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) return -1;
    int generation = 0;
    if (ioctl(fd, FS_IOC_GETVERSION, &generation) != 0) generation = 0;
    identity[0] = status.stx_ino;
    identity[1] = status.stx_mask & STATX_BTIME ? (unsigned long long)status.stx_btime.tv_sec : 0;
    identity[2] = status.stx_mask & STATX_BTIME ? status.stx_btime.tv_nsec : 0;
    identity[3] = (unsigned)generation;
    return 0;
}
int cshims_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
int cshims_inotify(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }
int cshims_inotify_next_write(int fd, const char *path) { return inotify_add_watch(fd, path, IN_MODIFY | IN_ONESHOT); }
int cshims_inotify_watch(int fd, const char *path, unsigned mask) { return inotify_add_watch(fd, path, mask); }
int cshims_syncfs(int fd) { return syncfs(fd); }
int cshims_fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate(fd, mode, offset, length); }
int cshims_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return renameat2(from_directory, from, to_directory, to, flags);
}
int cshims_fsopen(const char *type, unsigned flags) { return (int)syscall(SYS_fsopen, type, flags); }
int cshims_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
    return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}
int cshims_fsmount(int fd, unsigned flags, unsigned attributes) {
    return (int)syscall(SYS_fsmount, fd, flags, attributes);
}
int cshims_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
    return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}
int cshims_unmount(const char *path, int lazily) { return umount2(path, lazily ? MNT_DETACH : 0); }
unsigned cshims_device_major(dev_t device) { return major(device); }
unsigned cshims_device_minor(dev_t device) { return minor(device); }
int cshims_exited(int status) { return WIFEXITED(status); }
int cshims_exit_status(int status) { return WEXITSTATUS(status); }
int cshims_term_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }
char **cshims_environment(void) { return environ; }

bool cshims_faults_flag = false;

struct backing_map { // struct fuse_backing_map
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};
int cshims_fuse_open_backing(int device, int file) {
    struct backing_map map = {.fd = file};
    return ioctl(device, _IOW(229, 1, struct backing_map), &map); // FUSE_DEV_IOC_BACKING_OPEN
}
int cshims_fuse_close_backing(int device, int backing) {
    uint32_t id = (uint32_t)backing;
    return ioctl(device, _IOW(229, 2, uint32_t), &id); // FUSE_DEV_IOC_BACKING_CLOSE
}

enum { most_descriptors = 16 };
long cshims_send_message(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    if (descriptor_count > most_descriptors) {
        errno = E2BIG;
        return -1;
    }
    union {
        char bytes[CMSG_SPACE(sizeof(int) * most_descriptors)];
        struct cmsghdr header;
    } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t length = sizeof(int) * (size_t)descriptor_count;
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(length);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(header), descriptors, length);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}
long cshims_receive_message(int socket, void *bytes, size_t capacity, int *descriptors, int *descriptor_count) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * most_descriptors)];
        struct cmsghdr header;
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    *descriptor_count = 0;
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (count < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t length = header->cmsg_len - CMSG_LEN(0);
        memcpy(descriptors, CMSG_DATA(header), length);
        *descriptor_count = (int)(length / sizeof(int));
    }
    return count;
}
int cshims_local_socket(int directory, const char *name, int listens) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int result = listens ? bind(fd, (struct sockaddr *)&address, sizeof address)
                         : connect(fd, (struct sockaddr *)&address, sizeof address);
    // Whoever can connect can have a program run.
    if (result == 0 && listens) result = chmod(address.sun_path, 0600);
    if (result == 0 && listens) result = listen(fd, 4);
    if (result == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}
int cshims_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
int cshims_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

int cshims_begin_writing(int fd, int64_t offset, int64_t count) {
    return sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE);
}
