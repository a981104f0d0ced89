#include "CMemory.h"
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

void memory_share_buffers(void) {
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_ARENA_MAX, 1);
}

void memory_keep_buffers(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}
#else
void memory_share_buffers(void) {}
void memory_keep_buffers(void) {}
#endif
