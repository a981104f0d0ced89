#include "FilterSums.h"

// Where an element of the kernel (tap, then channel) begins to read x.
INLINE ptrdiff_t tap_offset(const deai_lane_convolution *c, int row) {
    const int channel = row % c->channels, tap = row / c->channels;
    const int u = tap / c->kernel_width - c->padding, v = tap % c->kernel_width - c->padding;
    return channel * c->x.plane + u * c->x.row + v * 16;
}

// A tile of filter gradients: `rows` elements of the kernel times `filters`, summed over places, groups and lanes.
INLINE void gradient_tile(
    const deai_lane_convolution *c, const float *x, const float *dy, float *filter, int row, int rows, int first,
    int filters, int stride, int first_group, int end_group, int adding) {
    v16 sums[4][6];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int f = 0; f < filters; f++) sums[r][f] = (v16){0};
    ptrdiff_t offsets[4];
    UNROLL for (int r = 0; r < rows; r++) offsets[r] = tap_offset(c, row + r);
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

INLINE void clear_gradients(const deai_lane_convolution *c, float *filter, float *bias) {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)c->kernel_height * c->kernel_width * c->channels * c->filters; i++)
        filter[i] = 0;
    if (bias)
        for (int f = 0; f < c->filters; f++) bias[f] = 0;
}

DEAI_CLONES void deai_lane_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int adding,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    for (int f = 0, width; f < c.filters; f += width) {
        width = tile_width(c.filters - f);
        if (c.stride == 1)
            WITH_WIDTH(width, gradient_columns(&c, x, dy, filter, f, filters, 1, first_group, end_group, adding))
        else
            WITH_WIDTH(
                width, gradient_columns(&c, x, dy, filter, f, filters, c.stride, first_group, end_group, adding))
    }
    if (bias) bias_gradient(&c, dy, bias, adding, first_group, end_group);
}

DEAI_CLONES void deai_lane_pooled_filter_gradient(
    const deai_lane_convolution *conv, const deai_pool *pool, const float *x, const float *dy, const uint8_t *places,
    float *filter, float *bias, float *scratch, int adding, int first_group, int end_group) {
    deai_lane_convolution c = *conv;
    c.y.group = 0;
    if (!adding) clear_gradients(&c, filter, bias);
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

// Rows of the result whose slopes are turned together, so that they stay in the second level of the cache.
INLINE int turned_rows(const deai_lane_convolution *c) {
    const ptrdiff_t rows = 65536 / ((ptrdiff_t)c->output_width * c->filters * 16);
    return rows < 1 ? 1 : rows < c->output_height ? (int)rows : c->output_height;
}

ptrdiff_t deai_lane_turned_scratch(const deai_lane_convolution *conv) {
    if (conv->filters % 16 || conv->kernel_height * conv->kernel_width * conv->channels % 8) return 0;
    return (ptrdiff_t)turned_rows(conv) * conv->output_width * 16 * conv->filters;
}

DEAI_CLONES void deai_lane_turned_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int adding, int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const int most = turned_rows(&c), width = c.output_width, taps = c.kernel_height * c.kernel_width;
    if (!adding) clear_gradients(&c, filter, bias);
    for (int group = first_group; group < end_group; group++)
        for (int top = 0; top < c.output_height; top += most) {
            const int count = c.output_height - top < most ? c.output_height - top : most;
            for (int f = 0; f < c.filters; f += 16)
                for (int place = 0; place < count * width; place++) {
                    const float *slope = dy + group * c.y.group + f * c.y.plane + (top + place / width) * c.y.row;
                    turn(
                        slope + place % width * 16, c.y.plane, 16, scratch + (ptrdiff_t)place * 16 * c.filters + f,
                        c.filters);
                }
            for (int row = 0; row < taps * c.channels; row += 8) {
                ptrdiff_t offsets[8];
                for (int r = 0; r < 8; r++) offsets[r] = tap_offset(&c, row + r);
                for (int i = 0; i < count; i++)
                    multiply_rows(
                        x + group * c.x.group + (top + i) * c.stride * c.x.row, offsets, 16 * c.stride, width,
                        scratch + (ptrdiff_t)i * width * 16 * c.filters, c.filters, filter + (ptrdiff_t)row * c.filters, 8);
            }
            if (bias)
                for (ptrdiff_t k = 0; k < (ptrdiff_t)count * width * 16; k++)
                    for (int f = 0; f < c.filters; f++) bias[f] += scratch[k * c.filters + f];
        }
}
