#!/usr/bin/env python3
"""Appends custom sections to a wasm module, checks its imports and prints what it is.

usage: finish-wasm.py IN OUT [--imports-only MODULE] [--section NAME=TEXT | --section NAME=@FILE]…
"""
import argparse
import hashlib
import sys
from pathlib import Path


def leb128(value):
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def name(self):
        return self.take(self.number()).decode()

    def limits(self):
        if self.number() & 1:
            self.number()
        self.number()


def sections(module):
    reader = Reader(module)
    if reader.take(8) != b"\0asm\1\0\0\0":
        sys.exit("not a wasm module")
    while reader.at < len(module):
        kind = reader.number()
        yield kind, reader.take(reader.number())


def imports(module):
    for kind, body in sections(module):
        if kind != 2:
            continue
        reader = Reader(body)
        for _ in range(reader.number()):
            yield reader.name(), reader.name()
            if reader.take(1) != b"\0":
                sys.exit("only functions can be imported")
            reader.number()


def exports(module):
    for kind, body in sections(module):
        if kind == 7:
            reader = Reader(body)
            for _ in range(reader.number()):
                yield reader.name()
                reader.take(1)
                reader.number()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--imports-only")
    parser.add_argument("--section", action="append", default=[])
    options = parser.parse_args()

    module = options.input.read_bytes()
    for section in options.section:
        name, _, text = section.partition("=")
        content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        body = leb128(len(name.encode())) + name.encode() + content
        module += b"\0" + leb128(len(body)) + body

    imported = sorted(imports(module))
    strangers = [f"{m}.{n}" for m, n in imported if m != options.imports_only]
    if options.imports_only and strangers:
        sys.exit(f"{options.input} imports what a canister cannot have: {', '.join(strangers)}")

    partial = options.output.with_suffix(".partial")
    partial.write_bytes(module)
    partial.replace(options.output)
    print(f"{options.output}: {len(module):,} bytes, SHA-256 {hashlib.sha256(module).hexdigest()}")
    print("  imports:", ", ".join(f"{m}.{n}" for m, n in imported) or "none")
    print("  exports:", ", ".join(sorted(exports(module))))


main()
