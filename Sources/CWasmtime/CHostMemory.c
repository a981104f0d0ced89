#define _GNU_SOURCE
#include "CHostMemory.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Kernel interface (include/uapi/linux/fs.h), declared here because distribution headers may be older than the kernel.
struct page_region { uint64_t start, end, categories; };
struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_REQUEST _IOWR('f', 16, struct pm_scan_arg)
enum { FILE_BACKED = 1 << 2, PRESENT = 1 << 3, SWAPPED = 1 << 4, ZERO_PAGE = 1 << 5 };
enum { PAGE = 4096 };

int chost_memfd(const char *name) { return (int)syscall(SYS_memfd_create, name, 1u /* close on exec */); }

int chost_copy_pages(void *start, size_t size) {
    enum { POPULATE_WRITE = 23 };
    if (madvise(start, size, POPULATE_WRITE) == 0) return 0;
    if (errno != EINVAL) return -1;
    // Before Linux 5.14: exchanging a byte for itself takes the copy fault and loses no concurrent write.
    for (size_t offset = 0; offset < size; offset += PAGE) {
        volatile unsigned char *byte = (volatile unsigned char *)start + offset;
        unsigned char value = *byte;
        while (!__atomic_compare_exchange_n(byte, &value, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    }
    return 0;
}

static long scan_bits(int pagemap, uint64_t start, uint64_t end, chost_range_t *ranges, size_t capacity, uint64_t *next) {
    uint64_t entries[512];
    size_t count = 0;
    for (uint64_t at = start; at < end;) {
        uint64_t pages = (end - at) / PAGE < 512 ? (end - at) / PAGE : 512;
        ssize_t got = pread(pagemap, entries, pages * 8, (off_t)(at / PAGE * 8));
        if (got < 8) return -1;
        pages = (uint64_t)got / 8;
        for (uint64_t i = 0; i < pages; i++, at += PAGE) {
            int present = entries[i] >> 63 & 1, swapped = entries[i] >> 62 & 1, file = entries[i] >> 61 & 1;
            if (!swapped && (!present || file)) continue;
            if (count && ranges[count - 1].end_byte == at) {
                ranges[count - 1].end_byte = at + PAGE;
            } else if (count == capacity) {
                *next = at;
                return (long)count;
            } else {
                ranges[count++] = (chost_range_t){at, at + PAGE};
            }
        }
    }
    *next = end;
    return (long)count;
}

long chost_written_pages(int pagemap, uint64_t start, uint64_t end, chost_range_t *ranges, size_t capacity, uint64_t *next) {
    struct page_region found[256];
    struct pm_scan_arg scan;
    memset(&scan, 0, sizeof scan);
    scan.size = sizeof scan;
    scan.start = start;
    scan.end = end;
    scan.vec = (uint64_t)(uintptr_t)found;
    scan.vec_len = capacity < 256 ? capacity : 256;
    // Present or swapped, and neither file-backed nor the shared zero page.
    scan.category_inverted = FILE_BACKED | ZERO_PAGE;
    scan.category_mask = FILE_BACKED | ZERO_PAGE;
    scan.category_anyof_mask = PRESENT | SWAPPED;
    scan.return_mask = PRESENT;
    int count = ioctl(pagemap, PAGEMAP_SCAN_REQUEST, &scan);
    if (count < 0) return scan_bits(pagemap, start, end, ranges, capacity, next);
    for (int i = 0; i < count; i++) ranges[i] = (chost_range_t){found[i].start, found[i].end};
    *next = scan.walk_end;
    return count;
}
