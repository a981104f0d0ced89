#ifndef DEAI_ACCELERATION_H
#define DEAI_ACCELERATION_H

#include <stddef.h>
#include <stdint.h>

// Kernels of the accelerated executor where they beat the library. Each works on a range that the caller gives
// to one thread; each is compiled for plain x86-64, AVX2 and AVX-512 and chosen when the program starts.

/// Calls `body(context, thread, threads)` on `threads` threads of the runtime that oneDNN itself uses, and waits.
void deai_parallel(int threads, void (*body)(void *context, int thread, int threads), void *context);

/// How many threads the library's parallel loops take when called from this thread.
void deai_set_threads(int threads);

/// Where the channels of an image stand: blocks of `lanes` neighbours; distances in floats.
typedef struct {
    ptrdiff_t image, block, row, pixel;
} deai_strides;

/// A maximum pooling whose windows do not overlap.
typedef struct {
    int blocks;      ///< channel blocks of an image
    int lanes;       ///< channels of a block, at most 16
    int last_lanes;  ///< channels of the last block
    int height, width, window;
    int output_height, output_width;
    int rectified;   ///< x came out of a ReLU whose gradient is taken in the same pass
    deai_strides x, y;
} deai_pool;

/// y = maximum of each window; `places` (may be null) gets which element it was, 255 where it is not above 0 and
/// the pooling is rectified: [image][block][row][column][lanes].
void deai_pool_forward(
    const deai_pool *pool, const float *x, float *y, uint8_t *places, int first_image, int end_image);

/// dx = dy at the place of each maximum, 0 elsewhere (everywhere in a window whose place is 255).
void deai_pool_backward(
    const deai_pool *pool, const float *dy, const uint8_t *places, float *dx, int first_image, int end_image);

/// dx = dy where y > 0, else 0.
void deai_relu_gradient(const float *dy, const float *y, float *dx, ptrdiff_t count);

/// sums[j] = sum over i of x[i * columns + j], for columns first ..< end.
void deai_column_sums(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, float *sums, ptrdiff_t first, ptrdiff_t end);

#endif
