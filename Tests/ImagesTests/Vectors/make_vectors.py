#!/usr/bin/env python3
"""Writes png.txt: PNG files of every colour type, depth and interlace method, made without our decoder.

One line per file: name, width, height, channels, base64 of the file, SHA-256 of the expected 8-bit pixels.
Rows use all five filters in turn; the zlib stream is split over two IDAT chunks and made with three strategies
(stored, fixed and dynamic codes). Run: python3 make_vectors.py > png.txt
"""
import base64
import hashlib
import random
import struct
import zlib

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(values, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", v) for v in values)
    bits = "".join(format(v, f"0{depth}b") for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def filtered(kind, row, above, distance):
    out = bytearray([kind])
    for i, value in enumerate(row):
        a = row[i - distance] if i >= distance else 0
        b = above[i]
        c = above[i - distance] if i >= distance else 0
        out.append((value - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
    return bytes(out)


def encoded(image, width, height, colour, depth, interlaced, strategy):
    samples, data = SAMPLES[colour], b""
    distance = max(1, samples * depth // 8)
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        if x0 >= width or y0 >= height:
            continue
        above, number = None, 0
        for y in range(y0, height, dy):
            row = packed([v for x in range(x0, width, dx) for v in image[y][x]], depth)
            data += filtered(number % 5, row, above or bytes(len(row)), distance)
            above, number = row, number + 1
    level, method = {"stored": (0, 0), "fixed": (9, zlib.Z_FIXED), "dynamic": (9, 0)}[strategy]
    squeeze = zlib.compressobj(level, zlib.DEFLATED, 15, 9, method)
    return squeeze.compress(data) + squeeze.flush()


def main():
    random.seed(1)
    strategies = ["dynamic", "fixed", "stored"]
    number = 0
    for colour, depths in DEPTHS.items():
        for depth in depths:
            for interlaced in (0, 1):
                for width, height in ((1, 1), (9, 10)):
                    top, samples = (1 << depth) - 1, SAMPLES[colour]
                    palette = [[random.randrange(256) for _ in range(3)] for _ in range(1 << depth)] if colour == 3 else []
                    image = [[[(x * 37 * (s + 1) + y * 11 + random.randrange(3)) * (top // 128 + 1) & top
                               for s in range(samples)] for x in range(width)] for y in range(height)]
                    pixels = bytearray()
                    for row in image:
                        for values in row:
                            if colour == 3:
                                pixels += bytes(palette[values[0]])
                            else:
                                kept = values[:1] if colour in (0, 4) else values[:3]
                                pixels += bytes((v * 255 * 2 + top) // (2 * top) for v in kept)
                    strategy = strategies[number % 3]
                    data = encoded(image, width, height, colour, depth, interlaced, strategy)
                    file = b"\x89PNG\r\n\x1a\n" + chunk(
                        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
                    file += chunk(b"gAMA", struct.pack(">I", 45455))
                    if colour == 3:
                        file += chunk(b"PLTE", bytes(v for entry in palette for v in entry))
                    file += chunk(b"IDAT", data[:7]) + chunk(b"IDAT", data[7:])
                    file += chunk(b"tEXt", b"Comment\0vector") + chunk(b"IEND", b"")
                    channels = 1 if colour in (0, 4) else 3
                    print(f"colour{colour}-depth{depth}-{'adam7' if interlaced else 'plain'}-{strategy}", width,
                          height, channels, base64.b64encode(file).decode(), hashlib.sha256(pixels).hexdigest())
                    number += 1


main()
