#ifndef DEAI_LANES_H
#define DEAI_LANES_H

#include "CAcceleration.h"
#include "Targets.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")


#define SPLAT4(x) x, x, x, x
#define splat16(x) ((v16){SPLAT4(x), SPLAT4(x), SPLAT4(x), SPLAT4(x)})

// How many of the remaining filters the next tile takes: six fill the registers, two or one would leave them empty.
INLINE int tile_width(int rest) { return rest == 8 ? 4 : rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }

// Calls a statement with `width` as a constant.
#define WITH_WIDTH(width, call) \
    switch (width) { \
    case 6: { enum { filters = 6 }; call; break; } \
    case 4: { enum { filters = 4 }; call; break; } \
    case 2: { enum { filters = 2 }; call; break; } \
    default: { enum { filters = 1 }; call; break; } \
    }

// Sum of sixteen numbers, always in the same order. Not a vector argument: how those are passed depends on the machine.
INLINE float total(float *v) {
    for (int step = 8; step >= 1; step /= 2)
        for (int lane = 0; lane < step; lane++) v[lane] += v[lane + step];
    return v[0];
}

// Sums of dy over images, rows and columns.
INLINE void bias_gradient(
    const deai_lane_convolution *c, const float *dy, float *bias, int adding, int first_group, int end_group) {
    for (int f = 0; f < c->filters; f++) {
        v16 even = {0}, odd = {0};
        for (int group = first_group; group < end_group; group++)
            for (int i = 0; i < c->output_height; i++) {
                const float *slope = dy + group * c->y.group + f * c->y.plane + i * c->y.row;
                int j = 0;
                for (; j + 2 <= c->output_width; j += 2) {
                    even += *(const v16 *)(slope + j * 16);
                    odd += *(const v16 *)(slope + j * 16 + 16);
                }
                if (j < c->output_width) even += *(const v16 *)(slope + j * 16);
            }
        float lanes[16];
        *(v16 *)lanes = even + odd;
        bias[f] = adding ? bias[f] + total(lanes) : total(lanes);
    }
}

#endif
