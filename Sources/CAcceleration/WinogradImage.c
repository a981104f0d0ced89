#include "FilterSums.h"
#include "Winograd.h"

// Winograd's method with sixteen channels in the lanes, for batches that do not fill them with images: each point is a
// product of matrices, [tiles][channels] by [channels][filters].

INLINE ptrdiff_t tile_step(const deai_lane_convolution *c) { return (ptrdiff_t)tiles_of(c) * c->channels + 16; }
INLINE ptrdiff_t filter_step(const deai_lane_convolution *c, int filters) { return (ptrdiff_t)c->channels * filters + 16; }
INLINE ptrdiff_t result_step(const deai_lane_convolution *c) { return (ptrdiff_t)tiles_of(c) * c->filters + 16; }

ptrdiff_t deai_winograd_blocked_scratch(const deai_lane_convolution *conv) {
    return POINTS * (tile_step(conv) + result_step(conv));
}

ptrdiff_t deai_winograd_blocked_filter_count(const deai_lane_convolution *conv, int filters) {
    return POINTS * filter_step(conv, filters);
}

DEAI_CLONES void deai_winograd_blocked_filters(
    const deai_lane_convolution *conv, const float *filter, int first, int end, float *u) {
    const deai_lane_convolution copy = *conv, *c = &copy;
    const int width = end - first;
    const ptrdiff_t tap = (ptrdiff_t)c->channels * c->filters, point = filter_step(c, width);
    for (int k = 0; k < c->channels; k++)
        for (int f = 0; f < width; f += 16) {
            const float *from = filter + (ptrdiff_t)k * c->filters + first + f;
            float *to = u + (ptrdiff_t)k * width + f;
            v16 rows[6][3];
            UNROLL for (int v = 0; v < 3; v++) {
#define TAP(r) (*(const v16 *)(from + (3 * (r) + v) * tap))
#define ROW(r) rows[r][v]
                WIDEN(v16, TAP(0), TAP(1), TAP(2), ROW)
#undef TAP
#undef ROW
            }
            UNROLL for (int r = 0; r < 6; r++) {
#define POINT(q) *(v16 *)(to + (6 * r + (q)) * point)
                WIDEN(v16, rows[r][0], rows[r][1], rows[r][2], POINT)
#undef POINT
            }
        }
}

// V of some tiles of an image: [36][tiles][channels]. There is no border in memory.
INLINE void transform_tiles(
    const deai_lane_convolution *c, const float *x, int first, int end, float *v, ptrdiff_t point) {
    const int columns = TILES(c->output_width);
    const int height = c->output_height + 2 - 2 * c->padding, width = c->output_width + 2 - 2 * c->padding;
    for (int k = 0; k < c->channels; k += 16)
        for (int t = first; t < end; t++) {
            const int i = tile_start(t / columns, c->output_height) - c->padding;
            const int j = tile_start(t % columns, c->output_width) - c->padding;
            const float *corner = x + k / 16 * c->x.plane + i * c->x.row + j * 16;
            float *out = v + (ptrdiff_t)(t - first) * c->channels + k;
            if (i >= 0 && j >= 0 && i + 6 <= height && j + 6 <= width) {
                transform_patch(corner, c->x.row, out, point);
                continue;
            }
            float patch[6][6][16] __attribute__((aligned(64)));
            for (int r = 0; r < 6; r++)
                for (int q = 0; q < 6; q++) {
                    const int isInside = i + r >= 0 && i + r < height && j + q >= 0 && j + q < width;
                    *(v16 *)patch[r][q] = isInside ? *(const v16 *)(corner + r * c->x.row + q * 16) : (v16){0};
                }
            transform_patch(&patch[0][0][0], 96, out, point);
        }
}

// Sixteen filters' results at a tile, from their points: those that no tile before gives, so that threads may share out tiles.
// When pooled, the maximum of each 2x2 of them; then sizes are even, and so is what tiles share. From column to column of y it is
// `pixel` floats.
INLINE void put_tile(
    const deai_lane_convolution *c, const float *points, ptrdiff_t point, const float *bias, int after, float *plane,
    ptrdiff_t pixel, int tile) {
    const int columns = TILES(c->output_width);
    const int i = tile_start(tile / columns, c->output_height), j = tile_start(tile % columns, c->output_width);
    const int top = 4 * (tile / columns) - i, left = 4 * (tile % columns) - j;
    const v16 offset = bias ? *(const v16 *)bias : (v16){0};
    v16 rows[4][6], results[4][4];
    UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)(points + (6 * (r) + q) * point))
#define PUT(r, value) rows[r][q] = value;
        NARROW(AT, PUT)
#undef AT
#undef PUT
    }
    UNROLL for (int r = 0; r < 4; r++) {
#define AT(q) rows[r][q]
#define PUT(q, value) results[r][q] = (value) + offset;
        NARROW(AT, PUT)
#undef AT
#undef PUT
    }
#define LARGER(a, b) SELECT((a) > (b), a, b)
#define LIMITED(v) ((v16)((i16x)(v) & ~((v) <= 0)))
    if (after == DEAI_POOLED) {
        UNROLL for (int r = 0; r < 4; r += 2)
            UNROLL for (int q = 0; q < 4; q += 2) {
                const v16 above = LARGER(results[r][q], results[r][q + 1]);
                const v16 below = LARGER(results[r + 1][q], results[r + 1][q + 1]);
                const v16 best = LARGER(above, below);
                if (r >= top && q >= left && i + r < c->output_height && j + q < c->output_width)
                    *(v16 *)(plane + (i + r) / 2 * c->y.row + (j + q) / 2 * pixel) = LIMITED(best);
            }
        return;
    }
    UNROLL for (int r = 0; r < 4; r++)
        UNROLL for (int q = 0; q < 4; q++)
            if (r >= top && q >= left && i + r < c->output_height && j + q < c->output_width)
                *(v16 *)(plane + (i + r) * c->y.row + (j + q) * pixel) =
                    after == DEAI_RECTIFIED ? LIMITED(results[r][q]) : results[r][q];
}

DEAI_CLONES void deai_winograd_blocked(
    const deai_lane_convolution *conv, int images, const float *x, const float *u, const float *bias, int after, float *y,
    ptrdiff_t pixel, float *scratch, int first_filter, int end_filter, int first_tile, int end_tile) {
    const deai_lane_convolution c = *conv;
    const int width = end_filter - first_filter, tiles = end_tile - first_tile;
    const ptrdiff_t tile = tile_step(&c), weight = filter_step(&c, width), result = result_step(&c), row = c.channels;
    const ptrdiff_t offsets[8] = {0, row, 2 * row, 3 * row, 4 * row, 5 * row, 6 * row, 7 * row};
    float *v = scratch, *m = v + POINTS * tile;
    if (width == 0 || tiles == 0) return;
    for (int image = 0; image < images; image++) {
        transform_tiles(&c, x + image * c.x.group, first_tile, end_tile, v, tile);
        for (int p = 0; p < POINTS; p++) {
            const float *left = v + p * tile, *right = u + p * weight;
            float *sums = m + p * result;
            for (ptrdiff_t i = 0; i < (ptrdiff_t)tiles * width; i++) sums[i] = 0;
            int t = 0;
            for (; t + 8 <= tiles; t += 8)
                multiply_rows(left + t * row, offsets, 16, c.channels / 16, right, width, sums + t * width, 8);
            for (; t + 4 <= tiles; t += 4)
                multiply_rows(left + t * row, offsets, 16, c.channels / 16, right, width, sums + t * width, 4);
            for (; t < tiles; t++)
                multiply_rows(left + t * row, offsets, 16, c.channels / 16, right, width, sums + t * width, 1);
        }
        for (int f = 0; f < width; f += 16) {
            const int first = first_filter + f;
            float *plane = y + image * c.y.group + first / 16 * c.y.plane;
            const float *own = bias ? bias + first : 0;
            for (int t = 0; t < tiles; t++) {
                const float *points = m + (ptrdiff_t)t * width + f;
                if (after == DEAI_POOLED)
                    put_tile(&c, points, result, own, DEAI_POOLED, plane, pixel, first_tile + t);
                else
                    put_tile(&c, points, result, own, after, plane, pixel, first_tile + t);
            }
        }
    }
}
