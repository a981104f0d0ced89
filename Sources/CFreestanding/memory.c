// The C functions that compiled Swift refers to, for the wasm build only.
// Swift's hashing (arc4random_buf), printing (putchar), fused multiply-add and half floats are left out on
// purpose: code that needs them must not be in the canister, and fails to link.
#ifdef __wasm__
#include "CFreestanding.h"
#include <stdint.h>

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    *pointer = freestanding_allocate_aligned(alignment, size);
    return *pointer == 0 ? 12 : 0;
}

void *malloc(size_t size) { return freestanding_allocate(size); }
void free(void *pointer) { freestanding_free(pointer); }

// Bulk-memory instructions, not calls of these functions themselves.
void *memcpy(void *restrict to, const void *restrict from, size_t size) { return __builtin_memcpy(to, from, size); }
void *memmove(void *to, const void *from, size_t size) { return __builtin_memmove(to, from, size); }
void *memset(void *to, int byte, size_t size) { return __builtin_memset(to, byte, size); }

// Overflow-checked 64-bit products are formed in 128 bits. Schoolbook on halves of the low words; what the high
// words add is only needed modulo 2^64.
__int128 __multi3(__int128 a, __int128 b) {
    uint64_t a_low = (uint64_t)a, b_low = (uint64_t)b;
    uint64_t a0 = a_low & 0xffffffff, a1 = a_low >> 32, b0 = b_low & 0xffffffff, b1 = b_low >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32);
    uint64_t cross = a0 * b1 + (middle & 0xffffffff);
    uint64_t high = a1 * b1 + (middle >> 32) + (cross >> 32);
    high += (uint64_t)(a >> 64) * b_low + a_low * (uint64_t)(b >> 64);
    return (__int128)((unsigned __int128)high << 64 | (cross << 32 | (low & 0xffffffff)));
}
#endif
