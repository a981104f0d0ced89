"""What a gateway checks of a certified response (HTTP gateway protocol, response verification version 2), in plain
Python and independent of the canister's code. The signature on the certificate is checked by the page itself."""

import base64
import hashlib
import re


def decode(data):
    """One CBOR item of certificates: definite lengths only."""
    item, rest = _item(data)
    assert not rest, "trailing bytes"
    return item


def _item(data):
    major, low = data[0] >> 5, data[0] & 31
    data = data[1:]
    if low >= 24:
        width = 1 << (low - 24)
        low, data = int.from_bytes(data[:width], "big"), data[width:]
    if major == 0:
        return low, data
    if major in (2, 3):
        assert low <= len(data), "too short"
        return (data[:low] if major == 2 else data[:low].decode()), data[low:]
    if major == 4:
        items = []
        for _ in range(low):
            item, data = _item(data)
            items.append(item)
        return items, data
    if major == 5:
        entries = {}
        for _ in range(low):
            key, data = _item(data)
            entries[key], data = _item(data)
        return entries, data
    assert major == 6, f"an item of kind {major}"
    return _item(data)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def digest(tree):
    def domain(text):
        return bytes([len(text)]) + text.encode()

    kind = tree[0]
    if kind == 0:
        return sha256(domain("ic-hashtree-empty"))
    if kind == 1:
        return sha256(domain("ic-hashtree-fork"), digest(tree[1]), digest(tree[2]))
    if kind == 2:
        return sha256(domain("ic-hashtree-labeled"), tree[1], digest(tree[2]))
    return sha256(domain("ic-hashtree-leaf"), tree[1]) if kind == 3 else tree[1]


ABSENT, UNKNOWN = "absent", "unknown"


def subtree(tree, path):
    """The tree at a path, ABSENT when it is proven not to exist, or UNKNOWN."""
    if not path:
        return tree
    gap = False
    for part in level(tree):
        if part[0] == 4:
            gap = True
        elif part[0] == 2:
            if part[1] == path[0]:
                return subtree(part[2], path[1:])
            if part[1] > path[0]:
                break
            gap = False
    return UNKNOWN if gap else ABSENT


def level(tree):
    return level(tree[1]) + level(tree[2]) if tree[0] == 1 else [] if tree[0] == 0 else [tree]


def natural(number):
    out = bytearray()
    while True:
        out.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(out)


def response_hash(status, headers, expression, body):
    """Of the headers that the expression lists; names in any case."""
    listed = [name.lower() for name in re.search(r"certified_response_headers:ResponseHeaderList\{headers:\[(.*?)\]",
                                                 expression).group(1).replace('"', "").split(",")]
    fields = [sha256(name.lower().encode()) + sha256(value.encode()) for name, value in headers if name.lower() in listed]
    fields.append(sha256(b"ic-certificateexpression") + sha256(expression.encode()))
    fields.append(sha256(b":ic-cert-status") + sha256(natural(status)))
    return sha256(sha256(*sorted(fields)), sha256(body))


# A vector of the reference implementation (dfinity/response-verification, tests of response_hash.rs).
assert response_hash(
    200, [("Accept-Encoding", "gzip"), ("Cache-Control", "no-cache"), ("Cache-Control", "no-store"),
          ("Content-Security-Policy", "default-src 'self'")],
    'default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{},'
    'response_certification:ResponseCertification{certified_response_headers:ResponseHeaderList{'
    'headers:["Accept-Encoding","Cache-Control"]}}}})', b"Hello World!",
).hex() == "3393250e3cedc30408dcb7e8963898c3d7549b8a0b76496b82fdfeae99c2ac78"


def check(path, status, headers, body, canister):
    """Raises AssertionError unless the response to a path is certified. `headers` is a list of pairs."""
    value = {name.lower(): value for name, value in headers}
    parts = dict(part.split("=", 1) for part in value["ic-certificate"].split(", "))
    assert parts.pop("version") == "2"
    parts = {name: decode(base64.b64decode(text.strip(":"), validate=True)) for name, text in parts.items()}
    tree, place = parts["tree"], parts["expr_path"]
    certified = subtree(parts["certificate"]["tree"], [b"canister", canister, b"certified_data"])
    assert certified == [3, digest(tree)], "the tree is not the certified one"

    names = [name for name in path.split("?")[0].split("/") if name] + ([""] if path.split("?")[0].endswith("/") else [])
    exact = ["http_expr", *names, "<$>"]
    if place != exact:
        assert place[-1] == "<*>" and names[:len(place) - 2] == place[1:-1], f"{place} is not the place of {path}"
        assert subtree(tree, [part.encode() for part in exact]) == ABSENT, f"{path} might have a place of its own"
        for depth in range(len(place) - 1, len(names) + 1):
            nearer = ["http_expr", *names[:depth], "<*>"]
            assert subtree(tree, [part.encode() for part in nearer]) == ABSENT, f"{nearer} might be nearer to {path}"
    expression = value["ic-certificateexpression"]
    leaf = subtree(tree, [part.encode() for part in place] + [
        sha256(expression.encode()), b"", response_hash(status, headers, expression, body)])
    assert leaf == [3, b""], "the response is not certified"
