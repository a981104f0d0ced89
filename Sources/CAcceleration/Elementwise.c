#include "CAcceleration.h"
#include "Targets.h"

DEAI_CLONES void deai_relu_gradient(const float *dy, const float *y, float *dx, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

DEAI_CLONES void deai_column_sums(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, float *sums, ptrdiff_t first, ptrdiff_t end) {
    ptrdiff_t j = first;
    for (; j + 16 <= end; j += 16) {
        v16 sum = {0};
        for (ptrdiff_t i = 0; i < rows; i++) sum += *(const v16 *)(x + i * columns + j);
        *(v16 *)(sums + j) = sum;
    }
    for (; j < end; j++) {
        float sum = 0;
        for (ptrdiff_t i = 0; i < rows; i++) sum += x[i * columns + j];
        sums[j] = sum;
    }
}

DEAI_CLONES void deai_sum_parts(
    const float *parts, ptrdiff_t count, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t length, float *sums) {
    for (ptrdiff_t i = 0; i < length; i++) {
        float sum = parts[first + i];
        for (ptrdiff_t p = 1; p < count; p++) sum += parts[p * stride + first + i];
        sums[i] = sum;
    }
}

DEAI_CLONES void deai_add(const float *a, const float *b, float *y, int rectified, ptrdiff_t count) {
    if (!b)
        for (ptrdiff_t i = 0; i < count; i++) y[i] = a[i];
    else
        for (ptrdiff_t i = 0; i < count; i++) y[i] = a[i] + b[i];
    if (rectified)
        for (ptrdiff_t i = 0; i < count; i++) y[i] = y[i] <= 0 ? 0 : y[i];
}

DEAI_CLONES float deai_peak(ptrdiff_t rounds) {
    v16 sums[16];
    for (int i = 0; i < 16; i++)
        for (int lane = 0; lane < 16; lane++) sums[i][lane] = (float)i * 1e-3f;
    v16 factor, addend;
    for (int lane = 0; lane < 16; lane++) {
        factor[lane] = 0.999f;
        addend[lane] = 1e-3f;
    }
    for (ptrdiff_t round = 0; round < rounds; round++)
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) sums[i] = sums[i] * factor + addend;
    float total = 0;
    for (int i = 0; i < 16; i++) total += sums[i][0];
    return total;
}
