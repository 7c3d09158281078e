#pragma once

// Atomic access to words in memory that other processes map too (SQLite's wal-index).
//
// Swift's own atomics own their storage, so they cannot name a word inside a mapping. Each function takes
// the address of an aligned word; the caller keeps the mapping alive. They never block and have no errors.

#include <stdatomic.h>
#include <stdint.h>

/// Stores a 16-bit word; what was written before is visible to a reader that sees it with acquire.
static inline void cshims_store_release_u16(void *word, uint16_t value) {
    atomic_store_explicit((_Atomic(uint16_t) *)word, value, memory_order_release);
}

/// Loads a 16-bit word; what is read after it is at least as new.
static inline uint16_t cshims_load_acquire_u16(const void *word) {
    return atomic_load_explicit((const _Atomic(uint16_t) *)word, memory_order_acquire);
}

/// Loads a 32-bit word without ordering.
static inline uint32_t cshims_load_relaxed_u32(const void *word) {
    return atomic_load_explicit((const _Atomic(uint32_t) *)word, memory_order_relaxed);
}

/// Stores a 32-bit word without ordering.
static inline void cshims_store_relaxed_u32(void *word, uint32_t value) {
    atomic_store_explicit((_Atomic(uint32_t) *)word, value, memory_order_relaxed);
}

/// Loads a 32-bit word; what is read after it is at least as new.
static inline uint32_t cshims_load_acquire_u32(const void *word) {
    return atomic_load_explicit((const _Atomic(uint32_t) *)word, memory_order_acquire);
}

/// Stores a 32-bit word; what was written before is visible to a reader that sees it with acquire.
static inline void cshims_store_release_u32(void *word, uint32_t value) {
    atomic_store_explicit((_Atomic(uint32_t) *)word, value, memory_order_release);
}

/// Stores a 64-bit word; what was written before is visible to a reader that sees it with acquire.
static inline void cshims_store_release_u64(void *word, uint64_t value) {
    atomic_store_explicit((_Atomic(uint64_t) *)word, value, memory_order_release);
}

/// Loads a 64-bit word; what is read after it is at least as new.
static inline uint64_t cshims_load_acquire_u64(const void *word) {
    return atomic_load_explicit((const _Atomic(uint64_t) *)word, memory_order_acquire);
}

/// Orders all loads and stores before it against all after it, in every process.
static inline void cshims_full_barrier(void) {
    atomic_thread_fence(memory_order_seq_cst);
}
