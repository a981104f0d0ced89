#include "Lanes.h"

// Winograd's minimal filtering F(4x4, 3x3) with images in lanes (Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2015): 36 products for sixteen results instead of 144. The transforms are a few additions of vectors.
// Tiles that reach beyond the last row or column read zeros there, and their results beyond it are dropped.

#define TILES(extent) (((extent) + 3) / 4)

enum { POINTS = 36 };

INLINE int tiles_of(const deai_lane_convolution *c) { return TILES(c->output_height) * TILES(c->output_width); }

// From one point to the next, in floats: never a multiple of a page, so that points do not fall on the same lines of the
// cache.
INLINE ptrdiff_t pair_step(const deai_lane_convolution *c) { return (ptrdiff_t)c->channels * c->filters + 16; }
INLINE ptrdiff_t image_step(const deai_lane_convolution *c) { return (ptrdiff_t)c->channels * 32 + 16; }

ptrdiff_t deai_winograd_scratch(const deai_lane_convolution *conv, int gradient) {
    const ptrdiff_t products = POINTS * pair_step(conv);
    if (gradient) return products + (ptrdiff_t)6 * (conv->channels + conv->filters) * tiles_of(conv) * 16;
    return products + POINTS * image_step(conv);
}

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

// U = G g Gᵀ for each pair of channel and filter: [36][channels][filters].
INLINE void transform_filter(const float *filter, ptrdiff_t pairs, ptrdiff_t step, float *u) {
    ptrdiff_t i = 0;
    for (; i + 16 <= pairs; i += 16) {
        v16 rows[6][3];
        UNROLL for (int v = 0; v < 3; v++) {
#define TAP(k) (*(const v16 *)(filter + (k) * pairs + i))
#define ROW(r) rows[r][v]
            WIDEN(v16, TAP(v), TAP(3 + v), TAP(6 + v), ROW)
#undef TAP
#undef ROW
        }
        UNROLL for (int r = 0; r < 6; r++) {
#define POINT(q) *(v16 *)(u + (6 * r + (q)) * step + i)
            WIDEN(v16, rows[r][0], rows[r][1], rows[r][2], POINT)
#undef POINT
        }
    }
    for (; i < pairs; i++) {
        float rows[6][3];
        UNROLL for (int v = 0; v < 3; v++) {
#define ROW(r) rows[r][v]
            WIDEN(float, filter[v * pairs + i], filter[(3 + v) * pairs + i], filter[(6 + v) * pairs + i], ROW)
#undef ROW
        }
        UNROLL for (int r = 0; r < 6; r++) {
#define POINT(q) u[(6 * r + (q)) * step + i]
            WIDEN(float, rows[r][0], rows[r][1], rows[r][2], POINT)
#undef POINT
        }
    }
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

// V of some tiles: [36][channels][2].
INLINE void transform_image(const deai_lane_convolution *c, const float *origin, int tile, int count, float *v) {
    const int columns = TILES(c->output_width);
    const ptrdiff_t point = image_step(c);
    for (int t = 0; t < count; t++) {
        const int i = 4 * ((tile + t) / columns), j = 4 * ((tile + t) % columns);
        const int rows = c->output_height + 2 - i, below = c->output_width + 2 - j;
        const float *corner = origin + i * c->x.row + j * 16;
        for (int k = 0; k < c->channels; k++, corner += c->x.plane) {
            float *out = v + k * 32 + t * 16;
            if (rows >= 6 && below >= 6) {
                transform_patch(corner, c->x.row, out, point);
            } else {
                float patch[6][6][16] __attribute__((aligned(64)));
                load_patch(corner, c->x.row, rows, below, patch);
                transform_patch(&patch[0][0][0], 96, out, point);
            }
        }
    }
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

// Aᵀ (U ⊙ V, summed over channels) A for some filters at some tiles.
INLINE void results(
    const deai_lane_convolution *c, const float *u, const float *v, int first, int filters, int count,
    float products[POINTS][6][2][16]) {
    const ptrdiff_t weight_step = pair_step(c), step = image_step(c);
    for (int point = 0; point < POINTS; point++) {
        v16 sums[6][2];
        UNROLL for (int f = 0; f < filters; f++) UNROLL for (int t = 0; t < count; t++) sums[f][t] = (v16){0};
        const float *weights = u + point * weight_step + first;
        const float *images = v + point * step;
        for (int k = 0; k < c->channels; k++) {
            v16 at[2];
            UNROLL for (int t = 0; t < count; t++) at[t] = *(const v16 *)(images + t * 16);
            UNROLL for (int f = 0; f < filters; f++) {
                const v16 weight = splat16(weights[f]);
                UNROLL for (int t = 0; t < count; t++) sums[f][t] += weight * at[t];
            }
            weights += c->filters;
            images += 32;
        }
        UNROLL for (int f = 0; f < filters; f++)
            UNROLL for (int t = 0; t < count; t++) *(v16 *)products[point][f][t] = sums[f][t];
    }
}

// Sixteen results of a filter at a tile, from the products.
INLINE void gather(float products[POINTS][6][2][16], int f, int t, v16 out[4][4]) {
    v16 rows[4][6];
    UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)products[6 * (r) + q][f][t])
#define PUT(r, value) rows[r][q] = value;
        NARROW(AT, PUT)
#undef AT
#undef PUT
    }
    UNROLL for (int r = 0; r < 4; r++) {
#define AT(q) rows[r][q]
#define PUT(q, value) out[r][q] = value;
        NARROW(AT, PUT)
#undef AT
#undef PUT
    }
}

INLINE void store_pooled(
    const deai_lane_convolution *c, v16 out[4][4], float bias, float *plane, uint8_t *where, int i, int j) {
    const int columns = c->output_width / 2;
    UNROLL for (int r = 0; r < 2; r++)
        UNROLL for (int q = 0; q < 2; q++) {
            if (i + 2 * r >= c->output_height || j + 2 * q >= c->output_width) continue;
            v16 best = out[2 * r][2 * q];
            i16x place = {0};
            UNROLL for (int p = 1; p < 4; p++) {
                const v16 next = out[2 * r + p / 2][2 * q + p % 2];
                const i16x above = ~(next <= best);
                best = SELECT(above, next, best);
                place = (i16x)SELECT(above, place * 0 + p, place);
            }
            best += splat16(bias);
            const i16x dead = best <= 0;
            const int row = i / 2 + r, column = j / 2 + q;
            *(v16 *)(plane + row * c->y.row + column * 16) = (v16)(~dead & (i16x)best);
            if (where) {
                place |= dead;
                *(b16 *)(where + ((ptrdiff_t)row * columns + column) * 16) = __builtin_convertvector(place, b16);
            }
        }
}

INLINE void some_filters(
    const deai_lane_convolution *c, const float *u, const float *v, const float *bias, int after, float *y,
    uint8_t *where, int first, int filters, int tile, int count) {
    const int columns = TILES(c->output_width);
    const ptrdiff_t pooled = (ptrdiff_t)(c->output_height / 2) * (c->output_width / 2) * 16;
    float products[POINTS][6][2][16] __attribute__((aligned(64)));
    results(c, u, v, first, filters, count, products);
    for (int f = 0; f < filters; f++)
        for (int t = 0; t < count; t++) {
            const int i = 4 * ((tile + t) / columns), j = 4 * ((tile + t) % columns);
            float *plane = y + (first + f) * c->y.plane;
            v16 out[4][4];
            gather(products, f, t, out);
            if (after == DEAI_POOLED) {
                store_pooled(c, out, bias[first + f], plane, where ? where + (first + f) * pooled : 0, i, j);
                continue;
            }
            const v16 offset = splat16(bias ? bias[first + f] : 0);
            UNROLL for (int r = 0; r < 4; r++)
                UNROLL for (int q = 0; q < 4; q++) {
                    v16 result = out[r][q] + offset;
                    if (after == DEAI_RECTIFIED) result = (v16)((i16x)result & ~(result <= 0));
                    if (i + r < c->output_height && j + q < c->output_width)
                        *(v16 *)(plane + (i + r) * c->y.row + (j + q) * 16) = result;
                }
        }
}

INLINE void some_tiles(
    const deai_lane_convolution *c, const float *u, const float *v, const float *bias, int after, float *y,
    uint8_t *where, int tile, int count) {
    for (int f = 0, width; f < c->filters; f += width) {
        width = tile_width(c->filters - f);
        WITH_WIDTH(width, some_filters(c, u, v, bias, after, y, where, f, filters, tile, count))
    }
}

DEAI_CLONES void deai_winograd(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, int after,
    float *y, uint8_t *places, float *scratch, int prepare, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const ptrdiff_t pairs = (ptrdiff_t)c.channels * c.filters;
    const int tiles = tiles_of(&c);
    const ptrdiff_t pooled = (ptrdiff_t)c.filters * (c.output_height / 2) * (c.output_width / 2) * 16;
    float *v = scratch, *u = scratch + POINTS * image_step(&c);
    if (prepare) transform_filter(filter, pairs, pair_step(&c), u);
    for (int group = first_group; group < end_group; group++) {
        const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
        float *target = y + group * c.y.group;
        uint8_t *where = places ? places + group * pooled : 0;
        int tile = 0;
        for (; tile + 2 <= tiles; tile += 2) {
            transform_image(&c, origin, tile, 2, v);
            some_tiles(&c, u, v, bias, after, target, where, tile, 2);
        }
        for (; tile < tiles; tile++) {
            transform_image(&c, origin, tile, 1, v);
            some_tiles(&c, u, v, bias, after, target, where, tile, 1);
        }
    }
}

static const float b_rows[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                   {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const float a_rows[6][4] = {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, -1, 1, -1}, {1, 2, 4, 8}, {1, -2, 4, -8}, {0, 0, 0, 1}};

// Row `a` of V = Bᵀ d B for all tiles of a channel: six points, `point` floats apart.
INLINE void transform_row(
    const deai_lane_convolution *c, const float *origin, int a, float *v, ptrdiff_t point) {
    const int rows = TILES(c->output_height), columns = TILES(c->output_width);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++, v += 16) {
            const float *d = origin + 4 * i * c->x.row + 4 * j * 16;
            ptrdiff_t row = c->x.row;
            float patch[6][6][16] __attribute__((aligned(64)));
            const int height = c->output_height + 2 - 4 * i, width = c->output_width + 2 - 4 * j;
            if (height < 6 || width < 6) {
                load_patch(d, row, height, width, patch);
                d = &patch[0][0][0];
                row = 96;
            }
            v16 sums[6];
            UNROLL for (int q = 0; q < 6; q++) {
                sums[q] = (v16){0};
                UNROLL for (int r = 0; r < 6; r++)
                    if (b_rows[a][r] != 0) sums[q] += b_rows[a][r] * *(const v16 *)(d + r * row + q * 16);
            }
#define AT(q) sums[q]
#define PUT(q, value) *(v16 *)(v + (q) * point) = value;
            SPREAD(AT, PUT)
#undef AT
#undef PUT
        }
}

// Row `a` of Z = A dy Aᵀ for all tiles of a filter.
INLINE void transform_slope_row(
    const deai_lane_convolution *c, const float *dy, int a, float *z, ptrdiff_t point) {
    const int rows = TILES(c->output_height), columns = TILES(c->output_width);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++, z += 16) {
            const float *d = dy + 4 * i * c->y.row + 4 * j * 16;
            const int height = c->output_height - 4 * i, width = c->output_width - 4 * j;
            v16 s[4];
            UNROLL for (int q = 0; q < 4; q++) {
                s[q] = (v16){0};
                UNROLL for (int r = 0; r < 4; r++)
                    if (a_rows[a][r] != 0 && r < height && q < width)
                        s[q] += a_rows[a][r] * *(const v16 *)(d + r * c->y.row + q * 16);
            }
            const v16 even = s[0] + s[2], odd = s[1] + s[3], wide = s[0] + 4 * s[2], far = 2 * s[1] + 8 * s[3];
            *(v16 *)z = s[0];
            *(v16 *)(z + point) = even + odd;
            *(v16 *)(z + 2 * point) = even - odd;
            *(v16 *)(z + 3 * point) = wide + far;
            *(v16 *)(z + 4 * point) = wide - far;
            *(v16 *)(z + 5 * point) = s[3];
        }
}

INLINE void transform_rows(
    const deai_lane_convolution *c, const float *origin, const float *dy, int a, float *v, float *z, ptrdiff_t plane) {
    for (int k = 0; k < c->channels; k++)
        transform_row(c, origin + k * c->x.plane, a, v + k * plane, c->channels * plane);
    for (int f = 0; f < c->filters; f++)
        transform_slope_row(c, dy + f * c->y.plane, a, z + f * plane, c->filters * plane);
}

// Lane i of the result is the sum of the lanes of vector i.
INLINE void transposed_sums(v16 s[16], float *sums) {
    UNROLL for (int i = 0; i < 8; i++) {
        const v16 a = s[2 * i], b = s[2 * i + 1];
        s[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
            + __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        const v16 a = s[2 * i], b = s[2 * i + 1];
        s[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
            + __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
    UNROLL for (int i = 0; i < 2; i++) {
        const v16 a = s[2 * i], b = s[2 * i + 1];
        s[i] = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29)
            + __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
    }
    const v16 a = s[0], b = s[1];
    *(v16 *)sums = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
        + __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// S += Σ over tiles and lanes of V ⊙ Z for one point: [channels][filters], in blocks of four by four.
INLINE void multiply_point(
    const deai_lane_convolution *c, const float *v, const float *z, ptrdiff_t plane, float *s) {
    const int tiles = tiles_of(c);
    for (int k = 0; k < c->channels; k += 4)
        for (int f = 0; f < c->filters; f += 4) {
            v16 sums[16];
            UNROLL for (int i = 0; i < 16; i++) sums[i] = (v16){0};
            const float *left = v + k * plane, *right = z + f * plane;
            for (int t = 0; t < tiles; t++, left += 16, right += 16) {
                v16 d[4];
                UNROLL for (int q = 0; q < 4; q++) d[q] = *(const v16 *)(right + q * plane);
                UNROLL for (int p = 0; p < 4; p++) {
                    const v16 at = *(const v16 *)(left + p * plane);
                    UNROLL for (int q = 0; q < 4; q++) sums[4 * p + q] += at * d[q];
                }
            }
            float block[16];
            transposed_sums(sums, block);
            UNROLL for (int p = 0; p < 4; p++)
                UNROLL for (int q = 0; q < 4; q++) s[(ptrdiff_t)(k + p) * c->filters + f + q] += block[4 * p + q];
        }
}

// Gᵀ m, from six numbers (or vectors) to three.
#define SHRINK(m, out) \
    out(0) = 0.25f * m(0) - SIXTH * (m(1) + m(2)) + TWENTYFOURTH * (m(3) + m(4)); \
    out(1) = SIXTH * (m(2) - m(1)) + TWELFTH * (m(3) - m(4)); \
    out(2) = SIXTH * ((m(3) + m(4)) - (m(1) + m(2))) + m(5);

// Gᵀ S G for each pair.
INLINE void narrow_filter(const float *s, ptrdiff_t pairs, ptrdiff_t step, float *filter) {
    // Channels and filters are multiples of four, so that sixteen divides the pairs.
    for (ptrdiff_t i = 0; i < pairs; i += 16) {
        v16 rows[3][6];
        UNROLL for (int q = 0; q < 6; q++) {
#define AT(r) (*(const v16 *)(s + (6 * (r) + q) * step + i))
#define ROW(r) rows[r][q]
            SHRINK(AT, ROW)
#undef AT
#undef ROW
        }
        UNROLL for (int u = 0; u < 3; u++) {
#define AT(q) rows[u][q]
#define TAP(v) *(v16 *)(filter + (3 * u + (v)) * pairs + i)
            SHRINK(AT, TAP)
#undef AT
#undef TAP
        }
    }
}

DEAI_CLONES void deai_winograd_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const ptrdiff_t pairs = (ptrdiff_t)c.channels * c.filters;
    const ptrdiff_t plane = (ptrdiff_t)tiles_of(&c) * 16;
    const ptrdiff_t step = pair_step(&c);
    float *s = scratch, *v = s + POINTS * step, *z = v + 6 * c.channels * plane;
    for (ptrdiff_t i = 0; i < POINTS * step; i++) s[i] = 0;
    for (int group = first_group; group < end_group; group++) {
        const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
        const float *slopes = dy + group * c.y.group;
        for (int a = 0; a < 6; a++) {
            switch (a) {
            case 0: transform_rows(&c, origin, slopes, 0, v, z, plane); break;
            case 1: transform_rows(&c, origin, slopes, 1, v, z, plane); break;
            case 2: transform_rows(&c, origin, slopes, 2, v, z, plane); break;
            case 3: transform_rows(&c, origin, slopes, 3, v, z, plane); break;
            case 4: transform_rows(&c, origin, slopes, 4, v, z, plane); break;
            default: transform_rows(&c, origin, slopes, 5, v, z, plane); break;
            }
            for (int q = 0; q < 6; q++)
                multiply_point(
                    &c, v + q * c.channels * plane, z + q * c.filters * plane, plane, s + (6 * a + q) * step);
        }
    }
    narrow_filter(s, pairs, step, filter);
    if (bias) bias_gradient(&c, dy, bias, first_group, end_group);
}
