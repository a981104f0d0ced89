#include <sys/mman.h>

#include "CAcceleration.h"

void deai_prefer_large_pages(void *memory, size_t bytes) { madvise(memory, bytes, MADV_HUGEPAGE); }
