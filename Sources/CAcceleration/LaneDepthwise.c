#include "Lanes.h"

// Convolutions of each channel with a kernel of its own. The filter is [row][column][channel]; addresses of it are those of one
// channel, and `step` leads from tap to tap, backwards for a turned kernel.

// `count` neighbours of the result, by a kernel of 3x3, whose weights are followed by the bias.
INLINE void strip3(
    const float *x, ptrdiff_t row, const v16 weights[10], int stride, int rectified, float *y, int count) {
    v16 sums[4];
    UNROLL for (int p = 0; p < count; p++) sums[p] = weights[9];
    UNROLL for (int u = 0; u < 3; u++)
        UNROLL for (int v = 0; v < 3; v++)
            UNROLL for (int p = 0; p < count; p++)
                sums[p] += weights[3 * u + v] * *(const v16 *)(x + u * row + (p * stride + v) * 16);
    UNROLL for (int p = 0; p < count; p++)
        *(v16 *)(y + p * 16) = rectified ? (v16)((i16x)sums[p] & ~(sums[p] <= 0)) : sums[p];
}

INLINE void rows3(
    const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row, int rows, int columns, const float *taps, ptrdiff_t step,
    int stride, float bias, int rectified) {
    v16 weights[10];
    UNROLL for (int k = 0; k < 9; k++) weights[k] = splat16(taps[k * step]);
    weights[9] = splat16(bias);
    for (int i = 0; i < rows; i++) {
        const float *from = x + (ptrdiff_t)i * stride * x_row;
        float *to = y + i * y_row;
        int j = 0;
        for (; j + 4 <= columns; j += 4)
            strip3(from + (ptrdiff_t)j * stride * 16, x_row, weights, stride, rectified, to + j * 16, 4);
        for (; j < columns; j++)
            strip3(from + (ptrdiff_t)j * stride * 16, x_row, weights, stride, rectified, to + j * 16, 1);
    }
}

// A plane of results from one whose first window begins at x.
INLINE void convolve(
    const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row, int rows, int columns, const float *taps, ptrdiff_t step,
    int height, int width, int stride, float bias, int rectified) {
    if (height == 3 && width == 3 && stride == 1)
        rows3(x, x_row, y, y_row, rows, columns, taps, step, 1, bias, rectified);
    else if (height == 3 && width == 3 && stride == 2)
        rows3(x, x_row, y, y_row, rows, columns, taps, step, 2, bias, rectified);
    else
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                const float *corner = x + (ptrdiff_t)i * stride * x_row + (ptrdiff_t)j * stride * 16;
                v16 sum = splat16(bias);
                for (int u = 0; u < height; u++)
                    for (int v = 0; v < width; v++)
                        sum += splat16(taps[(u * width + v) * step]) * *(const v16 *)(corner + u * x_row + v * 16);
                *(v16 *)(y + i * y_row + j * 16) = rectified ? (v16)((i16x)sum & ~(sum <= 0)) : sum;
            }
}

DEAI_CLONES void deai_lane_depthwise(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, int rectified, float *y,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    for (int group = first_group; group < end_group; group++)
        for (int k = 0; k < c.channels; k++)
            convolve(
                x + group * c.x.group + k * c.x.plane - c.padding * (c.x.row + 16), c.x.row,
                y + group * c.y.group + k * c.y.plane, c.y.row, c.output_height, c.output_width, filter + k, c.channels,
                c.kernel_height, c.kernel_width, c.stride, bias ? bias[k] : 0, rectified);
}

// Numbers of one row of dx that are `stride` apart read neighbours of dy: count of them from column j.
INLINE void gradient_strip(
    const deai_lane_convolution *c, const float *dy, const float *taps, float *dx, int i, int j, int count) {
    v16 sums[4];
    UNROLL for (int p = 0; p < count; p++) sums[p] = (v16){0};
    for (int u = 0; u < c->kernel_height; u++) {
        const int row = i + c->padding - u;
        if (row < 0 || row % c->stride != 0 || row / c->stride >= c->output_height) continue;
        for (int v = 0; v < c->kernel_width; v++) {
            const int column = j + c->padding - v;
            if (column % c->stride != 0) continue;
            // Columns outside are the border of dy.
            const float *at = dy + row / c->stride * c->y.row + (ptrdiff_t)column / c->stride * 16;
            const v16 weight = splat16(taps[(u * c->kernel_width + v) * c->channels]);
            UNROLL for (int p = 0; p < count; p++) sums[p] += weight * *(const v16 *)(at + p * 16);
        }
    }
    UNROLL for (int p = 0; p < count; p++)
        *(v16 *)(dx + i * c->x.row + (j + p * c->stride) * 16) = sums[p];
}

DEAI_CLONES void deai_lane_depthwise_input_gradient(
    const deai_lane_convolution *conv, const float *dy, const float *filter, float *dx, int input_height, int input_width,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const int taps = c.kernel_height * c.kernel_width, stride = c.stride;
    const int above = c.kernel_height - 1 - c.padding, before = c.kernel_width - 1 - c.padding;
    for (int group = first_group; group < end_group; group++)
        for (int k = 0; k < c.channels; k++) {
            const float *slopes = dy + group * c.y.group + k * c.y.plane;
            float *target = dx + group * c.x.group + k * c.x.plane;
            if (stride == 1) {
                convolve(
                    slopes - above * c.y.row - before * 16, c.y.row, target, c.x.row, input_height, input_width,
                    filter + (ptrdiff_t)(taps - 1) * c.channels + k, -c.channels, c.kernel_height, c.kernel_width, 1, 0, 0);
                continue;
            }
            for (int i = 0; i < input_height; i++)
                for (int phase = 0; phase < stride && phase < input_width; phase++) {
                    int j = phase;
                    for (; j + 3 * stride < input_width; j += 4 * stride)
                        gradient_strip(&c, slopes, filter + k, target, i, j, 4);
                    for (; j < input_width; j += stride) gradient_strip(&c, slopes, filter + k, target, i, j, 1);
                }
        }
}

// Sums for the nine taps of one channel over the places of one plane.
INLINE void gradient3(const deai_lane_convolution *c, const float *x, const float *dy, int stride, v16 sums[9]) {
    for (int i = 0; i < c->output_height; i++) {
        const float *corner = x + (ptrdiff_t)i * stride * c->x.row, *slope = dy + i * c->y.row;
        int j = 0;
#define PLACES(count) \
    UNROLL for (int p = 0; p < count; p++) { \
        const v16 d = *(const v16 *)(slope + (j + p) * 16); \
        UNROLL for (int u = 0; u < 3; u++) \
            UNROLL for (int v = 0; v < 3; v++) \
                sums[3 * u + v] += d * *(const v16 *)(corner + u * c->x.row + ((j + p) * stride + v) * 16); \
    }
        for (; j + 4 <= c->output_width; j += 4) PLACES(4)
        for (; j < c->output_width; j++) PLACES(1)
#undef PLACES
    }
}

// The sum for one tap, at which x begins.
INLINE void gradient_of_tap(const deai_lane_convolution *c, const float *x, const float *dy, v16 *result) {
    v16 sum = {0};
    for (int i = 0; i < c->output_height; i++)
        for (int j = 0; j < c->output_width; j++)
            sum += *(const v16 *)(dy + i * c->y.row + j * 16)
                * *(const v16 *)(x + (ptrdiff_t)i * c->stride * c->x.row + (ptrdiff_t)j * c->stride * 16);
    *result = sum;
}

DEAI_CLONES void deai_lane_depthwise_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int adding,
    int first_group, int end_group) {
    const deai_lane_convolution c = *conv;
    const int taps = c.kernel_height * c.kernel_width, isKnown = c.kernel_height == 3 && c.kernel_width == 3;
    if (!adding)
        for (ptrdiff_t i = 0; i < (ptrdiff_t)taps * c.channels; i++) filter[i] = 0;
    for (int group = first_group; group < end_group; group++)
        for (int k = 0; k < c.channels; k++) {
            const float *corner = x + group * c.x.group + k * c.x.plane - c.padding * (c.x.row + 16);
            const float *slopes = dy + group * c.y.group + k * c.y.plane;
            v16 sums[9] = {{0}};
            if (isKnown && c.stride == 1) gradient3(&c, corner, slopes, 1, sums);
            if (isKnown && c.stride != 1) gradient3(&c, corner, slopes, c.stride, sums);
            for (int tap = 0; tap < taps; tap++) {
                float lanes[16];
                if (isKnown)
                    *(v16 *)lanes = sums[tap];
                else
                    gradient_of_tap(
                        &c, corner + tap / c.kernel_width * c.x.row + tap % c.kernel_width * 16, slopes, (v16 *)lanes);
                filter[(ptrdiff_t)tap * c.channels + k] += total(lanes);
            }
        }
    if (bias) bias_gradient(&c, dy, bias, adding, first_group, end_group);
}
