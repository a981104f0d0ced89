#include "CAcceleration.h"
#include "Targets.h"

DEAI_CLONES void deai_pool_forward(
    const deai_pool *pool, const float *x, float *y, uint8_t *places, int first_image, int end_image) {
    const deai_pool p = *pool;
    for (int image = first_image; image < end_image; image++)
        for (int block = 0; block < p.blocks; block++) {
            const float *plane = x + image * p.x.image + block * p.x.block;
            float *out = y + image * p.y.image + block * p.y.block;
            uint8_t *where =
                places ? places + ((ptrdiff_t)image * p.blocks + block) * p.output_height * p.output_width * p.lanes
                       : 0;
            const int lanes = block == p.blocks - 1 ? p.last_lanes : p.lanes;
            for (int i = 0; i < p.output_height; i++)
                for (int j = 0; j < p.output_width; j++) {
                    const float *corner = plane + i * p.window * p.x.row + j * p.window * p.x.pixel;
                    float *target = out + i * p.y.row + j * p.y.pixel;
                    if (lanes == 16) {
                        v16 best = *(const v16 *)corner;
                        i16x place = {0};
                        for (int u = 0, k = 0; u < p.window; u++)
                            for (int v = 0; v < p.window; v++, k++) {
                                const v16 candidate = *(const v16 *)(corner + u * p.x.row + v * p.x.pixel);
                                const i16x above = ~(candidate <= best);
                                best = SELECT(above, candidate, best);
                                place = (i16x)SELECT(above, place * 0 + k, place);
                            }
                        *(v16 *)target = best;
                        if (where) {
                            if (p.rectified) place |= ~(best > 0);
                            *(b16 *)where = __builtin_convertvector(place, b16);
                        }
                    } else {
                        for (int lane = 0; lane < lanes; lane++) {
                            float best = corner[lane];
                            int place = 0;
                            for (int u = 0, k = 0; u < p.window; u++)
                                for (int v = 0; v < p.window; v++, k++) {
                                    const float candidate = corner[u * p.x.row + v * p.x.pixel + lane];
                                    if (!(candidate <= best)) {
                                        best = candidate;
                                        place = k;
                                    }
                                }
                            target[lane] = best;
                            if (where) where[lane] = p.rectified && !(best > 0) ? 255 : (uint8_t)place;
                        }
                    }
                    if (where) where += p.lanes;
                }
        }
}

// Rows and columns past the last window get no gradient.
static void clear_margin(const deai_pool *p, float *plane, int lanes) {
    const int rows = p->output_height * p->window, columns = p->output_width * p->window;
    for (int i = 0; i < p->height; i++)
        for (int j = i < rows ? columns : 0; j < p->width; j++)
            for (int lane = 0; lane < lanes; lane++) plane[i * p->x.row + j * p->x.pixel + lane] = 0;
}

DEAI_CLONES void deai_pool_backward(
    const deai_pool *pool, const float *dy, const uint8_t *places, float *dx, int first_image, int end_image) {
    const deai_pool p = *pool;
    for (int image = first_image; image < end_image; image++)
        for (int block = 0; block < p.blocks; block++) {
            float *plane = dx + image * p.x.image + block * p.x.block;
            const float *in = dy + image * p.y.image + block * p.y.block;
            const uint8_t *where =
                places + ((ptrdiff_t)image * p.blocks + block) * p.output_height * p.output_width * p.lanes;
            const int lanes = block == p.blocks - 1 ? p.last_lanes : p.lanes;
            for (int i = 0; i < p.output_height; i++)
                for (int j = 0; j < p.output_width; j++) {
                    float *corner = plane + i * p.window * p.x.row + j * p.window * p.x.pixel;
                    const float *source = in + i * p.y.row + j * p.y.pixel;
                    if (lanes == 16) {
                        const i16x value = *(const i16x *)source;
                        const i16x place = __builtin_convertvector(*(const b16 *)where, i16x);
                        for (int u = 0, k = 0; u < p.window; u++)
                            for (int v = 0; v < p.window; v++, k++)
                                *(i16x *)(corner + u * p.x.row + v * p.x.pixel) = value & (place == k);
                    } else {
                        for (int u = 0, k = 0; u < p.window; u++)
                            for (int v = 0; v < p.window; v++, k++)
                                for (int lane = 0; lane < lanes; lane++)
                                    corner[u * p.x.row + v * p.x.pixel + lane] = where[lane] == k ? source[lane] : 0;
                    }
                    where += p.lanes;
                }
            clear_margin(&p, plane, lanes);
        }
}
