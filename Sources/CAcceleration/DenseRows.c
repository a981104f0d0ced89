#include "Lanes.h"

// A fully connected layer for a few images is the reading of its weights, once: each goes to all rows.

// Four rows of x by up to four vectors of outputs, or one by up to eight.
INLINE void tile(
    const float *x, int rows, ptrdiff_t inputs, const float *weights, ptrdiff_t outputs, const float *bias, int rectified,
    float *y, int vectors) {
    v16 sums[4][8];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int q = 0; q < vectors; q++) sums[r][q] = bias ? *(const v16 *)(bias + q * 16) : (v16){0};
    for (ptrdiff_t k = 0; k < inputs; k++, weights += outputs) {
        v16 w[8];
        UNROLL for (int q = 0; q < vectors; q++) w[q] = *(const v16 *)(weights + q * 16);
        UNROLL for (int r = 0; r < rows; r++) {
            const v16 number = splat16(x[r * inputs + k]);
            UNROLL for (int q = 0; q < vectors; q++) sums[r][q] += number * w[q];
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int q = 0; q < vectors; q++) {
            const v16 v = sums[r][q];
            *(v16 *)(y + r * outputs + q * 16) = rectified ? (v16)((i16x)v & ~(v <= 0)) : v;
        }
}

DEAI_CLONES void deai_dense_rows(
    const float *x, int rows, ptrdiff_t inputs, const float *weights, ptrdiff_t outputs, const float *bias, int rectified,
    float *y, int first, int end) {
    for (int row = 0, count; row < rows; row += count) {
        count = rows - row >= 4 ? 4 : 1;
        for (int o = first, width; o < end; o += width) {
            width = count == 1 && end - o >= 128 ? 128 : end - o >= 64 ? 64 : 16;
            const float *from = x + row * inputs, *w = weights + o, *b = bias ? bias + o : 0;
            float *to = y + row * outputs + o;
#define TILE(count, vectors) tile(from, count, inputs, w, outputs, b, rectified, to, vectors)
            if (count == 4 && width == 64)
                TILE(4, 4);
            else if (count == 4)
                TILE(4, 1);
            else if (width == 128)
                TILE(1, 8);
            else if (width == 64)
                TILE(1, 4);
            else
                TILE(1, 1);
#undef TILE
        }
    }
}
