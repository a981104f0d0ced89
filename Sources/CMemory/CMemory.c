#include "CMemory.h"
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

void memory_return_buffers(void) {
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_ARENA_MAX, 2);
}

void memory_keep_buffers(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}
#else
void memory_return_buffers(void) {}
void memory_keep_buffers(void) {}
#endif
