// The C functions that compiled Swift refers to, for the wasm build only.
// Swift's hashing (arc4random_buf), printing (putchar), fused multiply-add and half floats are left out on
// purpose: code that needs them must not be in the canister, and fails to link.
#ifdef __wasm__
#include "CFreestanding.h"

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
#endif
