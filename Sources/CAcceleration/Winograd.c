#include "Lanes.h"

// Tiles of two along an axis; the last one of an odd axis reaches one beyond.
#define TILES(extent) (((extent) + 1) / 2)

// Winograd's minimal filtering F(2x2, 3x3) with images in lanes (Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2015): 16 products for four results instead of 36. The transforms are additions of vectors.

ptrdiff_t deai_winograd_scratch(const deai_lane_convolution *conv, int gradient) {
    const ptrdiff_t tiles = (ptrdiff_t)TILES(conv->output_height) * TILES(conv->output_width);
    const ptrdiff_t products = (ptrdiff_t)16 * conv->channels * conv->filters;
    if (gradient) return products + (conv->channels + conv->filters) * tiles * 16;
    return products + (ptrdiff_t)16 * conv->channels * 4 * 16;
}

// U = G g Gᵀ for each pair of channel and filter: [16][channels][filters].
INLINE void transform_filter(const float *filter, ptrdiff_t pairs, float *u) {
    for (ptrdiff_t i = 0; i < pairs; i++) {
        float rows[4][3];
        UNROLL for (int v = 0; v < 3; v++) {
            const float a = filter[v * pairs + i], b = filter[(3 + v) * pairs + i], c = filter[(6 + v) * pairs + i];
            rows[0][v] = a;
            rows[1][v] = 0.5f * (a + c) + 0.5f * b;
            rows[2][v] = 0.5f * (a + c) - 0.5f * b;
            rows[3][v] = c;
        }
        UNROLL for (int r = 0; r < 4; r++) {
            const float a = rows[r][0], b = rows[r][1], c = rows[r][2];
            u[(4 * r) * pairs + i] = a;
            u[(4 * r + 1) * pairs + i] = 0.5f * (a + c) + 0.5f * b;
            u[(4 * r + 2) * pairs + i] = 0.5f * (a + c) - 0.5f * b;
            u[(4 * r + 3) * pairs + i] = c;
        }
    }
}

// V = Bᵀ d B of some tiles: [16][channels][4].
INLINE void transform_image(const deai_lane_convolution *c, const float *origin, int tile, int count, float *v) {
    const int columns = TILES(c->output_width);
    const ptrdiff_t point = (ptrdiff_t)c->channels * 64;
    for (int t = 0; t < count; t++) {
        const int i = (tile + t) / columns, j = (tile + t) % columns;
        const float *corner = origin + 2 * i * c->x.row + 2 * j * 16;
        for (int k = 0; k < c->channels; k++) {
            const float *d = corner + k * c->x.plane;
            float *out = v + k * 64 + t * 16;
            v16 rows[4][4];
            UNROLL for (int q = 0; q < 4; q++) {
                const v16 d0 = *(const v16 *)(d + q * 16), d1 = *(const v16 *)(d + c->x.row + q * 16),
                          d2 = *(const v16 *)(d + 2 * c->x.row + q * 16),
                          d3 = *(const v16 *)(d + 3 * c->x.row + q * 16);
                rows[0][q] = d0 - d2;
                rows[1][q] = d1 + d2;
                rows[2][q] = d2 - d1;
                rows[3][q] = d1 - d3;
            }
            UNROLL for (int r = 0; r < 4; r++) {
                *(v16 *)(out + (4 * r) * point) = rows[r][0] - rows[r][2];
                *(v16 *)(out + (4 * r + 1) * point) = rows[r][1] + rows[r][2];
                *(v16 *)(out + (4 * r + 2) * point) = rows[r][2] - rows[r][1];
                *(v16 *)(out + (4 * r + 3) * point) = rows[r][1] - rows[r][3];
            }
        }
    }
}

// Aᵀ (U ⊙ V, summed over channels) A for some filters at some tiles.
INLINE void results(
    const deai_lane_convolution *c, const float *u, const float *v, int first, int filters, int count,
    v16 out[6][4][4]) {
    const ptrdiff_t pairs = (ptrdiff_t)c->channels * c->filters;
    float products[16][6][4][16] __attribute__((aligned(64)));
    for (int point = 0; point < 16; point++) {
        v16 sums[6][4];
        UNROLL for (int f = 0; f < filters; f++) UNROLL for (int t = 0; t < count; t++) sums[f][t] = (v16){0};
        const float *weights = u + point * pairs + first;
        const float *images = v + (ptrdiff_t)point * c->channels * 64;
        for (int k = 0; k < c->channels; k++) {
            v16 at[4];
            UNROLL for (int t = 0; t < count; t++) at[t] = *(const v16 *)(images + t * 16);
            UNROLL for (int f = 0; f < filters; f++) {
                const v16 weight = splat16(weights[f]);
                UNROLL for (int t = 0; t < count; t++) sums[f][t] += weight * at[t];
            }
            weights += c->filters;
            images += 64;
        }
        UNROLL for (int f = 0; f < filters; f++)
            UNROLL for (int t = 0; t < count; t++) *(v16 *)products[point][f][t] = sums[f][t];
    }
    for (int f = 0; f < filters; f++)
        for (int t = 0; t < count; t++) {
            v16 rows[2][4];
            UNROLL for (int q = 0; q < 4; q++) {
                const v16 m0 = *(const v16 *)products[q][f][t], m1 = *(const v16 *)products[4 + q][f][t],
                          m2 = *(const v16 *)products[8 + q][f][t], m3 = *(const v16 *)products[12 + q][f][t];
                rows[0][q] = m0 + m1 + m2;
                rows[1][q] = m1 - m2 - m3;
            }
            UNROLL for (int r = 0; r < 2; r++) {
                out[f][t][2 * r] = rows[r][0] + rows[r][1] + rows[r][2];
                out[f][t][2 * r + 1] = rows[r][1] - rows[r][2] - rows[r][3];
            }
        }
}

INLINE void some_filters(
    const deai_lane_convolution *c, const float *u, const float *v, const float *bias, int after, float *y,
    uint8_t *where, int first, int filters, int tile, int count) {
    const int rows = TILES(c->output_height), columns = TILES(c->output_width);
    v16 out[6][4][4];
    results(c, u, v, first, filters, count, out);
    for (int f = 0; f < filters; f++)
        for (int t = 0; t < count; t++) {
            const int i = (tile + t) / columns, j = (tile + t) % columns;
            float *plane = y + (first + f) * c->y.plane;
            if (after != DEAI_POOLED) {
                float *corner = plane + 2 * i * c->y.row + 2 * j * 16;
                const int below = 2 * i + 1 < c->output_height, beside = 2 * j + 1 < c->output_width;
                const v16 offset = splat16(bias ? bias[first + f] : 0);
                UNROLL for (int p = 0; p < 4; p++) {
                    v16 result = out[f][t][p] + offset;
                    if (after == DEAI_RECTIFIED) result = (v16)((i16x)result & ~(result <= 0));
                    if ((p < 2 || below) && (p % 2 == 0 || beside))
                        *(v16 *)(corner + p / 2 * c->y.row + p % 2 * 16) = result;
                }
                continue;
            }
            v16 best = out[f][t][0];
            i16x place = {0};
            UNROLL for (int p = 1; p < 4; p++) {
                const i16x above = ~(out[f][t][p] <= best);
                best = SELECT(above, out[f][t][p], best);
                place = (i16x)SELECT(above, place * 0 + p, place);
            }
            best += splat16(bias[first + f]);
            const i16x dead = best <= 0;
            *(v16 *)(plane + i * c->y.row + j * 16) = (v16)(~dead & (i16x)best);
            if (where) {
                place |= dead;
                *(b16 *)(where + (((ptrdiff_t)(first + f) * rows + i) * columns + j) * 16) =
                    __builtin_convertvector(place, b16);
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
    const int tiles = TILES(c.output_height) * TILES(c.output_width);
    float *v = scratch, *u = scratch + (ptrdiff_t)16 * c.channels * 64;
    if (prepare) transform_filter(filter, pairs, u);
    for (int group = first_group; group < end_group; group++) {
        const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
        float *target = y + group * c.y.group;
        uint8_t *where = places ? places + (ptrdiff_t)group * c.filters * tiles * 16 : 0;
        int tile = 0;
        for (; tile + 4 <= tiles; tile += 4) {
            transform_image(&c, origin, tile, 4, v);
            some_tiles(&c, u, v, bias, after, target, where, tile, 4);
        }
        for (; tile < tiles; tile++) {
            transform_image(&c, origin, tile, 1, v);
            some_tiles(&c, u, v, bias, after, target, where, tile, 1);
        }
    }
}

// One product of the gradient at a time, for all tiles of a group: V and Z = A dy Aᵀ, both [channel][tile].
INLINE void transform_point(
    const deai_lane_convolution *c, const float *origin, const float *dy, int point, float *v, float *z) {
    static const int pair[4][2] = {{0, 2}, {1, 2}, {2, 1}, {1, 3}};
    static const float sign[4] = {-1, 1, -1, -1};
    static const float weight[4][2] = {{1, 0}, {1, 1}, {1, -1}, {0, -1}};
    const int a = point / 4, b = point % 4;
    const int rows = TILES(c->output_height), columns = TILES(c->output_width);
    const ptrdiff_t top = pair[a][0] * c->x.row, bottom = pair[a][1] * c->x.row;
    const ptrdiff_t left = pair[b][0] * 16, right = pair[b][1] * 16;
    const v16 down = splat16(sign[a]), across = splat16(sign[b]);
    for (int k = 0; k < c->channels; k++)
        for (int i = 0; i < rows; i++) {
            const float *d = origin + k * c->x.plane + 2 * i * c->x.row;
            for (int j = 0; j < columns; j++, d += 32, v += 16)
                *(v16 *)v = (*(const v16 *)(d + top + left) + across * *(const v16 *)(d + top + right))
                    + down * (*(const v16 *)(d + bottom + left) + across * *(const v16 *)(d + bottom + right));
        }
    const v16 w0 = splat16(weight[a][0]), w1 = splat16(weight[a][1]);
    const v16 h0 = splat16(weight[b][0]), h1 = splat16(weight[b][1]);
    for (int f = 0; f < c->filters; f++)
        for (int i = 0; i < rows; i++) {
            const float *d = dy + f * c->y.plane + 2 * i * c->y.row;
            for (int j = 0; j < columns; j++, d += 32, z += 16)
                *(v16 *)z = w0 * (h0 * *(const v16 *)d + h1 * *(const v16 *)(d + 16))
                    + w1 * (h0 * *(const v16 *)(d + c->y.row) + h1 * *(const v16 *)(d + c->y.row + 16));
        }
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
    const deai_lane_convolution *c, const float *v, const float *z, float *s) {
    const int tiles = TILES(c->output_height) * TILES(c->output_width);
    const ptrdiff_t plane = (ptrdiff_t)tiles * 16;
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

DEAI_CLONES void deai_winograd_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const ptrdiff_t pairs = (ptrdiff_t)c.channels * c.filters;
    const ptrdiff_t plane = (ptrdiff_t)TILES(c.output_height) * TILES(c.output_width) * 16;
    float *s = scratch, *v = s + 16 * pairs, *z = v + c.channels * plane;
    for (ptrdiff_t i = 0; i < 16 * pairs; i++) s[i] = 0;
    for (int group = first_group; group < end_group; group++)
        for (int point = 0; point < 16; point++) {
            const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
            transform_point(&c, origin, dy + group * c.y.group, point, v, z);
            multiply_point(&c, v, z, s + point * pairs);
        }
    // Gᵀ S G.
    for (ptrdiff_t i = 0; i < pairs; i++) {
        float rows[3][4];
        UNROLL for (int q = 0; q < 4; q++) {
            const float a = s[q * pairs + i], b = s[(4 + q) * pairs + i], d = s[(8 + q) * pairs + i],
                        e = s[(12 + q) * pairs + i];
            rows[0][q] = a + 0.5f * (b + d);
            rows[1][q] = 0.5f * (b - d);
            rows[2][q] = 0.5f * (b + d) + e;
        }
        UNROLL for (int u = 0; u < 3; u++) {
            filter[(3 * u) * pairs + i] = rows[u][0] + 0.5f * (rows[u][1] + rows[u][2]);
            filter[(3 * u + 1) * pairs + i] = 0.5f * (rows[u][1] - rows[u][2]);
            filter[(3 * u + 2) * pairs + i] = 0.5f * (rows[u][1] + rows[u][2]) + rows[u][3];
        }
    }
    if (bias) bias_gradient(&c, dy, bias, first_group, end_group);
}
