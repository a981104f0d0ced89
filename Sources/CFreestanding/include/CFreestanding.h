#pragma once
#include <stddef.h>

// The heap of the canister: free lists by size class over memory that only grows.
// The same code runs natively under its own names, so that tests can work it.

/// Memory for `size` bytes aligned to 16, or NULL when there is no more.
void *freestanding_allocate(size_t size);

/// Memory aligned to `alignment`, a power of two.
void *freestanding_allocate_aligned(size_t alignment, size_t size);

/// Gives back what either function returned; NULL is ignored.
void freestanding_free(void *pointer);

/// Bytes taken from the system so far.
size_t freestanding_footprint(void);
