#ifndef DEAI_TARGETS_H
#define DEAI_TARGETS_H

#include <stdint.h>

#if defined(__x86_64__)
#define DEAI_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DEAI_CLONES
#endif

// Sixteen numbers at any address; the compiler splits them where registers are narrower.
typedef float v16 __attribute__((vector_size(64), aligned(4)));
typedef int32_t i16x __attribute__((vector_size(64), aligned(4)));
typedef uint8_t b16 __attribute__((vector_size(16), aligned(1)));

#define SELECT(mask, a, b) ((v16)(((mask) & (i16x)(a)) | (~(mask) & (i16x)(b))))

#endif
