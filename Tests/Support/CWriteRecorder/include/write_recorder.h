// What a process changes on one file system, and what it syncs there, in the order in which it happens.
//
// Loaded with LD_PRELOAD, the library stands before the C library's calls that change files. Each one that succeeds on the
// file system whose root is LITEFS_RECORD_ROOT is added to the file LITEFS_RECORD_LOG, which lies elsewhere; several
// processes may add to it one after the other. One lock holds the call and its record together, so the order of records is
// the order of effects. Nobody but the recorded process may change the file system meanwhile.
//
// Files are told apart by their inode, never by descriptor: threads with a descriptor table of their own have numbers of
// their own. Paths must be absolute. Not recorded, because nothing here uses them: links, writev, memory mappings, and
// calls that bypass the C library.
#pragma once

#include <stdint.h>

/// What a record is about.
enum write_recorder_kind {
    /// A process begins to record; `node` is the root folder.
    write_recorder_begin = 1,
    /// File `node` was made as `name` in `folder`.
    write_recorder_create,
    /// Folder `node` was made as `name` in `folder`.
    write_recorder_make_folder,
    /// `bytes` were written to `node` at `offset`.
    write_recorder_write,
    /// `node` got the size `offset`.
    write_recorder_set_size,
    /// `node` has at least the size `offset` (fallocate).
    write_recorder_extend,
    /// `name` was removed from `folder`.
    write_recorder_remove,
    /// `name` in `folder` became `new_name` in `new_folder`.
    write_recorder_rename,
    /// `node`, a file or folder, was synced; with `offset` 1 only its data and size (fdatasync).
    write_recorder_sync,
    /// Everything was synced (syncfs).
    write_recorder_sync_all,
};

/// Precedes each record: `name`, `new_name` and the bytes written follow without padding. All in the machine's byte order.
struct write_recorder_header {
    uint32_t kind;
    uint32_t name_length;
    uint32_t new_name_length;
    uint32_t byte_count;
    /// CLOCK_MONOTONIC before the call, in nanoseconds.
    int64_t time;
    uint64_t node;
    uint64_t folder;
    uint64_t new_folder;
    int64_t offset;
    /// Time of the last change of `node` after the call, in nanoseconds since 1970.
    int64_t modified;
};
