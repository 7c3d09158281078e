#include "checksum.h"

#include <string.h>

/*
 * Each sum waits for the other one, which is two additions for eight bytes; everything else is arranged to
 * be off that path.
 */
#define SUM(load)                                       \
    for (; data < end; data += 8) {                     \
        uint32_t w0 = load(data), w1 = load(data + 4);  \
        s0 = (s0 + w0) + s1;                            \
        s1 = (s1 + w1) + s0;                            \
    }

static inline uint32_t load_le(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint32_t load_be(const uint8_t *bytes) {
    return __builtin_bswap32(load_le(bytes));
}

void cchecksum_wal_checksum(uint32_t state[2], const uint8_t *data, size_t length, int big_endian_words) {
    const uint8_t *end = data + (length & ~(size_t)7);
    uint32_t s0 = state[0], s1 = state[1];
    if (big_endian_words) {
        SUM(load_be)
    } else {
        SUM(load_le)
    }
    state[0] = s0;
    state[1] = s1;
}
