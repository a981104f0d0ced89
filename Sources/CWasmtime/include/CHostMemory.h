// What the copy-on-write heaps need of Linux that Swift cannot import: variadic ioctl, memfd, page states.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t first_byte, end_byte; } chost_range_t;

/// Anonymous file in memory; -1 and errno on failure.
int chost_memfd(const char *name);

/// Ranges of privately written pages in [start, end) of this process, by the PAGEMAP_SCAN ioctl (Linux 6.7) or else
/// from the page map's bits. Returns the number of ranges, at most `capacity`; `*next` is where to go on, `end` when done.
/// -1 when the page map cannot be read: then every page counts as possibly written.
long chost_written_pages(int pagemap, uint64_t start, uint64_t end, chost_range_t *ranges, size_t capacity, uint64_t *next);

/// Gives this mapping its own copy of the pages in [start, start + size); 0, or -1 and errno.
int chost_copy_pages(void *start, size_t size);
