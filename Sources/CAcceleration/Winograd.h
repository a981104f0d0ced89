#ifndef DEAI_WINOGRAD_H
#define DEAI_WINOGRAD_H

#include "Lanes.h"

// Winograd's minimal filtering F(4x4, 3x3) with images in lanes (Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2015): 36 products for sixteen results instead of 144. The transforms are a few additions of vectors.

#define TILES(extent) (((extent) + 3) / 4)

enum { POINTS = 36 };

INLINE int tiles_of(const deai_lane_convolution *c) { return TILES(c->output_height) * TILES(c->output_width); }

// The first row (or column) of a tile. The last tile is moved back inside, so that it reads nothing beyond the border;
// results that two tiles give are the same but for rounding. An extent below four has one tile, part of it outside.
INLINE int tile_start(int tile, int extent) { return 4 * tile + 4 <= extent || extent < 4 ? 4 * tile : extent - 4; }

// From one point of V to the next, in floats: never a multiple of a page, so that points do not fall on the same lines of
// the cache.
INLINE ptrdiff_t image_step(const deai_lane_convolution *c, int band) { return (ptrdiff_t)c->channels * band * 16 + 16; }

#define SIXTH (1.0f / 6)
#define TWELFTH (1.0f / 12)
#define TWENTYFOURTH (1.0f / 24)

// G x, from three numbers (or vectors) to six.
#define WIDEN(number, a, b, c, out) \
    { \
        const number even = SIXTH * ((a) + (c)), odd = SIXTH * (b); \
        const number near = TWENTYFOURTH * (a) + SIXTH * (c), far = TWELFTH * (b); \
        out(0) = 0.25f * (a); \
        out(1) = -even - odd; \
        out(2) = odd - even; \
        out(3) = near + far; \
        out(4) = near - far; \
        out(5) = (c); \
    }

// Aᵀ m, from six vectors to four.
#define NARROW(m, out) \
    { \
        const v16 sum1 = m(1) + m(2), odd1 = m(1) - m(2), sum2 = m(3) + m(4), odd2 = m(3) - m(4); \
        out(0, m(0) + sum1 + sum2) \
        out(1, odd1 + 2 * odd2) \
        out(2, sum1 + 4 * sum2) \
        out(3, odd1 + 8 * odd2 + m(5)) \
    }

// Bᵀ x, from six vectors to six.
#define SPREAD(d, out) \
    { \
        const v16 a = d(4) - 4 * d(2), b = d(3) - 4 * d(1), c = d(4) - d(2), e = d(3) - d(1); \
        out(0, 4 * d(0) + (d(4) - 5 * d(2))) \
        out(1, a + b) \
        out(2, a - b) \
        out(3, c + 2 * e) \
        out(4, c - 2 * e) \
        out(5, 4 * d(1) + (d(5) - 5 * d(3))) \
    }

// The six by six numbers that begin at `corner`, of which `rows` and `columns` are inside.
INLINE void load_patch(const float *corner, ptrdiff_t row, int rows, int columns, float patch[6][6][16]) {
    for (int r = 0; r < 6; r++)
        for (int q = 0; q < 6; q++)
            *(v16 *)patch[r][q] = r < rows && q < columns ? *(const v16 *)(corner + r * row + q * 16) : (v16){0};
}

// V = Bᵀ d B of one tile and channel: 36 vectors, `point` floats apart.
INLINE void transform_patch(const float *d, ptrdiff_t row, float *out, ptrdiff_t point) {
    v16 rows[6][6];
    UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)(d + (r) * row + q * 16))
#define PUT(r, value) rows[r][q] = value;
        SPREAD(AT, PUT)
#undef AT
#undef PUT
    }
    UNROLL for (int r = 0; r < 6; r++) {
#define AT(q) rows[r][q]
#define PUT(q, value) *(v16 *)(out + (6 * r + (q)) * point) = value;
        SPREAD(AT, PUT)
#undef AT
#undef PUT
    }
}

// How many channels before its turn a patch is fetched: what the third level of the cache takes to give it.
enum { AHEAD = 8 };

// V of `count` tiles: [36][channels][count]. A channel's tiles are neighbours in memory; those of a later channel are
// fetched meanwhile.
INLINE void transform_band(
    const deai_lane_convolution *c, const float *origin, int tile, int count, float *v, ptrdiff_t point) {
    const int columns = TILES(c->output_width);
    const ptrdiff_t row = c->x.row;
    const int isWhole = c->output_height >= 4 && c->output_width >= 4;
    for (int k = 0; k < c->channels; k++)
        for (int t = 0; t < count; t++, v += 16) {
            const int i = tile_start((tile + t) / columns, c->output_height);
            const int j = tile_start((tile + t) % columns, c->output_width);
            const float *corner = origin + k * c->x.plane + i * row + j * 16;
            if (isWhole) {
                if (k + AHEAD < c->channels)
                    UNROLL for (int r = 0; r < 6; r++)
                        UNROLL for (int q = 2; q < 6; q++)
                            __builtin_prefetch(corner + AHEAD * c->x.plane + r * row + q * 16);
                transform_patch(corner, row, v, point);
            } else {
                float patch[6][6][16] __attribute__((aligned(64)));
                load_patch(corner, row, c->output_height + 2 - i, c->output_width + 2 - j, patch);
                transform_patch(&patch[0][0][0], 96, v, point);
            }
        }
}

#endif
