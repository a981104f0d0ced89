#include "Lanes.h"

// A tile of filter gradients: `rows` elements of the kernel times `filters`, summed over places, groups and lanes.
INLINE void gradient_tile(
    const deai_lane_convolution *c, const float *x, const float *dy, float *filter, int row, int rows, int first,
    int filters, int first_group, int end_group) {
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
            const float *image = x + group * c->x.group + i * c->x.row;
            const float *slope = dy + group * c->y.group + first * plane + i * c->y.row;
            for (int j = 0; j < c->output_width; j++) {
                v16 d[6];
                UNROLL for (int f = 0; f < filters; f++) d[f] = *(const v16 *)(slope + f * plane);
                UNROLL for (int r = 0; r < rows; r++) {
                    const v16 at = *(const v16 *)(image + offsets[r]);
                    UNROLL for (int f = 0; f < filters; f++) sums[r][f] += at * d[f];
                }
                image += 16;
                slope += 16;
            }
        }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int f = 0; f < filters; f++) {
            float lanes[16];
            *(v16 *)lanes = sums[r][f];
            filter[(ptrdiff_t)(row + r) * c->filters + first + f] = total(lanes);
        }
}

INLINE void gradient_columns(
    const deai_lane_convolution *c, const float *x, const float *dy, float *filter, int first, int filters,
    int first_group, int end_group) {
    const int rows = c->kernel_height * c->kernel_width * c->channels;
    int row = 0;
    for (; row + 4 <= rows; row += 4)
        gradient_tile(c, x, dy, filter, row, 4, first, filters, first_group, end_group);
    for (; row < rows; row++) gradient_tile(c, x, dy, filter, row, 1, first, filters, first_group, end_group);
}

DEAI_CLONES void deai_lane_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int first_group,
    int end_group) {
    const deai_lane_convolution c = *conv;
    int f = 0;
    for (; f + 6 <= c.filters; f += 6) gradient_columns(&c, x, dy, filter, f, 6, first_group, end_group);
    for (; f + 4 <= c.filters; f += 4) gradient_columns(&c, x, dy, filter, f, 4, first_group, end_group);
    for (; f + 2 <= c.filters; f += 2) gradient_columns(&c, x, dy, filter, f, 2, first_group, end_group);
    for (; f < c.filters; f++) gradient_columns(&c, x, dy, filter, f, 1, first_group, end_group);
    bias_gradient(&c, dy, bias, first_group, end_group);
}
