#include "FilterSums.h"
#include "Winograd.h"

// Winograd's method with sixteen channels in the lanes, for batches that do not fill them with images: each point is a
// product of matrices, [tiles][channels] by [channels][filters].

INLINE ptrdiff_t tile_step(const deai_lane_convolution *c) { return (ptrdiff_t)tiles_of(c) * c->channels + 16; }
INLINE ptrdiff_t filter_step(const deai_lane_convolution *c) { return (ptrdiff_t)c->channels * c->filters + 16; }
INLINE ptrdiff_t result_step(const deai_lane_convolution *c) { return (ptrdiff_t)tiles_of(c) * c->filters + 16; }

ptrdiff_t deai_winograd_blocked_scratch(const deai_lane_convolution *conv) {
    return POINTS * (tile_step(conv) + filter_step(conv) + result_step(conv));
}

// U for some filters: [36][channels][width].
INLINE void transform_filters(
    const deai_lane_convolution *c, const float *filter, int first, int width, float *u, ptrdiff_t point) {
    const ptrdiff_t tap = (ptrdiff_t)c->channels * c->filters;
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

// Sixteen filters' results at a tile, from their points.
INLINE void put_tile(
    const deai_lane_convolution *c, const float *points, ptrdiff_t point, const float *bias, int rectified, float *plane,
    int tile) {
    const int columns = TILES(c->output_width);
    const int i = tile_start(tile / columns, c->output_height), j = tile_start(tile % columns, c->output_width);
    const v16 offset = bias ? *(const v16 *)bias : (v16){0};
    v16 rows[4][6];
    UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)(points + (6 * (r) + q) * point))
#define PUT(r, value) rows[r][q] = value;
        NARROW(AT, PUT)
#undef AT
#undef PUT
    }
    UNROLL for (int r = 0; r < 4; r++) {
        v16 out[4];
#define AT(q) rows[r][q]
#define PUT(q, value) out[q] = value;
        NARROW(AT, PUT)
#undef AT
#undef PUT
        UNROLL for (int q = 0; q < 4; q++) {
            v16 result = out[q] + offset;
            if (rectified) result = (v16)((i16x)result & ~(result <= 0));
            if (i + r < c->output_height && j + q < c->output_width)
                *(v16 *)(plane + (i + r) * c->y.row + (j + q) * 16) = result;
        }
    }
}

DEAI_CLONES void deai_winograd_blocked(
    const deai_lane_convolution *conv, int images, const float *x, const float *filter, const float *bias, int rectified,
    float *y, float *scratch, int first_filter, int end_filter, int first_tile, int end_tile) {
    const deai_lane_convolution c = *conv;
    const int width = end_filter - first_filter, tiles = end_tile - first_tile;
    const ptrdiff_t tile = tile_step(&c), weight = filter_step(&c), result = result_step(&c), row = c.channels;
    const ptrdiff_t offsets[8] = {0, row, 2 * row, 3 * row, 4 * row, 5 * row, 6 * row, 7 * row};
    float *v = scratch, *u = v + POINTS * tile, *m = u + POINTS * weight;
    if (width == 0 || tiles == 0) return;
    transform_filters(&c, filter, first_filter, width, u, weight);
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
        for (int f = 0; f < width; f += 16)
            for (int t = 0; t < tiles; t++) {
                const int first = first_filter + f;
                put_tile(
                    &c, m + (ptrdiff_t)t * width + f, result, bias ? bias + first : 0, rectified,
                    y + image * c.y.group + first / 16 * c.y.plane, first_tile + t);
            }
    }
}
