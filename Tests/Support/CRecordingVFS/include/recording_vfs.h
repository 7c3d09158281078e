/*
 * A SQLite VFS that tells what SQLite is about to write, and otherwise is the default VFS.
 *
 * The callback comes before the operation. If it does not return SQLITE_OK, the operation is not carried out and SQLite
 * gets that code. Calls come on the thread that runs the statement.
 */
#ifndef RECORDING_VFS_H
#define RECORDING_VFS_H

#include <stdint.h>

enum recording_vfs_file {
    RECORDING_VFS_OTHER,
    RECORDING_VFS_DATABASE,
    RECORDING_VFS_JOURNAL,
    RECORDING_VFS_WAL,
};

enum recording_vfs_operation {
    RECORDING_VFS_WRITE,    /* offset, bytes, count */
    RECORDING_VFS_TRUNCATE, /* offset: new size */
    RECORDING_VFS_SYNC,
    RECORDING_VFS_DELETE,
};

typedef int (*recording_vfs_callback)(
    void *context, int operation, int file, int64_t offset, const void *bytes, int64_t count
);

typedef struct recording_vfs recording_vfs;

/* Registers a VFS under `name`. Returns NULL without memory. `context` must live until it is removed. */
recording_vfs *recording_vfs_add(const char *name, recording_vfs_callback callback, void *context);

/* Removes and frees it. No connection may use it any more. */
void recording_vfs_remove(recording_vfs *vfs);

#endif
