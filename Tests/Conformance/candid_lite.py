"""Just enough Candid to call the management canister without a library."""

from harness import leb128


def field_id(name):
    value = 0
    for byte in name.encode():
        value = (value * 223 + byte) % 2**32
    return value


def signed(value):
    out = bytearray()
    while True:
        byte = value & 127
        value >>= 7
        if (value == 0 and not byte & 64) or (value == -1 and byte & 64):
            out.append(byte)
            return bytes(out)
        out.append(byte | 128)


class Type:
    """A type: a primitive's code, or a constructor over types."""

    def __init__(self, code, parts=(), write=None):
        self.code, self.parts, self.write = code, parts, write


NULL = Type(-1, write=lambda v: b"")
BOOL = Type(-2, write=lambda v: bytes([v]))
NAT = Type(-3, write=leb128)
NAT64 = Type(-8, write=lambda v: v.to_bytes(8, "little"))
NAT16 = Type(-6, write=lambda v: v.to_bytes(2, "little"))
NAT8 = Type(-5, write=lambda v: bytes([v]))
TEXT = Type(-15, write=lambda v: leb128(len(v.encode())) + v.encode())
PRINCIPAL = Type(-24, write=lambda v: b"\x01" + leb128(len(v)) + v)


def opt(inner):
    return Type(-18, [inner], lambda v: b"\x00" if v is None else b"\x01" + inner.write(v))


def vec(inner):
    return Type(-19, [inner], lambda v: leb128(len(v)) + (
        bytes(v) if inner is NAT8 else b"".join(map(inner.write, v))))


BLOB = vec(NAT8)


def record(**fields):
    order = sorted(fields.items(), key=lambda field: field_id(field[0]))
    return Type(-20, [(field_id(k), t) for k, t in order],
                lambda v: b"".join(t.write(v[k]) for k, t in order))


def variant(**cases):
    order = sorted(cases.items(), key=lambda case: field_id(case[0]))

    def write(value):
        (name, inner), = value.items()
        index = [k for k, _ in order].index(name)
        return leb128(index) + order[index][1].write(inner)
    return Type(-21, [(field_id(k), t) for k, t in order], write)


def encode(*arguments):
    """A message from (type, value) pairs."""
    table, seen = [], {}

    def reference(type):
        if type.code > -18 or type.code == -24:
            return signed(type.code)
        if id(type) not in seen:
            index = seen[id(type)] = len(table)
            table.append(None)
            if type.code in (-20, -21):
                body = leb128(len(type.parts)) + b"".join(leb128(k) + reference(t) for k, t in type.parts)
            elif type.code == -22:
                body = b"\0\0\1\1"  # no arguments, no results, a query
            else:
                body = reference(type.parts[0])
            table[index] = signed(type.code) + body
        return signed(seen[id(type)])

    types = b"".join(reference(type) for type, _ in arguments)
    return b"DIDL" + leb128(len(table)) + b"".join(table) + leb128(len(arguments)) + types + b"".join(
        type.write(value) for type, value in arguments)


def decode(message):
    """The arguments of a message as Python values; records and variants by field id."""
    position = 4
    assert message[:4] == b"DIDL", message

    def unsigned():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def integer():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value - (1 << shift) if byte & 64 else value

    table = []
    for _ in range(unsigned()):
        code = integer()
        if code in (-20, -21):
            table.append((code, [(unsigned(), integer()) for _ in range(unsigned())]))
        elif code in (-18, -19):
            table.append((code, integer()))
        else:
            raise ValueError(f"type {code} is not read here")
    types = [integer() for _ in range(unsigned())]
    # Floats (-13, -14) come back as their bits.
    widths = {-5: 1, -6: 2, -7: 4, -8: 8, -9: 1, -10: 2, -11: 4, -12: 8, -13: 4, -14: 8}

    def take(count):
        nonlocal position
        position += count
        return message[position - count:position]

    def value(type):
        if type >= 0:
            code, parts = table[type]
            if code == -18:
                return value(parts) if take(1) == b"\x01" else None
            if code == -19:
                count = unsigned()
                return take(count) if parts == -5 else [value(parts) for _ in range(count)]
            if code == -20:
                return {key: value(part) for key, part in parts}
            key, part = parts[unsigned()]
            return {key: value(part)}
        if type in (-1, -16):
            return None
        if type == -2:
            return take(1) == b"\x01"
        if type == -3:
            return unsigned()
        if type == -4:
            return integer()
        if type in widths:
            return int.from_bytes(take(widths[type]), "little", signed=type <= -9)
        if type == -15:
            return take(unsigned()).decode()
        if type == -24:
            take(1)
            return take(unsigned())
        raise ValueError(f"type {type} is not read here")
    return [value(type) for type in types]


def get(record, name):
    return record[field_id(name)]
