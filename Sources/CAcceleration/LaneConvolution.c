#include "Lanes.h"

int deai_lanes_pay(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") != 0;
#else
    return 0;
#endif
}

// A tile of `filters` results at four places: sums over kernel rows u, columns v and channels.
INLINE void tile(
    const deai_lane_convolution *c, const float *corner, const float *weights, int u0, int u1, int v0, int v1,
    int filters, const ptrdiff_t *places, int count, v16 sums[6][4]) {
    const ptrdiff_t plane = c->x.plane, row = c->x.row, step = c->filters;
    const int channels = c->channels, width = c->kernel_width;
    for (int u = u0; u < u1; u++)
        for (int v = v0; v < v1; v++) {
            const float *x = corner + u * row + v * 16;
            const float *w = weights + (ptrdiff_t)(u * width + v) * channels * step;
            for (int k = 0; k < channels; k++) {
                v16 at[4];
                UNROLL for (int p = 0; p < count; p++) at[p] = *(const v16 *)(x + places[p]);
                UNROLL for (int f = 0; f < filters; f++) {
                    const v16 weight = splat16(w[f]);
                    UNROLL for (int p = 0; p < count; p++) sums[f][p] += weight * at[p];
                }
                x += plane;
                w += step;
            }
        }
}

INLINE void pooled(
    const deai_lane_convolution *c, const float *x, const float *filter, const float *bias, float *y, uint8_t *where,
    int first, int filters) {
    const int rows = c->output_height / 2, columns = c->output_width / 2;
    const ptrdiff_t places[4] = {0, 16, c->x.row, c->x.row + 16};
    const float *origin = x - c->padding * c->x.row - c->padding * 16;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            v16 sums[6][4];
            UNROLL for (int f = 0; f < filters; f++)
                UNROLL for (int p = 0; p < 4; p++) sums[f][p] = splat16(bias[first + f]);
            tile(c, origin + 2 * i * c->x.row + 2 * j * 16, filter + first, 0, c->kernel_height, 0, c->kernel_width,
                 filters, places, 4, sums);
            UNROLL for (int f = 0; f < filters; f++) {
                v16 best = sums[f][0];
                i16x place = {0};
                UNROLL for (int p = 1; p < 4; p++) {
                    const i16x above = ~(sums[f][p] <= best);
                    best = SELECT(above, sums[f][p], best);
                    place = (i16x)SELECT(above, place * 0 + p, place);
                }
                const i16x dead = best <= 0;
                *(v16 *)(y + (first + f) * c->y.plane + i * c->y.row + j * 16) = (v16)(~dead & (i16x)best);
                if (where) {
                    place |= dead;
                    *(b16 *)(where + (((ptrdiff_t)(first + f) * rows + i) * columns + j) * 16) =
                        __builtin_convertvector(place, b16);
                }
            }
        }
}

DEAI_CLONES void deai_lane_convolution_pooled(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, float *y,
    uint8_t *places, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const ptrdiff_t count = (ptrdiff_t)c.filters * (c.output_height / 2) * (c.output_width / 2) * 16;
    for (int group = first_group; group < end_group; group++) {
        const float *source = x + group * c.x.group;
        float *target = y + group * c.y.group;
        uint8_t *where = places ? places + group * count : 0;
        for (int f = 0, width; f < c.filters; f += width) {
            width = tile_width(c.filters - f);
            WITH_WIDTH(width, pooled(&c, source, filter, bias, target, where, f, filters))
        }
    }
}

INLINE void strip(
    const deai_lane_convolution *c, const float *origin, const float *filter, const float *bias, const float *added,
    int rectified, float *y, int first, int filters, int i, int j, int count, int stride, int border, int height,
    int width) {
    const ptrdiff_t places[4] = {0, 16 * stride, 32 * stride, 48 * stride};
    // Row i of the result reads rows i * stride ..< i * stride + kernel of x with its border, of which the border is zero.
    const int row = i * stride, left = j * stride, right = (j + count - 1) * stride;
    const int u0 = border - row > 0 ? border - row : 0;
    const int u1 = border + height - row < c->kernel_height ? border + height - row : c->kernel_height;
    const int v0 = border - right > 0 ? border - right : 0;
    const int v1 = border + width - left < c->kernel_width ? border + width - left : c->kernel_width;
    v16 sums[6][4];
    UNROLL for (int f = 0; f < filters; f++)
        UNROLL for (int p = 0; p < count; p++) sums[f][p] = splat16(bias ? bias[first + f] : 0);
    tile(c, origin + row * c->x.row + left * 16, filter + first, u0, u1, v0, v1, filters, places, count, sums);
    UNROLL for (int f = 0; f < filters; f++)
        UNROLL for (int p = 0; p < count; p++) {
            if (added)
                sums[f][p] += *(const v16 *)(added + (first + f) * c->added.plane + i * c->added.row + (j + p) * 16);
            if (rectified) sums[f][p] = (v16)((i16x)sums[f][p] & ~(sums[f][p] <= 0));
            *(v16 *)(y + (first + f) * c->y.plane + i * c->y.row + (j + p) * 16) = sums[f][p];
        }
}

INLINE void plain_row(
    const deai_lane_convolution *c, const float *x, const float *filter, const float *bias, const float *added,
    int rectified, float *y, int first, int filters, int i, int stride, int height, int width) {
    const int border = c->padding;
    const float *origin = x - border * c->x.row - border * 16;
    int j = 0;
    for (; j + 4 <= c->output_width; j += 4)
        strip(c, origin, filter, bias, added, rectified, y, first, filters, i, j, 4, stride, border, height, width);
    for (; j + 2 <= c->output_width; j += 2)
        strip(c, origin, filter, bias, added, rectified, y, first, filters, i, j, 2, stride, border, height, width);
    for (; j < c->output_width; j++)
        strip(c, origin, filter, bias, added, rectified, y, first, filters, i, j, 1, stride, border, height, width);
}

DEAI_CLONES void deai_lane_convolution_plain(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, const float *added,
    int rectified, float *y, int input_height, int input_width, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    for (int group = first_group; group < end_group; group++) {
        const float *source = x + group * c.x.group;
        const float *more = added ? added + group * c.added.group : 0;
        float *target = y + group * c.y.group;
        // All filters of a row before the next one, whose numbers are still in the cache.
        for (int i = 0; i < c.output_height; i++)
            for (int f = 0, width; f < c.filters; f += width) {
                width = tile_width(c.filters - f);
                if (c.stride == 1)
                    WITH_WIDTH(
                        width,
                        plain_row(
                            &c, source, filter, bias, more, rectified, target, f, filters, i, 1, input_height,
                            input_width))
                else
                    WITH_WIDTH(
                        width,
                        plain_row(
                            &c, source, filter, bias, more, rectified, target, f, filters, i, c.stride, input_height,
                            input_width))
            }
    }
}

// Numbers of one row of dx that are `stride` apart read neighbours of dy: count of them from column j, `filters` channels
// of dx from `first`. The turned filter is [tap][filters of the forward direction][channels].
INLINE void gradient_strip(
    const deai_lane_convolution *c, const float *dy, const float *turned, float *dx, int first, int filters, int i,
    int j, int count) {
    const int stride = c->stride, step = c->channels;
    v16 sums[6][4];
    UNROLL for (int f = 0; f < filters; f++) UNROLL for (int p = 0; p < count; p++) sums[f][p] = (v16){0};
    for (int u = 0; u < c->kernel_height; u++) {
        const int row = i + c->padding - u;
        if (row < 0 || row % stride != 0 || row / stride >= c->output_height) continue;
        for (int v = 0; v < c->kernel_width; v++) {
            const int column = j + c->padding - v;
            if (column % stride != 0) continue;
            // Columns outside are the border of dy.
            const float *at = dy + row / stride * c->y.row + (ptrdiff_t)column / stride * 16;
            const int tap = (c->kernel_height - 1 - u) * c->kernel_width + c->kernel_width - 1 - v;
            const float *w = turned + (ptrdiff_t)tap * c->filters * step + first;
            for (int k = 0; k < c->filters; k++) {
                v16 slopes[4];
                UNROLL for (int p = 0; p < count; p++) slopes[p] = *(const v16 *)(at + p * 16);
                UNROLL for (int f = 0; f < filters; f++) {
                    const v16 weight = splat16(w[f]);
                    UNROLL for (int p = 0; p < count; p++) sums[f][p] += weight * slopes[p];
                }
                at += c->y.plane;
                w += step;
            }
        }
    }
    UNROLL for (int f = 0; f < filters; f++)
        UNROLL for (int p = 0; p < count; p++)
            *(v16 *)(dx + (first + f) * c->x.plane + i * c->x.row + (j + p * stride) * 16) = sums[f][p];
}

INLINE void gradient_row(
    const deai_lane_convolution *c, const float *dy, const float *turned, float *dx, int first, int filters, int i,
    int width) {
    const int stride = c->stride;
    for (int phase = 0; phase < stride && phase < width; phase++) {
        int j = phase;
        for (; j + 3 * stride < width; j += 4 * stride) gradient_strip(c, dy, turned, dx, first, filters, i, j, 4);
        for (; j + stride < width; j += 2 * stride) gradient_strip(c, dy, turned, dx, first, filters, i, j, 2);
        for (; j < width; j += stride) gradient_strip(c, dy, turned, dx, first, filters, i, j, 1);
    }
}

DEAI_CLONES void deai_lane_strided_input_gradient(
    const deai_lane_convolution *conv, const float *dy, const float *turned, float *dx, int input_height,
    int input_width, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    for (int group = first_group; group < end_group; group++)
        for (int i = 0; i < input_height; i++)
            for (int f = 0, count; f < c.channels; f += count) {
                count = tile_width(c.channels - f);
                WITH_WIDTH(
                    count,
                    gradient_row(
                        &c, dy + group * c.y.group, turned, dx + group * c.x.group, f, filters, i, input_width))
            }
}

void deai_turn_filter(const float *filter, int height, int width, int channels, int filters, float *turned) {
    for (int u = 0; u < height; u++)
        for (int v = 0; v < width; v++) {
            const float *from = filter + (ptrdiff_t)((height - 1 - u) * width + width - 1 - v) * channels * filters;
            float *to = turned + (ptrdiff_t)(u * width + v) * channels * filters;
            for (int f = 0; f < filters; f++)
                for (int c = 0; c < channels; c++) to[f * channels + c] = from[c * filters + f];
        }
}
