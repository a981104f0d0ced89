#include "FilterSums.h"

// Sixteen channels of sixteen images at a time are turned in registers, the rest number by number.

DEAI_CLONES void deai_lanes_from_rows(
    const float *rows, int height, int width, int channels, const deai_planes *planes, float *lanes, int first_group,
    int end_group) {
    const ptrdiff_t image = (ptrdiff_t)height * width * channels, plane = planes->plane;
    for (int group = first_group; group < end_group; group++)
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width; j++) {
                const float *source = rows + group * 16 * image + ((ptrdiff_t)i * width + j) * channels;
                float *target = lanes + group * planes->group + i * planes->row + j * 16;
                int c = 0;
                for (; c + 16 <= channels; c += 16) turn(source + c, image, 16, target + c * plane, plane);
                for (; c < channels; c++)
                    for (int n = 0; n < 16; n++) target[c * plane + n] = source[n * image + c];
            }
}

DEAI_CLONES void deai_rows_from_lanes(
    const float *lanes, int height, int width, int channels, const deai_planes *planes, float *rows, int first_group,
    int end_group) {
    const ptrdiff_t image = (ptrdiff_t)height * width * channels, plane = planes->plane;
    for (int group = first_group; group < end_group; group++)
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width; j++) {
                float *target = rows + group * 16 * image + ((ptrdiff_t)i * width + j) * channels;
                const float *source = lanes + group * planes->group + i * planes->row + j * 16;
                int c = 0;
                for (; c + 16 <= channels; c += 16) turn(source + c * plane, plane, 16, target + c, image);
                for (int n = 0; n < 16; n++)
                    for (int rest = c; rest < channels; rest++) target[n * image + rest] = source[rest * plane + n];
            }
}
