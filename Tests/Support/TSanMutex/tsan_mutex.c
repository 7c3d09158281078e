/*
 * Tells ThreadSanitizer what it cannot see: that a contended Synchronization.Mutex was taken, or given back.
 *
 * Taking a free mutex and giving back one that nobody waits for are exchanges that are inlined into our code, so the
 * sanitizer sees them. When somebody else has the mutex, or waits for it, taking and giving back are in the runtime
 * library's _lockSlow and _unlockSlow, which are not instrumented, and in the kernel (a futex with priority inheritance): to
 * the sanitizer, whoever waited goes on without an order to the one who gave back, and all that the mutex guards looks like
 * a race. Nothing is suppressed here: the order that there is, is stated where it is made.
 *
 * Preloaded by scripts/sanitize thread; no part of the daemon. The names are those of Synchronization._MutexHandle's
 * _lockSlow(UInt32) and _unlockSlow().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *mutex

typedef SWIFT void (*lock_slow)(uint32_t thread, SELF);
typedef SWIFT void (*unlock_slow)(SELF);

extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

static void *original(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) abort();
    return function;
}

/* The word of the mutex is its first; the sanitizer keeps what was released there under its address. */

SWIFT void $s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF(uint32_t thread, SELF) {
    ((lock_slow)original("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"))(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT void $s15Synchronization12_MutexHandleV11_unlockSlowyyF(SELF) {
    if (__tsan_release) __tsan_release(mutex);
    ((unlock_slow)original("$s15Synchronization12_MutexHandleV11_unlockSlowyyF"))(mutex);
}
