#ifndef DEAI_ACCELERATION_H
#define DEAI_ACCELERATION_H

#include <stddef.h>
#include <stdint.h>

// Kernels of the accelerated executor where they beat the library. Each works on a range that the caller gives
// to one thread; each is compiled for plain x86-64, AVX2 and AVX-512 and chosen when the program starts.

/// Has threads that wait for each other sleep soon, unless the environment says otherwise: where another program has the core of
/// the one that is waited for, one that spins keeps it from the other core. To be called before oneDNN is loaded.
void deai_limit_waiting(void);

/// Finds the runtime of the threads; null, or why not. The two functions below need it.
const char *deai_load_threads(void);

/// Calls `body(context, thread, threads)` on `threads` threads of the runtime that oneDNN itself uses, and waits.
void deai_parallel(int threads, void (*body)(void *context, int thread, int threads), void *context);

/// How many threads the library's parallel loops take when called from this thread.
void deai_set_threads(int threads);

/// Asks the system to back this memory with large pages; without effect where it has none.
void deai_prefer_large_pages(void *memory, size_t bytes);

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

/// y = a + b, at least 0 when `rectified`; b may be null.
void deai_add(const float *a, const float *b, float *y, int rectified, ptrdiff_t count);

/// y = x * weights + bias for a few rows [rows][inputs], weights [inputs][outputs], outputs first ..< end, a multiple of sixteen;
/// at least 0 when `rectified`; bias may be null.
void deai_dense_rows(
    const float *x, int rows, ptrdiff_t inputs, const float *weights, ptrdiff_t outputs, const float *bias, int rectified,
    float *y, int first, int end);

/// Multiplies and adds that nothing but the arithmetic units holds up: 2 * 16 * 16 * `rounds` operations on numbers.
float deai_peak(ptrdiff_t rounds);

/// sums[j] = sum over i of x[i * columns + j], for columns first ..< end.
void deai_column_sums(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, float *sums, ptrdiff_t first, ptrdiff_t end);

/// sums[i] = sum over p of parts[p * stride + first + i], p ascending.
void deai_sum_parts(
    const float *parts, ptrdiff_t count, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t length, float *sums);

// Images in lanes: sixteen images side by side, so that any number of channels fills the vectors. An array is
// [group of 16 images][channel][row][column][16]; around each plane of a channel there may be a border of zeros.

/// Distances in floats; addresses passed with it point at the first number inside the border.
typedef struct {
    ptrdiff_t group, plane, row;
} deai_planes;

/// A convolution.
typedef struct {
    int channels, filters, kernel_height, kernel_width;
    int stride;                       ///< 1 where a kernel does not say that it takes others
    int padding;                      ///< x has a border at least that wide
    int output_height, output_width;
    deai_planes x, y;
    deai_planes added;                ///< of what is added to the result, where a kernel takes it
} deai_lane_convolution;

/// Whether the kernels with images in lanes are the faster ones on this machine.
int deai_lanes_pay(void);

/// y = max(0, maximum of each 2x2 window of conv(x, filter HWIO) + bias); `places` (may be null) gets which element,
/// 255 where none is above 0: [group][filter][row][column][16]. `conv.y` are the planes of the pooled result.
void deai_lane_convolution_pooled(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, float *y,
    uint8_t *places, int first_group, int end_group);

/// y = conv(x, filter) + bias + added, at least 0 when `rectified`; bias and `added` may be null; any stride. With the
/// result of `deai_turn_filter` the gradient of a convolution with respect to its image. Border rows and columns are
/// passed over.
void deai_lane_convolution_plain(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, const float *added,
    int rectified, float *y, int input_height, int input_width, int first_group, int end_group);

/// The gradient of a convolution of any stride with respect to its image, with a turned filter (whose taps are counted
/// from the other end): `conv` is that of the forward direction, its x the planes of the gradient dx, its y those of dy.
void deai_lane_strided_input_gradient(
    const deai_lane_convolution *conv, const float *dy, const float *turned, float *dx, int input_height,
    int input_width, int first_group, int end_group);

/// turned[u][v][f][c] = filter[height - 1 - u][width - 1 - v][c][f].
void deai_turn_filter(const float *filter, int height, int width, int channels, int filters, float *turned);

/// Gradients of filter (HWIO) and bias (may be null) over some groups, written, or added where `adding`; any stride.
void deai_lane_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int adding,
    int first_group, int end_group);

/// The same, faster for kernels of several taps over many places: with whole vectors of filters in the lanes.
void deai_lane_turned_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int adding, int first_group, int end_group);

/// Floats of scratch that a thread needs for it; 0 where it does not apply.
ptrdiff_t deai_lane_turned_scratch(const deai_lane_convolution *conv);

/// The same from the gradient of the pooled result, for a first layer, whose own gradient nobody else needs: it
/// stays in `scratch` (planes of one group as in `conv.y`; `pool.x.image` must be 0) and in the cache.
void deai_lane_pooled_filter_gradient(
    const deai_lane_convolution *conv, const deai_pool *pool, const float *x, const float *dy, const uint8_t *places,
    float *filter, float *bias, float *scratch, int adding, int first_group, int end_group);

/// The same three for a kernel of each channel, with a filter [row][column][channel] that is never turned; `conv` is that of the
/// forward direction, with as many filters as channels.
void deai_lane_depthwise(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, int rectified, float *y,
    int first_group, int end_group);
void deai_lane_depthwise_input_gradient(
    const deai_lane_convolution *conv, const float *dy, const float *filter, float *dx, int input_height, int input_width,
    int first_group, int end_group);
void deai_lane_depthwise_filter_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, int adding,
    int first_group, int end_group);

/// What follows a convolution by Winograd's method.
enum { DEAI_PLAIN, DEAI_RECTIFIED, DEAI_POOLED };

/// The convolution with a kernel of 3x3 by Winograd's method: plain or rectified (bias and `added` may be null), or the
/// same as `deai_lane_convolution_pooled`, for even results.
/// With `prepare` the filter is transformed into `scratch`; later calls for other groups may leave that out.
void deai_winograd(
    const deai_lane_convolution *conv, const float *x, const float *filter, const float *bias, const float *added,
    int after, float *y, uint8_t *places, float *scratch, int prepare, int first_group, int end_group);

/// The same as `deai_lane_filter_gradient`. The sums for the filter stay in `scratch` between calls; with `finish` the
/// filter is made of them.
void deai_winograd_gradient(
    const deai_lane_convolution *conv, const float *x, const float *dy, float *filter, float *bias, float *scratch,
    int adding, int finish, int first_group, int end_group);

/// Floats of scratch that a thread needs for either.
ptrdiff_t deai_winograd_scratch(const deai_lane_convolution *conv);
ptrdiff_t deai_winograd_gradient_scratch(const deai_lane_convolution *conv);

/// The convolution by Winograd's method with channels in lanes, [image][block of 16 channels][row][column][16] without any
/// border: `conv.x.group` is from image to image, `conv.x.plane` from block to block, and `pixel` from column to column of y.
/// Channels and filters are multiples of sixteen, the bias may be null. Some filters, which `deai_winograd_blocked_filters`
/// made ready in `u`, at some tiles of four by four results, for each image; `after` as of `deai_winograd`, and when pooled
/// sizes are even and y is what is pooled.
void deai_winograd_blocked(
    const deai_lane_convolution *conv, int images, const float *x, const float *u, const float *bias, int after, float *y,
    ptrdiff_t pixel, float *scratch, int first_filter, int end_filter, int first_tile, int end_tile);

/// The points of some filters, [36][channels][end - first], from row-major filters, [3][3][channels][filters].
void deai_winograd_blocked_filters(
    const deai_lane_convolution *conv, const float *filter, int first, int end, float *u);

/// Floats of the points of so many filters.
ptrdiff_t deai_winograd_blocked_filter_count(const deai_lane_convolution *conv, int filters);

/// Floats of scratch that a thread needs for it.
ptrdiff_t deai_winograd_blocked_scratch(const deai_lane_convolution *conv);

/// Between row-major images [n][h][w][c] and planes.
void deai_lanes_from_rows(
    const float *rows, int height, int width, int channels, const deai_planes *planes, float *lanes, int first_group,
    int end_group);
void deai_rows_from_lanes(
    const float *lanes, int height, int width, int channels, const deai_planes *planes, float *rows, int first_group,
    int end_group);

// Batch normalisation and what stands around it, on images in lanes.

/// Planes of some channels; addresses passed with it point at the first number inside the border.
typedef struct {
    int channels, height, width;
} deai_extent;

/// statistics[group][channel] = {mean, sum of squared distances from it} of each plane of sixteen images.
void deai_lane_moments(
    const deai_extent *extent, const deai_planes *planes, const float *x, float *statistics, int first_group,
    int end_group);

/// Mean and variance of each channel over all groups, from the moments of planes of `count` numbers.
void deai_lane_statistics(
    const float *moments, int groups, int channels, float count, float *mean, float *variance);

/// y = (x - mean) * scale / sqrt(variance + epsilon) + shift, plus `other` (may be null), at least 0 when `rectified`;
/// the border of y, `border` wide, becomes zero.
typedef struct {
    deai_extent extent;
    deai_planes x, y, other;
    float epsilon;
    int rectified, border;
} deai_lane_normalization;
void deai_lane_normalize(
    const deai_lane_normalization *n, const float *x, const float *scale, const float *shift, const float *mean,
    const float *variance, const float *other, float *y, int first_group, int end_group);

/// sums[group][channel] = {sum of dy, sum of dy * (x - mean)}.
void deai_lane_normalization_sums(
    const deai_extent *extent, const deai_planes *dy_planes, const float *dy, const deai_planes *x_planes,
    const float *x, const float *mean, float *sums, int first_group, int end_group);

/// The gradients of shift and scale from the sums of all groups.
void deai_lane_normalization_gradients(
    const float *sums, int groups, int channels, const float *variance, float epsilon, float *shift, float *scale);

/// dx = scale / sqrt(variance + epsilon) * (dy - dshift / count - (x - mean) / sqrt(variance + epsilon) * dscale / count);
/// `n->other` are the planes of dy, and the border of dx (planes `n->y`) becomes zero.
void deai_lane_normalization_input_gradient(
    const deai_lane_normalization *n, const float *dy, const float *x, const float *scale, const float *mean,
    const float *variance, const float *dscale, const float *dshift, float count, float *dx, int first_group,
    int end_group);

/// y = a + b; b may be null. When `limited`, y is kept between `low` and `high`, unless there are `gates`: then it is 0 where those
/// are not strictly between them.
/// Where y is the gradient of a normalised x, `sums` (may be null) gets what `deai_lane_normalization_sums` gives.
typedef struct {
    deai_extent extent;
    deai_planes a, b, gates, y, x;
    int limited;
    float low, high;
} deai_lane_addition;
void deai_lane_add(
    const deai_lane_addition *addition, const float *a, const float *b, const float *gates, float *y, const float *x,
    const float *mean, float *sums, int first_group, int end_group);

/// rows[image][channel] = sum of the plane; and the way back, every number of a plane the same.
void deai_lane_plane_sums(
    const deai_extent *extent, const deai_planes *planes, const float *x, float *rows, int first_group, int end_group);
void deai_lane_fill(
    const deai_extent *extent, const deai_planes *planes, const float *rows, float *y, int first_group, int end_group);

#endif
