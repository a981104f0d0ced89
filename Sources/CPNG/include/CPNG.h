// A thin shim over libpng: its error handling needs setjmp, which Swift cannot call.
#ifndef DEAI_CPNG_H
#define DEAI_CPNG_H

#include <stddef.h>
#include <stdint.h>

/// What the header chunk of a PNG file says, and what decoding it will give back.
typedef struct {
    uint32_t width;
    uint32_t height;
    uint8_t bit_depth;   ///< 1, 2, 4, 8 or 16
    uint8_t color_type;  ///< as in the PNG specification: 0, 2, 3, 4 or 6
    uint8_t channels;    ///< 1 (grey) or 3 (RGB) after decoding
} cpng_header;

/// The capacity that `message` must have, terminating zero included.
#define CPNG_MESSAGE_BYTES 160

/// Reads the chunks before the image data. Returns 0, or -1 with a text in `message`.
int cpng_read_header(const uint8_t *bytes, size_t count, cpng_header *header, char *message);

/// Decodes into `pixels`, rows of width x channels bytes from top to bottom, `capacity` bytes in all.
///
/// 16-bit samples become round(v * 255 / 65535), 1, 2 and 4 bits are scaled to 0...255, palettes become RGB,
/// alpha and transparency are dropped, no gamma or colour profile is applied.
/// Every chunk is read to the end and checked. Returns 0, with libpng's last warning or nothing in `message`,
/// or -1 with a text in `message`.
int cpng_decode(const uint8_t *bytes, size_t count, uint8_t *pixels, size_t capacity, char *message);

/// Encodes 8-bit grey (1 channel) or RGB (3 channels) rows into `output`.
///
/// Returns the number of bytes of the file, which may be larger than `capacity`
/// (then only the first `capacity` bytes were stored), or -1 with a text in `message`.
long cpng_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, uint8_t *output,
                 size_t capacity, char *message);

#endif
