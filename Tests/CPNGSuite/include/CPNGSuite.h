// Writes PNG files of every form libpng has, and zlib streams of every block type, for the tests of the decoder.
#ifndef DEAI_CPNG_SUITE_H
#define DEAI_CPNG_SUITE_H

#include <stddef.h>
#include <stdint.h>

/// One file: what its header, its compression and its ancillary chunks are.
typedef struct {
    uint32_t width;
    uint32_t height;
    int bit_depth;
    int color_type;   ///< 0, 2, 3, 4 or 6
    int interlaced;   ///< 0 or 1
    int filter;       ///< 0...4: that filter in each row; 5: libpng chooses row by row
    int level;        ///< of zlib, 0...9
    int strategy;     ///< of zlib, 0...4
    int window_bits;  ///< of zlib, 8...15
    uint32_t idat_bytes;
    int colors;       ///< entries of the palette, 1...256, for colour type 3
    int transparency; ///< not 0: a tRNS chunk where the colour type has one
    int ancillary;    ///< not 0: gAMA, cHRM, sBIT, bKGD, pHYs, tIME, tEXt, zTXt and iTXt as well
} cpngsuite_form;

/// Writes rows (packed as in the format, 16-bit samples high byte first) into `output`.
/// Returns the bytes of the file, or -1 when libpng refuses or `capacity` is too small.
long cpngsuite_write(const cpngsuite_form *form, const uint8_t *rows, const uint8_t *palette, uint8_t *output,
                     size_t capacity);

/// A zlib stream that changes level, strategy and flush mode every `piece` bytes, so that stored, fixed, dynamic
/// and empty blocks follow each other. Returns its bytes, or -1.
long cpngsuite_deflate_mixed(const uint8_t *bytes, size_t count, size_t piece, uint8_t *output, size_t capacity);

/// A zlib stream of one level and strategy. Returns its bytes, or -1.
long cpngsuite_deflate(const uint8_t *bytes, size_t count, int level, int strategy, uint8_t *output, size_t capacity);

/// Inflates a whole zlib stream; returns the bytes it makes, or -1.
long cpngsuite_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t capacity);

#endif
