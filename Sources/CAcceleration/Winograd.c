#include "Winograd.h"

// How many tiles are transformed together: as many as the second level of the cache has room for beside the filters.
INLINE int band_of(const deai_lane_convolution *c) {
    const int tiles = tiles_of(c), some = 64 / c->channels & ~1;
    return some < 2 ? 2 : some < tiles ? some : tiles;
}

INLINE ptrdiff_t pair_step(const deai_lane_convolution *c) { return (ptrdiff_t)c->channels * c->filters + 16; }

ptrdiff_t deai_winograd_scratch(const deai_lane_convolution *conv) {
    return POINTS * (pair_step(conv) + image_step(conv, band_of(conv)));
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

// Aᵀ (U ⊙ V, summed over channels) A for some filters at some tiles.
INLINE void results(
    const deai_lane_convolution *c, const float *u, const float *v, int band, int first, int filters, int count,
    float products[POINTS][6][2][16]) {
    const ptrdiff_t weight_step = pair_step(c), step = image_step(c, band);
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
            images += (ptrdiff_t)band * 16;
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
    const deai_lane_convolution *c, const float *u, const float *v, int band, const float *bias, const float *added,
    int after, float *y, uint8_t *where, int first, int filters, int tile, int count) {
    const int columns = TILES(c->output_width);
    const ptrdiff_t pooled = (ptrdiff_t)(c->output_height / 2) * (c->output_width / 2) * 16;
    float products[POINTS][6][2][16] __attribute__((aligned(64)));
    results(c, u, v, band, first, filters, count, products);
    for (int f = 0; f < filters; f++)
        for (int t = 0; t < count; t++) {
            const int i = tile_start((tile + t) / columns, c->output_height);
            const int j = tile_start((tile + t) % columns, c->output_width);
            float *plane = y + (first + f) * c->y.plane;
            const float *more = added ? added + (first + f) * c->added.plane : 0;
            v16 out[4][4];
            gather(products, f, t, out);
            if (after == DEAI_POOLED) {
                store_pooled(c, out, bias[first + f], plane, where ? where + (first + f) * pooled : 0, i, j);
                continue;
            }
            const v16 offset = splat16(bias ? bias[first + f] : 0);
            UNROLL for (int r = 0; r < 4; r++)
                UNROLL for (int q = 0; q < 4; q++) {
                    if (i + r >= c->output_height || j + q >= c->output_width) continue;
                    v16 result = out[r][q] + offset;
                    if (more) result += *(const v16 *)(more + (i + r) * c->added.row + (j + q) * 16);
                    if (after == DEAI_RECTIFIED) result = (v16)((i16x)result & ~(result <= 0));
                    *(v16 *)(plane + (i + r) * c->y.row + (j + q) * 16) = result;
                }
        }
}

INLINE void some_tiles(
    const deai_lane_convolution *c, const float *u, const float *v, int band, const float *bias, const float *added,
    int after, float *y, uint8_t *where, int tile, int count) {
    for (int f = 0, width; f < c->filters; f += width) {
        width = tile_width(c->filters - f);
        WITH_WIDTH(width, some_filters(c, u, v, band, bias, added, after, y, where, f, filters, tile, count))
    }
}

DEAI_CLONES void deai_winograd(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, const float *added,
    int after, float *y, uint8_t *places, float *scratch, int prepare, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const ptrdiff_t pairs = (ptrdiff_t)c.channels * c.filters;
    const int tiles = tiles_of(&c), most = band_of(&c);
    const ptrdiff_t pooled = (ptrdiff_t)c.filters * (c.output_height / 2) * (c.output_width / 2) * 16;
    float *v = scratch, *u = scratch + POINTS * image_step(&c, most);
    if (prepare) transform_filter(filter, pairs, pair_step(&c), u);
    for (int group = first_group; group < end_group; group++) {
        const float *origin = x + group * c.x.group - c.padding * c.x.row - c.padding * 16;
        const float *more = added ? added + group * c.added.group : 0;
        float *target = y + group * c.y.group;
        uint8_t *where = places ? places + group * pooled : 0;
        for (int first = 0, band; first < tiles; first += band) {
            band = tiles - first < most ? tiles - first : most;
            transform_band(&c, origin, first, band, v, image_step(&c, band));
            int t = 0;
            for (; t + 2 <= band; t += 2)
                some_tiles(&c, u, v + t * 16, band, bias, more, after, target, where, first + t, 2);
            if (t < band) some_tiles(&c, u, v + t * 16, band, bias, more, after, target, where, first + t, 1);
        }
    }
}
