/*
 * CRC-64/GO-ISO with look-up tables, and the choice of the kernel.
 *
 * Slicing by 16: table[k][b] is the CRC contribution of byte b followed by k zero bytes. Sixteen look-ups,
 * none of which waits for another, take sixteen bytes at once.
 */
#include "checksum.h"

#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernels read words in little-endian byte order"
#endif

/* The polynomial without x^64, lowest power in the highest bit. */
#define POLYNOMIAL 0xD800000000000000ULL

typedef uint64_t update_function(uint64_t crc, const void *data, size_t length);

static uint64_t table[16][256];
static update_function *fastest = cchecksum_crc64_iso_update_slicing;

/* Runs before main, hence before any thread could read what it writes. */
__attribute__((constructor)) static void prepare(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
        }
        table[0][byte] = crc;
    }
    for (int zeros = 1; zeros < 16; zeros++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t before = table[zeros - 1][byte];
            table[zeros][byte] = (before >> 8) ^ table[0][before & 0xff];
        }
    }
    if (cchecksum_crc64_iso_has_clmul()) {
        fastest = cchecksum_crc64_iso_update_clmul;
    }
}

static inline uint64_t load64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The contribution of eight bytes that are followed by `zeros` bytes. */
static inline uint64_t look_up8(uint64_t word, int zeros) {
    uint64_t crc = 0;
    for (int byte = 0; byte < 8; byte++) {
        crc ^= table[zeros + 7 - byte][(word >> (8 * byte)) & 0xff];
    }
    return crc;
}

uint64_t cchecksum_crc64_iso_update_slicing(uint64_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    crc = ~crc;
    for (; length >= 16; length -= 16, bytes += 16) {
        crc = look_up8(load64(bytes) ^ crc, 8) ^ look_up8(load64(bytes + 8), 0);
    }
    if (length >= 8) {
        crc = look_up8(load64(bytes) ^ crc, 0);
        length -= 8;
        bytes += 8;
    }
    for (; length > 0; length--, bytes++) {
        crc = (crc >> 8) ^ table[0][(crc ^ *bytes) & 0xff];
    }
    return ~crc;
}

uint64_t cchecksum_crc64_iso_update(uint64_t crc, const void *data, size_t length) {
    return fastest(crc, data, length);
}
