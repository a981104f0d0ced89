#include "CPNGSuite.h"

#include <png.h>
#include <string.h>
#include <zlib.h>

typedef struct {
    uint8_t *bytes;
    size_t capacity;
    size_t count;
} sink;

static void on_write(png_structp png, png_bytep data, size_t count) {
    sink *to = png_get_io_ptr(png);
    if (count > to->capacity - to->count) png_error(png, "no room");
    memcpy(to->bytes + to->count, data, count);
    to->count += count;
}

static void on_flush(png_structp png) { (void)png; }

static void on_error(png_structp png, png_const_charp text) {
    (void)text;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void set_palette(png_structp png, png_infop info, int colors, const uint8_t *palette) {
    png_color entries[PNG_MAX_PALETTE_LENGTH];
    for (int i = 0; i < colors; i++) {
        entries[i].red = palette[3 * i];
        entries[i].green = palette[3 * i + 1];
        entries[i].blue = palette[3 * i + 2];
    }
    png_set_PLTE(png, info, entries, colors);
}

static void set_transparency(png_structp png, png_infop info, const cpngsuite_form *form) {
    png_byte alpha[PNG_MAX_PALETTE_LENGTH];
    for (int i = 0; i < form->colors; i++) alpha[i] = (png_byte)(i * 37);
    png_color_16 key = {.red = 1, .green = 0, .blue = 1, .gray = 1};
    if (form->color_type == PNG_COLOR_TYPE_PALETTE)
        png_set_tRNS(png, info, alpha, (form->colors + 1) / 2, NULL);
    else if (!(form->color_type & PNG_COLOR_MASK_ALPHA))
        png_set_tRNS(png, info, NULL, 0, &key);
}

static void set_ancillary(png_structp png, png_infop info, const cpngsuite_form *form) {
    png_set_gAMA(png, info, 1.0);
    png_set_cHRM(png, info, 0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06);
    png_byte bits = form->color_type == PNG_COLOR_TYPE_PALETTE ? 8 : (png_byte)form->bit_depth;
    png_color_8 significant = {bits, bits, bits, bits, bits};
    png_set_sBIT(png, info, &significant);
    png_color_16 background = {.index = 0, .red = 1, .green = 1, .blue = 1, .gray = 1};
    png_set_bKGD(png, info, &background);
    png_set_pHYs(png, info, 2835, 2835, PNG_RESOLUTION_METER);
    png_time time = {.year = 2020, .month = 2, .day = 29, .hour = 12, .minute = 30, .second = 60};
    png_set_tIME(png, info, &time);
    png_text texts[3] = {
        {.compression = PNG_TEXT_COMPRESSION_NONE, .key = "Title", .text = "a plain text"},
        {.compression = PNG_TEXT_COMPRESSION_zTXt, .key = "Comment", .text = "a compressed text text text text"},
        {.compression = PNG_ITXT_COMPRESSION_NONE, .key = "Author", .text = "an international text",
         .lang = "en", .lang_key = "Author"},
    };
    png_set_text(png, info, texts, 3);
}

long cpngsuite_write(const cpngsuite_form *form, const uint8_t *rows, const uint8_t *palette, uint8_t *output,
                     size_t capacity) {
    static const int filters[] = {PNG_FILTER_NONE, PNG_FILTER_SUB, PNG_FILTER_UP, PNG_FILTER_AVG, PNG_FILTER_PAETH,
                                  PNG_ALL_FILTERS};
    sink to = {output, capacity, 0};
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    if (png == NULL) return -1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return -1;
    }
    info = png_create_info_struct(png);
    if (info == NULL) png_error(png, "no memory");
    png_set_write_fn(png, &to, on_write, on_flush);
    png_set_IHDR(png, info, form->width, form->height, form->bit_depth, form->color_type,
                 form->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, filters[form->filter]);
    png_set_compression_level(png, form->level);
    png_set_compression_strategy(png, form->strategy);
    png_set_compression_window_bits(png, form->window_bits);
    png_set_compression_buffer_size(png, form->idat_bytes);
    if (form->color_type == PNG_COLOR_TYPE_PALETTE) set_palette(png, info, form->colors, palette);
    if (form->transparency) set_transparency(png, info, form);
    if (form->ancillary) set_ancillary(png, info, form);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    size_t stride = png_get_rowbytes(png, info);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < form->height; y++) png_write_row(png, rows + y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return (long)to.count;
}

long cpngsuite_deflate_mixed(const uint8_t *bytes, size_t count, size_t piece, uint8_t *output, size_t capacity) {
    static const int levels[] = {0, 9, 6, 1}, strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE};
    static const int flushes[] = {Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK, Z_NO_FLUSH};
    z_stream stream = {0};
    if (deflateInit(&stream, 6) != Z_OK) return -1;
    stream.next_out = output;
    stream.avail_out = (uInt)capacity;
    stream.next_in = (Bytef *)bytes;
    int result = Z_OK;
    for (size_t k = 0, done = 0; done < count && result == Z_OK; k++) {
        size_t length = count - done < piece ? count - done : piece;
        result = deflateParams(&stream, levels[k % 4], strategies[(k / 2) % 4]);
        if (result != Z_OK && result != Z_BUF_ERROR) break;
        stream.avail_in = (uInt)length;
        result = deflate(&stream, flushes[k % 5]);
        done += length;
    }
    if (result == Z_OK) result = deflate(&stream, Z_FINISH);
    long made = (long)stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? made : -1;
}

long cpngsuite_deflate(const uint8_t *bytes, size_t count, int level, int strategy, uint8_t *output, size_t capacity) {
    z_stream stream = {0};
    if (deflateInit2(&stream, level, Z_DEFLATED, 15, 9, strategy) != Z_OK) return -1;
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)count;
    stream.next_out = output;
    stream.avail_out = (uInt)capacity;
    int result = deflate(&stream, Z_FINISH);
    long made = (long)stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? made : -1;
}

long cpngsuite_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t capacity) {
    uLongf made = capacity;
    return uncompress(output, &made, bytes, count) == Z_OK ? (long)made : -1;
}
