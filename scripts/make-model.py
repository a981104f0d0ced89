#!/usr/bin/env python3
"""Writes a valid .deai file of about any size: a deep fully connected network with weights from a seed.

Usage: make-model.py FILE BYTES [--width 4096] [--seed 1]   (BYTES may end in k, m or g: powers of 1024)

Written after docs/format.md alone, so that it checks that page too; needs a few MB of memory for any size.
"""
import argparse
import hashlib
import math
import random
import struct

SIDE, BLOCK = 28, 1 << 20
# Those of Fashion-MNIST, so that its sample can be asked about.
LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CLASSES = len(LABELS)
# Bytes of a file are 0...255; a weight is never -128.
SYMMETRIC = bytes(0 if byte == 0x80 else byte for byte in range(256))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("bytes", type=size)
    parser.add_argument("--width", type=int, default=4096, help="outputs of every hidden layer")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def size(text):
    unit = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(text[-1:].lower(), 1)
    return int(float(text[:-1] if unit > 1 else text) * unit)


def text(value):
    return struct.pack("<H", len(value)) + value


def layers(total, width):
    """(inputs, outputs) of every dense layer, until the weights have about `total` bytes."""
    shapes = [(SIDE * SIDE, width)]
    while sum(i * o for i, o in shapes) + width * width // 2 < total and len(shapes) < 1020:
        shapes.append((width, width))
    return shapes + [(width, CLASSES)]


def tensor(inputs, outputs, is_last, is_first, source):
    """Bias, multipliers and weights of one layer, a piece at a time."""
    # Sums of `inputs` products of even weights (deviation 73) and activations; about 50 survive the rounding.
    spread = 73.5 * math.sqrt(inputs) * (75 if is_first else 40)
    multiplier = (2000 if is_last else 50) / spread
    yield struct.pack("<%di" % outputs, *(source.randrange(-1000, 1001) for _ in range(outputs)))
    yield struct.pack("<f", multiplier) * outputs
    count = inputs * outputs
    yield struct.pack("<IBI", count, 0, count)
    while count > 0:
        piece = min(BLOCK, count)
        yield source.randbytes(piece).translate(SYMMETRIC)
        count -= piece


def main():
    arguments = parse()
    source = random.Random(arguments.seed)
    shapes = layers(arguments.bytes, arguments.width)
    network = text(b"wide dense network") + struct.pack("<HHBBff", SIDE, SIDE, 1, 128, 1 / 64, 1 / 256)
    network += struct.pack("<H", len(shapes) + 1) + b"\x04"
    for index, (_, outputs) in enumerate(shapes):
        is_last = index == len(shapes) - 1
        network += struct.pack("<BIBhh", 2, outputs, 1 if is_last else 0, 0, 0 if is_last else 127)
    labels = struct.pack("<H", CLASSES) + b"".join(text(label.encode()) for label in LABELS)
    provenance = b'{"generator":"make-model.py","seed":%d}' % arguments.seed
    head = [network, labels, provenance]

    with open(arguments.file, "wb") as file:
        start = 64 + 4 * 48 + sum(map(len, head))
        file.seek(start)
        tensors = hashlib.sha256()
        for index, (inputs, outputs) in enumerate(shapes):
            for piece in tensor(inputs, outputs, index == len(shapes) - 1, index == 0, source):
                tensors.update(piece)
                file.write(piece)
        end = file.tell()
        sections = [(len(part), hashlib.sha256(part).digest()) for part in head]
        sections.append((end - start, tensors.digest()))
        table = b"".join(
            struct.pack("<IIQ", kind, 0, length) + digest for kind, (length, digest) in enumerate(sections, 1))
        first = b"\x89DEAI\r\n\x1a" + struct.pack("<HHIQQ", 1, 0, 4, end, 0)
        file.seek(0)
        file.write(first + hashlib.sha256(first + table).digest() + table + b"".join(head))
    print("%s: %d bytes, %d layers, %d weights" % (
        arguments.file, end, len(shapes), sum(i * o for i, o in shapes)))


if __name__ == "__main__":
    main()
