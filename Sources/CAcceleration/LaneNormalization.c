#include <math.h>

#include "Lanes.h"

// A statement, not a function: how vectors are passed depends on the machine.
#define sum_of(vector) ({ float lanes[16]; *(v16 *)lanes = (vector); total(lanes); })

INLINE void clear(float *numbers, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) numbers[i] = 0;
}

// The border of one plane: `border` vectors on each side.
INLINE void clear_border(float *plane, ptrdiff_t row, int height, int width, int border) {
    if (border == 0) return;
    const ptrdiff_t line = (ptrdiff_t)(width + 2 * border) * 16;
    float *start = plane - border * row - border * 16;
    for (int i = 0; i < border; i++) clear(start + i * row, line);
    for (int i = 0; i < height; i++) {
        clear(plane + i * row - border * 16, border * 16);
        clear(plane + i * row + width * 16, border * 16);
    }
    for (int i = 0; i < border; i++) clear(start + (border + height + i) * row, line);
}

DEAI_CLONES void deai_lane_moments(
    const deai_extent *extent, const deai_planes *planes, const float *x, float *statistics, int first_group,
    int end_group) {
    const deai_extent e = *extent;
    const deai_planes p = *planes;
    const float count = 16.0f * e.height * e.width;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            const float *plane = x + group * p.group + c * p.plane;
            v16 sums[4] = {{0}, {0}, {0}, {0}};
            for (int i = 0; i < e.height; i++) {
                const float *line = plane + i * p.row;
                int j = 0;
                for (; j + 4 <= e.width; j += 4)
                    UNROLL for (int q = 0; q < 4; q++) sums[q] += *(const v16 *)(line + (j + q) * 16);
                for (; j < e.width; j++) sums[0] += *(const v16 *)(line + j * 16);
            }
            const float mean = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3])) / count;
            const v16 middle = splat16(mean);
            UNROLL for (int q = 0; q < 4; q++) sums[q] = (v16){0};
            for (int i = 0; i < e.height; i++) {
                const float *line = plane + i * p.row;
                int j = 0;
                for (; j + 4 <= e.width; j += 4)
                    UNROLL for (int q = 0; q < 4; q++) {
                        const v16 d = *(const v16 *)(line + (j + q) * 16) - middle;
                        sums[q] += d * d;
                    }
                for (; j < e.width; j++) {
                    const v16 d = *(const v16 *)(line + j * 16) - middle;
                    sums[0] += d * d;
                }
            }
            float *target = statistics + ((ptrdiff_t)group * e.channels + c) * 2;
            target[0] = mean;
            target[1] = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
        }
}

void deai_lane_statistics(
    const float *moments, int groups, int channels, float count, float *mean, float *variance) {
    for (int c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int group = 0; group < groups; group++) sum += moments[((ptrdiff_t)group * channels + c) * 2];
        const double middle = sum / groups;
        for (int group = 0; group < groups; group++) {
            const float *m = moments + ((ptrdiff_t)group * channels + c) * 2;
            squares += m[1] + count * (m[0] - middle) * (m[0] - middle);
        }
        mean[c] = (float)middle;
        variance[c] = (float)(squares / ((double)count * groups));
    }
}

DEAI_CLONES void deai_lane_normalize(
    const deai_lane_normalization *norm, const float *x, const float *scale, const float *shift, const float *mean,
    const float *variance, const float *other, float *y, int first_group, int end_group) {
    const deai_lane_normalization n = *norm;
    const deai_extent e = n.extent;
    const v16 floor = splat16(n.rectified ? 0 : -INFINITY);
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            const float *source = x + group * n.x.group + c * n.x.plane;
            const float *added = other ? other + group * n.other.group + c * n.other.plane : 0;
            float *target = y + group * n.y.group + c * n.y.plane;
            const float slope = scale[c] / sqrtf(variance[c] + n.epsilon);
            const v16 a = splat16(slope), m = splat16(mean[c]), b = splat16(shift[c]);
            clear_border(target, n.y.row, e.height, e.width, n.border);
            for (int i = 0; i < e.height; i++) {
                const float *from = source + i * n.x.row;
                const float *plus = added + i * n.other.row;
                float *to = target + i * n.y.row;
                for (int j = 0; j < e.width; j++) {
                    v16 v = (*(const v16 *)(from + j * 16) - m) * a + b;
                    if (added) v += *(const v16 *)(plus + j * 16);
                    *(v16 *)(to + j * 16) = SELECT(~(v <= floor), v, floor);
                }
            }
        }
}

DEAI_CLONES void deai_lane_normalization_sums(
    const deai_extent *extent, const deai_planes *dy_planes, const float *dy, const deai_planes *x_planes,
    const float *x, const float *mean, float *sums, int first_group, int end_group) {
    const deai_extent e = *extent;
    const deai_planes d = *dy_planes, p = *x_planes;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            const v16 middle = splat16(mean[c]);
            v16 plain[2] = {{0}, {0}}, tilted[2] = {{0}, {0}};
            for (int i = 0; i < e.height; i++) {
                const float *slope = dy + group * d.group + c * d.plane + i * d.row;
                const float *line = x + group * p.group + c * p.plane + i * p.row;
                int j = 0;
                for (; j + 2 <= e.width; j += 2)
                    UNROLL for (int q = 0; q < 2; q++) {
                        const v16 g = *(const v16 *)(slope + (j + q) * 16);
                        plain[q] += g;
                        tilted[q] += g * (*(const v16 *)(line + (j + q) * 16) - middle);
                    }
                for (; j < e.width; j++) {
                    const v16 g = *(const v16 *)(slope + j * 16);
                    plain[0] += g;
                    tilted[0] += g * (*(const v16 *)(line + j * 16) - middle);
                }
            }
            float *target = sums + ((ptrdiff_t)group * e.channels + c) * 2;
            target[0] = sum_of(plain[0] + plain[1]);
            target[1] = sum_of(tilted[0] + tilted[1]);
        }
}

void deai_lane_normalization_gradients(
    const float *sums, int groups, int channels, const float *variance, float epsilon, float *shift, float *scale) {
    for (int c = 0; c < channels; c++) {
        double plain = 0, tilted = 0;
        for (int group = 0; group < groups; group++) {
            plain += sums[((ptrdiff_t)group * channels + c) * 2];
            tilted += sums[((ptrdiff_t)group * channels + c) * 2 + 1];
        }
        shift[c] = (float)plain;
        scale[c] = (float)(tilted / sqrt((double)variance[c] + epsilon));
    }
}

DEAI_CLONES void deai_lane_normalization_input_gradient(
    const deai_lane_normalization *norm, const float *dy, const float *x, const float *scale, const float *mean,
    const float *variance, const float *dscale, const float *dshift, float count, float *dx, int first_group,
    int end_group) {
    const deai_lane_normalization n = *norm;
    const deai_extent e = n.extent;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            const float *source = x + group * n.x.group + c * n.x.plane;
            const float *slope = dy + group * n.other.group + c * n.other.plane;
            float *target = dx + group * n.y.group + c * n.y.plane;
            const float inverse = 1 / sqrtf(variance[c] + n.epsilon);
            const v16 factor = splat16(scale[c] * inverse), middle = splat16(mean[c]);
            const v16 offset = splat16(dshift[c] / count), tilt = splat16(inverse * dscale[c] / count);
            clear_border(target, n.y.row, e.height, e.width, n.border);
            for (int i = 0; i < e.height; i++) {
                const float *from = source + i * n.x.row, *g = slope + i * n.other.row;
                float *to = target + i * n.y.row;
                for (int j = 0; j < e.width; j++)
                    *(v16 *)(to + j * 16) = factor
                        * (*(const v16 *)(g + j * 16) - offset - (*(const v16 *)(from + j * 16) - middle) * tilt);
            }
        }
}

// One row of a sum, and what the gradients of a normalisation of `line` need of it.
INLINE void add_row(
    const float *left, const float *right, const float *gates, float *to, const float *line, const deai_lane_addition *n,
    float mean, v16 *plain, v16 *tilted) {
    const v16 middle = splat16(mean), low = splat16(n->low), high = splat16(n->high);
    for (int j = 0; j < n->extent.width; j++) {
        v16 v = *(const v16 *)(left + j * 16);
        if (right) v += *(const v16 *)(right + j * 16);
        if (gates) {
            const v16 gate = *(const v16 *)(gates + j * 16);
            v = (v16)((i16x)v & (gate > low) & (gate < high));
        } else if (n->limited) {
            v = SELECT(v <= low, low, v);
            v = SELECT(v >= high, high, v);
        }
        *(v16 *)(to + j * 16) = v;
        if (line) {
            *plain += v;
            *tilted += v * (*(const v16 *)(line + j * 16) - middle);
        }
    }
}

DEAI_CLONES void deai_lane_add(
    const deai_lane_addition *addition, const float *a, const float *b, const float *gates, float *y, const float *x,
    const float *mean, float *sums, int first_group, int end_group) {
    const deai_lane_addition n = *addition;
    const deai_extent e = n.extent;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            const float middle = sums ? mean[c] : 0;
            v16 plain = {0}, tilted = {0};
            for (int i = 0; i < e.height; i++) {
                const float *left = a + group * n.a.group + c * n.a.plane + i * n.a.row;
                const float *right = b ? b + group * n.b.group + c * n.b.plane + i * n.b.row : 0;
                const float *gate = gates ? gates + group * n.gates.group + c * n.gates.plane + i * n.gates.row : 0;
                const float *line = sums ? x + group * n.x.group + c * n.x.plane + i * n.x.row : 0;
                float *to = y + group * n.y.group + c * n.y.plane + i * n.y.row;
                if (gate && line && right)
                    add_row(left, right, gate, to, line, &n, middle, &plain, &tilted);
                else if (gate && line)
                    add_row(left, 0, gate, to, line, &n, middle, &plain, &tilted);
                else
                    add_row(left, right, gate, to, line, &n, middle, &plain, &tilted);
            }
            if (sums) {
                float *target = sums + ((ptrdiff_t)group * e.channels + c) * 2;
                target[0] = sum_of(plain);
                target[1] = sum_of(tilted);
            }
        }
}

DEAI_CLONES void deai_lane_plane_sums(
    const deai_extent *extent, const deai_planes *planes, const float *x, float *rows, int first_group,
    int end_group) {
    const deai_extent e = *extent;
    const deai_planes p = *planes;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            v16 sum = {0};
            for (int i = 0; i < e.height; i++)
                for (int j = 0; j < e.width; j++)
                    sum += *(const v16 *)(x + group * p.group + c * p.plane + i * p.row + j * 16);
            float lanes[16];
            *(v16 *)lanes = sum;
            for (int n = 0; n < 16; n++) rows[((ptrdiff_t)group * 16 + n) * e.channels + c] = lanes[n];
        }
}

DEAI_CLONES void deai_lane_fill(
    const deai_extent *extent, const deai_planes *planes, const float *rows, float *y, int first_group,
    int end_group) {
    const deai_extent e = *extent;
    const deai_planes p = *planes;
    for (int group = first_group; group < end_group; group++)
        for (int c = 0; c < e.channels; c++) {
            float lanes[16];
            for (int n = 0; n < 16; n++) lanes[n] = rows[((ptrdiff_t)group * 16 + n) * e.channels + c];
            const v16 v = *(const v16 *)lanes;
            for (int i = 0; i < e.height; i++)
                for (int j = 0; j < e.width; j++)
                    *(v16 *)(y + group * p.group + c * p.plane + i * p.row + j * 16) = v;
        }
}
