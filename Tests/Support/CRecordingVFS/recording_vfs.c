#include "recording_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct recording_vfs {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    recording_vfs_callback callback;
    void *context;
    char *name;
};

/* The real file lies behind it. */
typedef struct {
    sqlite3_file base;
    recording_vfs *owner;
    int kind;
} recorded_file;

static sqlite3_file *real_file(sqlite3_file *file) {
    return (sqlite3_file *)((char *)file + sizeof(recorded_file));
}

static int tell(recording_vfs *owner, int operation, int kind, int64_t offset, const void *bytes, int64_t count) {
    if (kind == RECORDING_VFS_OTHER) return SQLITE_OK;
    return owner->callback(owner->context, operation, kind, offset, bytes, count);
}

static int kind_of_name(const char *name) {
    size_t length = strlen(name);
    if (length >= 8 && strcmp(name + length - 8, "-journal") == 0) return RECORDING_VFS_JOURNAL;
    if (length >= 4 && strcmp(name + length - 4, "-wal") == 0) return RECORDING_VFS_WAL;
    return RECORDING_VFS_DATABASE;
}

static int file_close(sqlite3_file *file) {
    sqlite3_file *real = real_file(file);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xRead(real, bytes, count, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    recorded_file *recorded = (recorded_file *)file;
    sqlite3_file *real = real_file(file);
    int code = tell(recorded->owner, RECORDING_VFS_WRITE, recorded->kind, offset, bytes, count);
    return code ? code : real->pMethods->xWrite(real, bytes, count, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    recorded_file *recorded = (recorded_file *)file;
    sqlite3_file *real = real_file(file);
    int code = tell(recorded->owner, RECORDING_VFS_TRUNCATE, recorded->kind, size, NULL, 0);
    return code ? code : real->pMethods->xTruncate(real, size);
}

static int file_sync(sqlite3_file *file, int flags) {
    recorded_file *recorded = (recorded_file *)file;
    sqlite3_file *real = real_file(file);
    int code = tell(recorded->owner, RECORDING_VFS_SYNC, recorded->kind, 0, NULL, 0);
    return code ? code : real->pMethods->xSync(real, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xFileSize(real, size);
}

static int file_lock(sqlite3_file *file, int level) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xUnlock(real, level);
}

static int file_check_reserved(sqlite3_file *file, int *result) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xCheckReservedLock(real, result);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xFileControl(real, operation, argument);
}

static int file_sector_size(sqlite3_file *file) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **memory) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xShmMap(real, region, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
    sqlite3_file *real = real_file(file);
    real->pMethods->xShmBarrier(real);
}

static int file_shm_unmap(sqlite3_file *file, int remove) {
    sqlite3_file *real = real_file(file);
    return real->pMethods->xShmUnmap(real, remove);
}

/* Version 2: without memory-mapped reads of the database, which write nothing. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    recording_vfs *owner = (recording_vfs *)vfs;
    recorded_file *recorded = (recorded_file *)file;
    sqlite3_file *real = real_file(file);
    memset(recorded, 0, sizeof *recorded);
    recorded->owner = owner;
    recorded->kind = RECORDING_VFS_OTHER;
    if (flags & SQLITE_OPEN_MAIN_DB) recorded->kind = RECORDING_VFS_DATABASE;
    if (flags & SQLITE_OPEN_MAIN_JOURNAL) recorded->kind = RECORDING_VFS_JOURNAL;
    if (flags & SQLITE_OPEN_WAL) recorded->kind = RECORDING_VFS_WAL;
    real->pMethods = NULL;
    int code = owner->real->xOpen(owner->real, name, real, flags, out_flags);
    if (real->pMethods) recorded->base.pMethods = &methods;
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory) {
    recording_vfs *owner = (recording_vfs *)vfs;
    int code = tell(owner, RECORDING_VFS_DELETE, kind_of_name(name), 0, NULL, 0);
    return code ? code : owner->real->xDelete(owner->real, name, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xAccess(owner->real, name, flags, result);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *path) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xFullPathname(owner->real, name, size, path);
}

static int vfs_randomness(sqlite3_vfs *vfs, int count, char *bytes) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xRandomness(owner->real, count, bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xSleep(owner->real, microseconds);
}

static int vfs_last_error(sqlite3_vfs *vfs, int count, char *text) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xGetLastError(owner->real, count, text);
}

static int vfs_current_time(sqlite3_vfs *vfs, sqlite3_int64 *time) {
    recording_vfs *owner = (recording_vfs *)vfs;
    return owner->real->xCurrentTimeInt64(owner->real, time);
}

recording_vfs *recording_vfs_add(const char *name, recording_vfs_callback callback, void *context) {
    if (sqlite3_initialize() != SQLITE_OK) return NULL;
    recording_vfs *owner = calloc(1, sizeof *owner);
    if (!owner) return NULL;
    owner->real = sqlite3_vfs_find(NULL);
    owner->callback = callback;
    owner->context = context;
    owner->name = strdup(name);
    owner->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(recorded_file) + owner->real->szOsFile,
        .mxPathname = owner->real->mxPathname,
        .zName = owner->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_current_time,
    };
    if (!owner->name || sqlite3_vfs_register(&owner->vfs, 0) != SQLITE_OK) {
        free(owner->name);
        free(owner);
        return NULL;
    }
    return owner;
}

void recording_vfs_remove(recording_vfs *owner) {
    if (!owner) return;
    sqlite3_vfs_unregister(&owner->vfs);
    free(owner->name);
    free(owner);
}
