#ifndef DEAI_FILTER_SUMS_H
#define DEAI_FILTER_SUMS_H

#include "Lanes.h"

// Gradients of filters are sums over images, which stand in the lanes. Slopes are turned so that filters stand there
// instead: then the sums are products of matrices, and no lanes are added.

// Lane i of vector j becomes lane j of vector i: lanes and vectors `step` apart change places, four times.
INLINE void transpose(v16 v[16]) {
#define EXCHANGE(step, first, second) \
    UNROLL for (int i = 0; i < 16; i++) \
        if (!(i & step)) { \
            const v16 a = v[i], b = v[i + step]; \
            v[i] = __builtin_shufflevector(a, b, LIST first); \
            v[i + step] = __builtin_shufflevector(a, b, LIST second); \
        }
#define LIST(...) __VA_ARGS__
    EXCHANGE(8, (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
             (8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    EXCHANGE(4, (0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
             (4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    EXCHANGE(2, (0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
             (2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    EXCHANGE(1, (0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
             (1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#undef EXCHANGE
#undef LIST
}

// `count` vectors (then zeros) that are `plane` apart, turned: sixteen vectors `width` apart. Of slopes at a place, a vector
// of filters for each image.
INLINE void turn(const float *dy, ptrdiff_t plane, int count, float *out, ptrdiff_t width) {
    v16 v[16];
    if (count >= 16)
        UNROLL for (int f = 0; f < 16; f++) v[f] = *(const v16 *)(dy + f * plane);
    else
        UNROLL for (int f = 0; f < 16; f++) v[f] = f < count ? *(const v16 *)(dy + f * plane) : (v16){0};
    transpose(v);
    UNROLL for (int n = 0; n < 16; n++) *(v16 *)(out + n * width) = v[n];
}

// s[row][filter] += Σ over places and images of v[row] z[filter], for some rows and one or two vectors of filters. Row r of v
// begins at offsets[r], places of it are `step` floats apart, those of z `16 * width`.
INLINE void multiply_block(
    const float *v, const ptrdiff_t *offsets, ptrdiff_t step, int places, const float *z, ptrdiff_t width, float *s,
    int rows, int vectors) {
    v16 sums[8][2];
    const float *at[8];
    UNROLL for (int r = 0; r < rows; r++) {
        at[r] = v + offsets[r];
        UNROLL for (int q = 0; q < vectors; q++) sums[r][q] = *(const v16 *)(s + r * width + q * 16);
    }
    for (ptrdiff_t place = 0; place < places; place++)
        for (int n = 0; n < 16; n++, z += width) {
            v16 d[2];
            UNROLL for (int q = 0; q < vectors; q++) d[q] = *(const v16 *)(z + q * 16);
            UNROLL for (int r = 0; r < rows; r++) {
                const v16 number = splat16(at[r][place * step + n]);
                UNROLL for (int q = 0; q < vectors; q++) sums[r][q] += number * d[q];
            }
        }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int q = 0; q < vectors; q++) *(v16 *)(s + r * width + q * 16) = sums[r][q];
}

INLINE void multiply_rows(
    const float *v, const ptrdiff_t *offsets, ptrdiff_t step, int places, const float *z, int width, float *s, int rows) {
    int f = 0;
    for (; f + 32 <= width; f += 32)
        multiply_block(v, offsets, step, places, z + f, width, s + f, rows, 2);
    for (; f < width; f += 16)
        multiply_block(v, offsets, step, places, z + f, width, s + f, rows, 1);
}

#endif
