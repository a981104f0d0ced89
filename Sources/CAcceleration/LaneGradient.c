#include "Lanes.h"

// A tile of filter gradients: `rows` elements of the kernel times `filters`, summed over places, groups and lanes.
INLINE void gradient_tile(
    const deai_lane_convolution *c, const float *x, const float *dy, float *filter, int row, int rows, int first,
    int filters, int stride, int first_group, int end_group, int adding) {
    v16 sums[4][6];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int f = 0; f < filters; f++) sums[r][f] = (v16){0};
    ptrdiff_t offsets[4];
    UNROLL for (int r = 0; r < rows; r++) {
        const int channel = (row + r) % c->channels, tap = (row + r) / c->channels;
        const int u = tap / c->kernel_width - c->padding, v = tap % c->kernel_width - c->padding;
        offsets[r] = channel * c->x.plane + u * c->x.row + v * 16;
    }
    const ptrdiff_t plane = c->y.plane;
    for (int group = first_group; group < end_group; group++)
        for (int i = 0; i < c->output_height; i++) {
            const float *image = x + group * c->x.group + i * stride * c->x.row;
            const float *slope = dy + group * c->y.group + first * plane + i * c->y.row;
            for (int j = 0; j < c->output_width; j++) {
                v16 d[6];
                UNROLL for (int f = 0; f < filters; f++) d[f] = *(const v16 *)(slope + f * plane);
                UNROLL for (int r = 0; r < rows; r++) {
                    const v16 at = *(const v16 *)(image + offsets[r]);
                    UNROLL for (int f = 0; f < filters; f++) sums[r][f] += at * d[f];
                }
                image += 16 * stride;
                slope += 16;
            }
        }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int f = 0; f < filters; f++) {
            float lanes[16];
            *(v16 *)lanes = sums[r][f];
            float *target = filter + (ptrdiff_t)(row + r) * c->filters + first + f;
            *target = adding ? *target + total(lanes) : total(lanes);
        }
}

INLINE void gradient_columns(
    const deai_lane_convolution *c, const float *x, const float *dy, float *filter, int first, int filters,
    int stride, int first_group, int end_group, int adding) {
    const int rows = c->kernel_height * c->kernel_width * c->channels;
    int row = 0;
    for (; row + 4 <= rows; row += 4)
        gradient_tile(c, x, dy, filter, row, 4, first, filters, stride, first_group, end_group, adding);
    for (; row < rows; row++) 
        gradient_tile(c, x, dy, filter, row, 1, first, filters, stride, first_group, end_group, adding);
}

DEAI_CLONES void deai_lane_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int first_group,
    int end_group) {
    const deai_lane_convolution c = *conv;
    for (int f = 0, width; f < c.filters; f += width) {
        width = tile_width(c.filters - f);
        if (c.stride == 1)
            WITH_WIDTH(width, gradient_columns(&c, x, dy, filter, f, filters, 1, first_group, end_group, 0))
        else
            WITH_WIDTH(width, gradient_columns(&c, x, dy, filter, f, filters, c.stride, first_group, end_group, 0))
    }
    if (bias) bias_gradient(&c, dy, bias, first_group, end_group);
}

DEAI_CLONES void deai_lane_pooled_filter_gradient(
    const deai_lane_convolution *conv, const deai_pool *pool, const float *x, const float *dy, const uint8_t *places,
    float *filter, float *bias, float *scratch, int first_group, int end_group) {
    deai_lane_convolution c = *conv;
    c.y.group = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)c.kernel_height * c.kernel_width * c.channels * c.filters; i++) filter[i] = 0;
    for (int f = 0; f < c.filters; f++) bias[f] = 0;
    for (int group = first_group; group < end_group; group++) {
        deai_pool_backward(pool, dy, places, scratch, group, group + 1);
        for (int f = 0, width; f < c.filters; f += width) {
            width = tile_width(c.filters - f);
            WITH_WIDTH(width, gradient_columns(&c, x, scratch, filter, f, filters, 1, group, group + 1, 1))
        }
        // The bias's gradient takes the places of the pooled one: what survived the ReLU, once each.
        for (int f = 0; f < c.filters; f++) {
            const float *slope = dy + group * pool->y.image + f * pool->y.block;
            const uint8_t *where =
                places + ((ptrdiff_t)group * pool->blocks + f) * pool->output_height * pool->output_width * 16;
            v16 sum = {0};
            for (int i = 0; i < pool->output_height; i++)
                for (int j = 0; j < pool->output_width; j++, where += 16) {
                    const i16x place = __builtin_convertvector(*(const b16 *)where, i16x);
                    sum += (v16)(*(const i16x *)(slope + i * pool->y.row + j * 16) & (place != 255));
                }
            float lanes[16];
            *(v16 *)lanes = sum;
            bias[f] += total(lanes);
        }
    }
}
