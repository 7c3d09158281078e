/*
 * CRC-64/GO-ISO with carry-less multiplication.
 *
 * Bits are reflected, so a 128-bit block that is read from memory is a polynomial whose highest power,
 * x^127, is bit 0. Its low half L holds the powers 64 and above, its high half H the rest:
 *
 *     block = L(x) * x^64 + H(x)
 *
 * The CRC is a remainder modulo P(x) = x^64 + x^4 + x^3 + x + 1, so a block may be replaced by anything that
 * is congruent. Folding it over a distance of d bits moves it to where the block d bits later lies:
 *
 *     block * x^d  =  L * (x^(d+64) mod P) + H * (x^d mod P)        (modulo P)
 *
 * and there it is added (XOR) to the block that comes from memory. The product of two reflected 64-bit values
 * has 127 bits, the highest power in bit 0, which as a 128-bit block reads as the product times x. Therefore
 * the multipliers have one power less:
 *
 *     low:  reflect64(x^(d+63) mod P)        high:  reflect64(x^(d-1) mod P)
 *
 * Four blocks are folded side by side over d = 512, to hide the latency of the multiplication; the end of
 * the message over d = 128. The last block is congruent to the whole message before it, so its CRC,
 * computed by table from a register of zero, is the register that belongs to the message.
 */
#include "checksum.h"

#include <string.h>

#define FOLD_128_LOW 0x6B70000000000001ULL
#define FOLD_128_HIGH 0xF500000000000001ULL
#define FOLD_512_LOW 0x01B001B1B0000001ULL
#define FOLD_512_HIGH 0xB100010100000001ULL

const uint64_t cchecksum_crc64_iso_fold[4] = {FOLD_128_LOW, FOLD_128_HIGH, FOLD_512_LOW, FOLD_512_HIGH};

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define CLMUL __attribute__((target("sse2,pclmul")))

typedef __m128i block;

bool cchecksum_crc64_iso_has_clmul(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_PCLMUL);
}

CLMUL static inline block make(uint64_t low, uint64_t high) {
    return _mm_set_epi64x((long long)high, (long long)low);
}

CLMUL static inline block load(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)bytes);
}

CLMUL static inline void store(uint8_t *bytes, block value) {
    _mm_storeu_si128((__m128i *)bytes, value);
}

CLMUL static inline block add(block a, block b) {
    return _mm_xor_si128(a, b);
}

CLMUL static inline block fold(block value, block multipliers) {
    return add(_mm_clmulepi64_si128(value, multipliers, 0x00), _mm_clmulepi64_si128(value, multipliers, 0x11));
}

#elif defined(__aarch64__) && defined(__linux__)

#include <arm_neon.h>
#include <sys/auxv.h>

/* HWCAP_PMULL of the kernel's <asm/hwcap.h>. */
#define CAPABILITY_PMULL (1UL << 4)

#define CLMUL __attribute__((target("aes")))

typedef uint64x2_t block;

bool cchecksum_crc64_iso_has_clmul(void) {
    return (getauxval(AT_HWCAP) & CAPABILITY_PMULL) != 0;
}

CLMUL static inline block make(uint64_t low, uint64_t high) {
    return vcombine_u64(vcreate_u64(low), vcreate_u64(high));
}

CLMUL static inline block load(const uint8_t *bytes) {
    return vreinterpretq_u64_u8(vld1q_u8(bytes));
}

CLMUL static inline void store(uint8_t *bytes, block value) {
    vst1q_u8(bytes, vreinterpretq_u8_u64(value));
}

CLMUL static inline block add(block a, block b) {
    return veorq_u64(a, b);
}

CLMUL static inline block fold(block value, block multipliers) {
    poly64x2_t v = vreinterpretq_p64_u64(value), m = vreinterpretq_p64_u64(multipliers);
    poly128_t low = vmull_p64(vgetq_lane_p64(v, 0), vgetq_lane_p64(m, 0));
    poly128_t high = vmull_high_p64(v, m);
    return add(vreinterpretq_u64_p128(low), vreinterpretq_u64_p128(high));
}

#else
#define NO_CLMUL
#endif

#ifdef NO_CLMUL

bool cchecksum_crc64_iso_has_clmul(void) {
    return false;
}

uint64_t cchecksum_crc64_iso_update_clmul(uint64_t crc, const void *data, size_t length) {
    return cchecksum_crc64_iso_update_slicing(crc, data, length);
}

#else

CLMUL uint64_t cchecksum_crc64_iso_update_clmul(uint64_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    if (length < 64) {
        return cchecksum_crc64_iso_update_slicing(crc, bytes, length);
    }

    /* The register before the message is added to its first 64 bits. */
    block x0 = add(load(bytes), make(~crc, 0));
    block x1 = load(bytes + 16), x2 = load(bytes + 32), x3 = load(bytes + 48);
    bytes += 64;
    length -= 64;

    const block over512 = make(FOLD_512_LOW, FOLD_512_HIGH);
    for (; length >= 64; length -= 64, bytes += 64) {
        x0 = add(fold(x0, over512), load(bytes));
        x1 = add(fold(x1, over512), load(bytes + 16));
        x2 = add(fold(x2, over512), load(bytes + 32));
        x3 = add(fold(x3, over512), load(bytes + 48));
    }

    const block over128 = make(FOLD_128_LOW, FOLD_128_HIGH);
    x1 = add(fold(x0, over128), x1);
    x2 = add(fold(x1, over128), x2);
    x3 = add(fold(x2, over128), x3);
    for (; length >= 16; length -= 16, bytes += 16) {
        x3 = add(fold(x3, over128), load(bytes));
    }

    /* The table kernel inverts the register on both sides: ~0 in is a register of zero. */
    uint8_t last[16];
    store(last, x3);
    crc = cchecksum_crc64_iso_update_slicing(~0ULL, last, sizeof last);
    return cchecksum_crc64_iso_update_slicing(crc, bytes, length);
}

#endif
