#include "FilterSums.h"
#include "Winograd.h"

// Gradients of filters by Winograd's method: Gᵀ [Σ (Bᵀ d B) ⊙ (A dy Aᵀ)] G, summed over tiles and images.

INLINE int band_of(const deai_lane_convolution *c) {
    const int tiles = tiles_of(c), some = 192 / (c->channels + c->filters);
    return some < 1 ? 1 : some < tiles ? some : tiles;
}

// Filters in whole vectors.
INLINE int padded(const deai_lane_convolution *c) { return (c->filters + 15) / 16 * 16; }
INLINE ptrdiff_t sum_step(const deai_lane_convolution *c) { return (ptrdiff_t)c->channels * padded(c) + 16; }
INLINE ptrdiff_t slope_step(const deai_lane_convolution *c, int band) { return (ptrdiff_t)band * 16 * padded(c) + 16; }

ptrdiff_t deai_winograd_gradient_scratch(const deai_lane_convolution *conv) {
    const int band = band_of(conv);
    return POINTS * (sum_step(conv) + image_step(conv, band) + slope_step(conv, band));
}

// A s, from four vectors to six.
#define STRETCH(s, out) \
    { \
        const v16 even = s(0) + s(2), odd = s(1) + s(3), wide = s(0) + 4 * s(2), far = 2 * s(1) + 8 * s(3); \
        out(0, s(0)) \
        out(1, even + odd) \
        out(2, even - odd) \
        out(3, wide + far) \
        out(4, wide - far) \
        out(5, s(3)) \
    }

// The slopes of sixteen filters (or `count`, then zeros) at a tile, those that another tile has left out: [row][column]
// [image] of vectors of filters.
INLINE void load_slopes(
    const deai_lane_convolution *c, const float *dy, int count, int tile, float slopes[4][4][16][16]) {
    const int columns = TILES(c->output_width), i = tile / columns, j = tile % columns;
    const int top = tile_start(i, c->output_height), left = tile_start(j, c->output_width);
    for (int r = 0; r < 4; r++)
        for (int q = 0; q < 4; q++) {
            const int row = top + r, column = left + q;
            float *to = &slopes[r][q][0][0];
            if (row >= 4 * i && row < c->output_height && column >= 4 * j && column < c->output_width)
                turn(dy + row * c->y.row + column * 16, c->y.plane, count, to, 16);
            else
                for (int n = 0; n < 16; n++) *(v16 *)(to + n * 16) = (v16){0};
        }
}

// Z = A dy Aᵀ of some tiles: [36][tile][image][filters].
INLINE void transform_slopes(
    const deai_lane_convolution *c, const float *dy, int tile, int count, float *z, ptrdiff_t point) {
    const int width = padded(c);
    float slopes[4][4][16][16] __attribute__((aligned(64)));
    for (int f = 0; f < c->filters; f += 16)
        for (int t = 0; t < count; t++) {
            load_slopes(c, dy + f * c->y.plane, c->filters - f < 16 ? c->filters - f : 16, tile + t, slopes);
            for (int n = 0; n < 16; n++) {
                float *out = z + (ptrdiff_t)(t * 16 + n) * width + f;
                v16 rows[6][4];
                UNROLL for (int q = 0; q < 4; q++) {
#define AT(r) (*(const v16 *)slopes[r][q][n])
#define PUT(r, value) rows[r][q] = value;
                    STRETCH(AT, PUT)
#undef AT
#undef PUT
                }
                UNROLL for (int r = 0; r < 6; r++) {
#define AT(q) rows[r][q]
#define PUT(q, value) *(v16 *)(out + (6 * r + (q)) * point) = value;
                    STRETCH(AT, PUT)
#undef AT
#undef PUT
                }
            }
        }
}

INLINE void multiply_point(
    const deai_lane_convolution *c, const float *v, const float *z, int band, float *s) {
    const int width = padded(c);
    const ptrdiff_t channel = (ptrdiff_t)band * 16;
    const ptrdiff_t offsets[8] = {0, channel, 2 * channel, 3 * channel, 4 * channel, 5 * channel, 6 * channel, 7 * channel};
    int k = 0;
    for (; k + 8 <= c->channels; k += 8)
        multiply_rows(v + k * channel, offsets, 16, band, z, width, s + (ptrdiff_t)k * width, 8);
    for (; k + 2 <= c->channels; k += 2)
        multiply_rows(v + k * channel, offsets, 16, band, z, width, s + (ptrdiff_t)k * width, 2);
    for (; k < c->channels; k++)
        multiply_rows(v + k * channel, offsets, 16, band, z, width, s + (ptrdiff_t)k * width, 1);
}

// Gᵀ m, from six vectors to three.
#define SHRINK(m, out) \
    out(0) = 0.25f * m(0) - SIXTH * (m(1) + m(2)) + TWENTYFOURTH * (m(3) + m(4)); \
    out(1) = SIXTH * (m(2) - m(1)) + TWELFTH * (m(3) - m(4)); \
    out(2) = SIXTH * ((m(3) + m(4)) - (m(1) + m(2))) + m(5);

// Gᵀ S G for each channel and filter.
INLINE void narrow_filter(const deai_lane_convolution *c, const float *s, float *filter) {
    const int width = padded(c);
    const ptrdiff_t step = sum_step(c), pairs = (ptrdiff_t)c->channels * c->filters;
    for (int k = 0; k < c->channels; k++)
        for (int f = 0; f < c->filters; f += 16) {
            const float *from = s + (ptrdiff_t)k * width + f;
            float *to = filter + (ptrdiff_t)k * c->filters + f;
            const int count = c->filters - f < 16 ? c->filters - f : 16;
            v16 rows[3][6];
            UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)(from + (6 * (r) + q) * step))
#define ROW(r) rows[r][q]
                SHRINK(AT, ROW)
#undef AT
#undef ROW
            }
            float taps[9][16] __attribute__((aligned(64)));
            UNROLL for (int u = 0; u < 3; u++) {
#define AT(q) rows[u][q]
#define TAP(v) *(v16 *)taps[3 * u + (v)]
                SHRINK(AT, TAP)
#undef AT
#undef TAP
            }
            for (int tap = 0; tap < 9; tap++)
                for (int i = 0; i < count; i++) to[tap * pairs + i] = taps[tap][i];
        }
}

DEAI_CLONES void deai_winograd_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int adding, int finish, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const int tiles = tiles_of(&c), most = band_of(&c), width = padded(&c);
    float *s = scratch, *v = s + POINTS * sum_step(&c), *z = v + POINTS * image_step(&c, most);
    if (!adding)
        for (ptrdiff_t i = 0; i < POINTS * sum_step(&c); i++) s[i] = 0;
    if (bias && !adding)
        for (int f = 0; f < c.filters; f++) bias[f] = 0;
    for (int group = first_group; group < end_group; group++) {
        const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
        for (int first = 0, band; first < tiles; first += band) {
            band = tiles - first < most ? tiles - first : most;
            const ptrdiff_t image = image_step(&c, band), slope = slope_step(&c, band);
            transform_band(&c, origin, first, band, v, image);
            transform_slopes(&c, dy + group * c.y.group, first, band, z, slope);
            for (int p = 0; p < POINTS; p++) multiply_point(&c, v + p * image, z + p * slope, band, s + p * sum_step(&c));
            // The eighth point, whose factors are all 1, is the sum of a tile.
            if (bias)
                for (int k = 0; k < band * 16; k++)
                    for (int f = 0; f < c.filters; f++) bias[f] += z[7 * slope + (ptrdiff_t)k * width + f];
        }
    }
    if (finish) narrow_filter(&c, s, filter);
}
