#include "CFreestanding.h"
#include <stdint.h>

// A block is a 16-byte header and a payload whose size is that of its class. Classes step by 16 bytes up to 256,
// then by an eighth of a power of two: at most 12.5 % of a block is wasted. A freed block goes to the list of
// its class and serves the next request of that class, or of a slightly smaller one.

enum { unit = 16, linear = 256 / unit, steps = 8, classes = linear + steps * 24 };

typedef struct Header {
    uint32_t size_class;
    uint32_t back;         // bytes from the start of the block to this header (more than 0 when over-aligned)
    struct Header *next;   // while on a free list
#if __SIZEOF_POINTER__ == 4
    uint32_t unused;
#endif
} Header;

_Static_assert(sizeof(Header) == unit, "the header keeps payloads aligned");

static Header *free_lists[classes];
static uintptr_t heap_next, heap_end;

#ifdef __wasm__
extern unsigned char __heap_base;

static int extend(size_t bytes) {
    if (heap_next == 0) {
        heap_next = ((uintptr_t)&__heap_base + unit - 1) & ~(uintptr_t)(unit - 1);
        heap_end = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
        if (bytes <= heap_end - heap_next) return 1;
    }
    size_t pages = (bytes - (heap_end - heap_next) + 0xffff) >> 16;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return 0;
    heap_end += pages << 16;
    return 1;
}

size_t freestanding_footprint(void) { return __builtin_wasm_memory_size(0) << 16; }
#else
#include <sys/mman.h>

enum { native_limit = 1 << 28 };
static uintptr_t heap_start;

static int extend(size_t bytes) {
    if (heap_start != 0) return 0;
    void *memory = mmap(0, native_limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return 0;
    heap_start = heap_next = (uintptr_t)memory;
    heap_end = heap_start + native_limit;
    return bytes <= native_limit;
}

size_t freestanding_footprint(void) { return heap_next - heap_start; }
#endif

/// The class of a payload, and through `size` the payload of that class; `classes` when too big.
static unsigned class_of(size_t bytes, size_t *size) {
    if (bytes <= 256) {
        unsigned index = bytes == 0 ? 0 : (unsigned)((bytes - 1) / unit);
        *size = (index + 1) * (size_t)unit;
        return index;
    }
    if (bytes > (size_t)0x7fff0000) return classes;
    unsigned power = 31 - (unsigned)__builtin_clz((uint32_t)(bytes - 1));  // 2^power < bytes <= 2^(power + 1)
    size_t step = (size_t)1 << (power - 3);
    unsigned part = (unsigned)((bytes - 1 - ((size_t)1 << power)) / step);
    *size = ((size_t)1 << power) + (part + 1) * step;
    return linear + (power - 8) * steps + part;
}

void *freestanding_allocate(size_t bytes) {
    size_t size;
    unsigned size_class = class_of(bytes, &size);
    if (size_class >= classes) return 0;
    // A small request takes its own class only; a big one also the blocks up to a half larger.
    unsigned last = size_class < linear + steps * 4 ? size_class : size_class + steps / 2;
    for (unsigned index = size_class; index <= last && index < classes; index++) {
        Header *block = free_lists[index];
        if (block == 0) continue;
        free_lists[index] = block->next;
        return block + 1;
    }
    size_t total = size + sizeof(Header);
    if (total > heap_end - heap_next && !extend(total)) return 0;
    Header *block = (Header *)heap_next;
    heap_next += total;
    block->size_class = size_class;
    block->back = 0;
    return block + 1;
}

void *freestanding_allocate_aligned(size_t alignment, size_t bytes) {
    if (alignment <= unit) return freestanding_allocate(bytes);
    if (bytes > (size_t)0x7fff0000) return 0;
    char *block = freestanding_allocate(bytes + alignment);
    if (block == 0) return 0;
    uintptr_t aligned = ((uintptr_t)block + alignment - 1) & ~(uintptr_t)(alignment - 1);
    size_t shift = aligned - (uintptr_t)block;
    if (shift != 0) ((Header *)aligned - 1)->back = (uint32_t)shift;
    return (void *)aligned;
}

void freestanding_free(void *pointer) {
    if (pointer == 0) return;
    Header *header = (Header *)pointer - 1;
    if (header->back != 0) header = (Header *)((char *)header - header->back);
    header->next = free_lists[header->size_class];
    free_lists[header->size_class] = header;
}
