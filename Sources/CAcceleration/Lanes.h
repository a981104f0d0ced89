#ifndef DEAI_LANES_H
#define DEAI_LANES_H

#include "CAcceleration.h"
#include "Targets.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")


#define SPLAT4(x) x, x, x, x
#define splat16(x) ((v16){SPLAT4(x), SPLAT4(x), SPLAT4(x), SPLAT4(x)})

// Sum of sixteen numbers, always in the same order; vectors must not be arguments, whose passing depends on the machine.
INLINE float total(float *v) {
    for (int step = 8; step >= 1; step /= 2)
        for (int lane = 0; lane < step; lane++) v[lane] += v[lane + step];
    return v[0];
}

#endif
