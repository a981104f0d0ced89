#!/usr/bin/env python3
"""Checks what the compiler made of the int8 kernels in a wasm module.

Fails when an instruction that the kernels are written for is missing, or when a hot loop costs more than recorded.
A hot loop is an innermost one with at least 16 dot products; its cost is counted by the replica's price list.
What whole layers cost is checked by the tests of the emulator.

usage: check-kernels.py MODULE RECORD [--update]
"""
import sys
from pathlib import Path

TOLERANCE = 1.02
SMALLEST_LOOP = 16
DOT = 0xBA
# Opcode after the prefix 0xFD, and its name.
REQUIRED = {
    0x0D: "i8x16.shuffle", 0x5A: "v128.store32_lane", 0x5D: "v128.load64_zero", 0x57: "v128.load64_lane",
    0x01: "v128.load8x8_s", 0x02: "v128.load8x8_u", 0x09: "v128.load32_splat", 0x85: "i16x8.narrow_i32x4_s",
    0x8E: "i16x8.add", 0x95: "i16x8.mul", 0x96: "i16x8.min_s", 0x98: "i16x8.max_s", 0xB5: "i32x4.mul",
    0xAE: "i32x4.add", 0xB8: "i32x4.max_s", DOT: "i32x4.dot_i16x8_s", 0xE6: "f32x4.mul", 0xFA: "f32x4.convert_i32x4_s",
    0x6A: "f32x4.nearest", 0xF8: "i32x4.trunc_sat_f32x4_s"
}

# Prices that differ from 1; internal prices of the replica's instrumentation.
SCALAR = {0x02: 0, 0x03: 0, 0x05: 0, 0x0B: 0, 0x04: 2, 0x0C: 2, 0x0D: 2, 0x0E: 2, 0x23: 2, 0x24: 2, 0x10: 5, 0x11: 10}
SCALAR |= {code: 10 for code in (0x6D, 0x6E, 0x6F, 0x70, 0x7F, 0x80, 0x81, 0x82)}
VECTOR = {0x0D: 3, 0x67: 2, 0x68: 2, 0x69: 2, 0x6A: 2, 0x6C: 2, 0x8B: 2, 0x8C: 2, 0x8D: 2, 0xAB: 2, 0xAC: 2, 0xAD: 2, 0xB5: 2, 0xE4: 2, 0xE5: 2, 0xE6: 2}
VECTOR |= {code: 2 for code in (0xBC, 0xBD, 0xBE, 0xBF, 0x9D, 0x9F, 0xF8)}


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def instructions(code):
    """Yields (prefix, opcode) of one function body behind its locals."""
    while code.at < len(code.data):
        op = code.byte()
        if op in (0x02, 0x03, 0x04):
            code.number()
        elif op in (0x0C, 0x0D, 0x10, 0xD2) or 0x20 <= op <= 0x26 or op in (0x41, 0x42, 0xD0):
            code.number()
        elif op == 0x0E:
            for _ in range(code.number() + 1):
                code.number()
        elif op == 0x11:
            code.number(), code.number()
        elif op == 0x1C:
            for _ in range(code.number()):
                code.byte()
        elif 0x28 <= op <= 0x3E:
            code.number(), code.number()
        elif op in (0x3F, 0x40):
            code.byte()
        elif op == 0x43:
            code.at += 4
        elif op == 0x44:
            code.at += 8
        elif op == 0xFC:
            kind = code.number()
            for _ in range({8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}.get(kind, 0)):
                code.number()
            yield op, kind
            continue
        elif op == 0xFD:
            kind = code.number()
            if kind <= 11 or kind in (92, 93):
                code.number(), code.number()
            elif kind in (12, 13):
                code.at += 16
            elif 21 <= kind <= 34:
                code.byte()
            elif 84 <= kind <= 91:
                code.number(), code.number(), code.byte()
            yield op, kind
            continue
        yield 0, op


def functions(module):
    reader = Reader(module, 8)
    while reader.at < len(module):
        kind, size = reader.byte(), reader.number()
        end = reader.at + size
        if kind == 10:
            for _ in range(reader.number()):
                length = reader.number()
                body = Reader(module[reader.at : reader.at + length])
                for _ in range(body.number()):
                    body.number(), body.byte()
                yield body
                reader.at += length
        reader.at = end


def measure(module):
    """The vector instructions of a module and (dot products, price) of its hot loops."""
    seen, loops = set(), []
    for body in functions(module):
        open_blocks = []
        for prefix, op in instructions(body):
            price = VECTOR.get(op, 1) if prefix == 0xFD else SCALAR.get(op, 1) if prefix == 0 else 100
            if prefix == 0xFD:
                seen.add(op)
            inner = next((block for block in reversed(open_blocks) if block), None)
            if inner:
                inner[0] += (prefix, op) == (0xFD, DOT)
                inner[1] += price
            if prefix == 0 and op in (0x02, 0x03, 0x04):
                open_blocks.append([0, 0] if op == 0x03 else None)
            elif prefix == 0 and op == 0x0B and open_blocks:
                block = open_blocks.pop()
                if block and block[0] >= SMALLEST_LOOP:
                    loops.append(tuple(block))
    return seen, sorted(loops)


def main():
    module, record = Path(sys.argv[1]), Path(sys.argv[2])
    seen, loops = measure(module.read_bytes())
    missing = [name for code, name in REQUIRED.items() if code not in seen]
    if missing:
        sys.exit(f"{module}: the kernels lost {', '.join(missing)}")
    if sys.argv[3:] == ["--update"]:
        lines = ["# dot products and price of each hot loop of the int8 kernels; scripts/check-kernels.sh --update"]
        record.write_text("\n".join(lines + [f"{dots} {price}" for dots, price in loops]) + "\n")
    recorded = [tuple(map(int, line.split())) for line in record.read_text().splitlines() if line[0] != "#"]
    if [dots for dots, _ in loops] != [dots for dots, _ in recorded]:
        sys.exit(f"{module}: other loops than in {record}; look at the change, then run check-kernels.sh --update")
    slower = [(was, now) for was, now in zip(recorded, loops) if now[1] > was[1] * TOLERANCE]
    for (dots, was), (_, now) in slower:
        print(f"{module}: a loop of {dots} dot products costs {now / dots:.2f} each, recorded {was / dots:.2f}")
    if slower:
        sys.exit(1)
    dots, price = (sum(loop[i] for loop in loops) for i in (0, 1))
    print(f"{module}: {len(loops)} hot loops, {price / dots:.2f} instructions per dot product ({price / dots / 8:.3f} per MAC)")


main()
