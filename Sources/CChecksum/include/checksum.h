/*
 * The two checksums that litefs computes over every page: CRC-64/GO-ISO (LTX) and SQLite's WAL checksum.
 *
 * All functions are pure and may be called on any thread. None of them keeps a pointer. Buffers need no
 * alignment.
 */
#ifndef CCHECKSUM_H
#define CCHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CRC-64/GO-ISO: polynomial x^64 + x^4 + x^3 + x + 1, bits reflected, start value and final XOR all ones.
 * Check value: "123456789" gives b90956c775a41001.
 *
 * `crc` is the CRC of the bytes before `data`, 0 if there are none, so a message can be given in pieces.
 * The fastest kernel for this processor is chosen when the program starts.
 */
uint64_t cchecksum_crc64_iso_update(uint64_t crc, const void *data, size_t length);

/* The kernel with look-up tables, for every processor. Same contract; here so that tests can compare. */
uint64_t cchecksum_crc64_iso_update_slicing(uint64_t crc, const void *data, size_t length);

/*
 * The kernel with carry-less multiplication (PCLMULQDQ on x86-64, PMULL on arm64). Same contract. May be
 * called only if cchecksum_crc64_iso_has_clmul() is true.
 */
uint64_t cchecksum_crc64_iso_update_clmul(uint64_t crc, const void *data, size_t length);

/* Whether this processor has the carry-less multiplication. */
bool cchecksum_crc64_iso_has_clmul(void);

/*
 * The multipliers of the carry-less kernel, for tests that compute them again: two for a distance of
 * 128 bits, then two for 512 bits. crc64_iso_clmul.c derives them.
 */
extern const uint64_t cchecksum_crc64_iso_fold[4];

/*
 * SQLite's WAL checksum (SQLite file format, section 4.2): for each two 32-bit words w0, w1,
 *
 *     s0 += w0 + s1;  s1 += w1 + s0;    (modulo 2^32)
 *
 * `state` is {s0, s1}, before and after. `length` is in bytes; a remainder modulo 8 is not read. Words are
 * big-endian if `big_endian_words` is not 0 (WAL magic 377f0683), else little-endian (377f0682).
 */
void cchecksum_wal_checksum(uint32_t state[2], const uint8_t *data, size_t length, int big_endian_words);

#endif
