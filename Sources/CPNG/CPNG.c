#include "CPNG.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// No ancillary chunk of an image file needs more; a compressed text chunk that inflates past it is refused.
#define CHUNK_LIMIT_BYTES (8u << 20)

typedef struct {
    const uint8_t *bytes;
    size_t count;
    size_t offset;
} source;

static void on_error(png_structp png, png_const_charp text) {
    char *message = png_get_error_ptr(png);
    snprintf(message, CPNG_MESSAGE_BYTES, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    char *message = png_get_error_ptr(png);
    snprintf(message, CPNG_MESSAGE_BYTES, "%s", text);
}

static void on_read(png_structp png, png_bytep out, size_t wanted) {
    source *from = png_get_io_ptr(png);
    if (wanted > from->count - from->offset) {
        char text[CPNG_MESSAGE_BYTES];
        snprintf(text, sizeof text, "the file ends at byte %zu, in the middle of a chunk", from->count);
        png_error(png, text);
    }
    memcpy(out, from->bytes + from->offset, wanted);
    from->offset += wanted;
}

static png_structp open_reader(source *from, png_infop *info, char *message) {
    message[0] = 0;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
    if (png == NULL) {
        snprintf(message, CPNG_MESSAGE_BYTES, "libpng could not start");
        return NULL;
    }
    *info = png_create_info_struct(png);
    if (*info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        snprintf(message, CPNG_MESSAGE_BYTES, "libpng is out of memory");
        return NULL;
    }
    return png;
}

static void configure(png_structp png, source *from) {
    png_set_read_fn(png, from, on_read);
    // Callers check the dimensions against their own limits before they decode.
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(png, CHUNK_LIMIT_BYTES);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(png, 0);
}

static void fill(png_structp png, png_infop info, cpng_header *header) {
    header->width = png_get_image_width(png, info);
    header->height = png_get_image_height(png, info);
    header->bit_depth = png_get_bit_depth(png, info);
    header->color_type = png_get_color_type(png, info);
    header->channels = (header->color_type & PNG_COLOR_MASK_COLOR) ? 3 : 1;
}

int cpng_read_header(const uint8_t *bytes, size_t count, cpng_header *header, char *message) {
    source from = {bytes, count, 0};
    png_infop info = NULL;
    png_structp png = open_reader(&from, &info, message);
    if (png == NULL) return -1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return -1;
    }
    configure(png, &from);
    png_read_info(png, info);
    fill(png, info, header);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

int cpng_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t capacity, char *message) {
    source from = {bytes, count, 0};
    png_infop info = NULL;
    png_bytep *volatile rows = NULL;
    png_structp png = open_reader(&from, &info, message);
    if (png == NULL) return -1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(rows);
        return -1;
    }
    configure(png, &from);
    png_read_info(png, info);
    cpng_header header;
    fill(png, info, &header);
    size_t stride = (size_t)header.width * header.channels;
    if (stride * header.height != capacity) png_error(png, "the buffer does not have the size of the image");

    if (header.bit_depth == 16) png_set_scale_16(png);
    if (header.color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (header.color_type == PNG_COLOR_TYPE_GRAY && header.bit_depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != stride) png_error(png, "libpng chose another row size");

    rows = malloc(header.height * sizeof(png_bytep));
    if (rows == NULL) png_error(png, "out of memory");
    for (uint32_t y = 0; y < header.height; y++) rows[y] = pixels + y * stride;
    png_read_image(png, rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return 0;
}

typedef struct {
    uint8_t *bytes;
    size_t capacity;
    size_t count;
} sink;

static void on_write(png_structp png, png_bytep data, size_t count) {
    sink *to = png_get_io_ptr(png);
    if (to->count < to->capacity) {
        size_t room = to->capacity - to->count;
        memcpy(to->bytes + to->count, data, count < room ? count : room);
    }
    to->count += count;
}

static void on_flush(png_structp png) { (void)png; }

long cpng_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, uint8_t *output,
                 size_t capacity, char *message) {
    sink to = {output, capacity, 0};
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
    if (png == NULL) {
        snprintf(message, CPNG_MESSAGE_BYTES, "libpng could not start");
        return -1;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return -1;
    }
    info = png_create_info_struct(png);
    if (info == NULL) png_error(png, "libpng is out of memory");
    png_set_write_fn(png, &to, on_write, on_flush);
    png_set_IHDR(png, info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    // Small images compress best without row filters.
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_compression_level(png, 9);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return (long)to.count;
}
