"""Writes Tests/InternetComputerTests/BLSVectors.swift: BLS12-381 values computed by py_ecc 8.0.0 and by plain
Python integers. Run: pip install py_ecc==8.0.0 && python3 bls_vectors.py > ../InternetComputerTests/BLSVectors.swift
"""
import random
from hashlib import sha256

from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import compress_G1, compress_G2
from py_ecc.optimized_bls12_381 import (
    FQ, FQ2, G1, G2, Z1, add, curve_order as r, field_modulus as p, is_inf, is_on_curve, b, b2, multiply, pairing)

random.seed(381)
x = -0xD201000000010000
h1 = (x - 1) ** 2 // 3
h2 = (x**8 - 4 * x**7 + 5 * x**6 - 4 * x**4 + 6 * x**3 - 4 * x**2 - 4 * x + 13) // 9
TAG = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"


def fp(v):
    return "%096x" % int(v)


def fp2(v):
    return "%096x%096x" % (int(v.coeffs[1]), int(v.coeffs[0]))


def g1(point):
    return "%096x" % compress_G1(point)


def g2(point):
    return "%096x%096x" % compress_G2(point)


def lines(text, indent=8, width=96):
    """A Swift string literal; line breaks in it mean nothing."""
    pieces = [text[i:i + width] for i in range(0, len(text), width)] or [""]
    if len(text) <= 64:
        return '"%s"' % pieces[0]
    return ("\n" + " " * indent).join(['"""', *pieces, '"""'])


def chain(a, c, steps):
    """Products, sums and differences, each value depending on all earlier ones."""
    squares = ""
    for _ in range(steps):
        a, c = a * c + a, a - c * c
        norm = int(a) if isinstance(a, FQ) else int(a.coeffs[0]) ** 2 + int(a.coeffs[1]) ** 2
        squares += "1" if pow(norm, (p - 1) // 2, p) in (0, 1) else "0"
    return a, c, squares


def random_point(field, curve_b, root):
    while True:
        candidate = field(random.randrange(p)) if field is FQ else field([random.randrange(p), random.randrange(p)])
        y = root(candidate**3 + curve_b)
        if y is not None:
            return (candidate, y, field.one())


def root1(v):
    y = v ** ((p + 1) // 4)
    return y if y * y == v else None


def root2(v):
    # q = p² = 9 (mod 16): the candidate v^((q+7)/16) times an eighth root of unity.
    candidate = v ** ((p * p + 7) // 16)
    eighth = FQ2([1, 1]) ** ((p * p - 1) // 8)
    for k in range(8):
        y = candidate * eighth**k
        if y * y == v:
            return y
    return None


def of_order(prime, total, field, curve_b, root):
    power = total
    while power % prime == 0:
        power //= prime
    while True:
        point = multiply(random_point(field, curve_b, root), power)
        if not is_inf(point):
            break
    while not is_inf(multiply(point, prime)):
        point = multiply(point, prime)
    return point


print("// Written by Tests/Scripts/bls_vectors.py with py_ecc 8.0.0.\n")
print("/// BLS12-381 values computed outside this project; all bytes in hexadecimal, line breaks ignored.")
print("enum BLSVectors {")
seeds = [random.randrange(p) for _ in range(4)]
for name, a, c, show in (
    ("fp", FQ(seeds[0]), FQ(seeds[1]), fp),
    ("fp2", FQ2(seeds[:2]), FQ2(seeds[2:]), fp2),
):
    a1, c1, squares = chain(a, c, 500)
    print(f"    /// (a, b) ← (a·b + a, a − b²), 500 times; whether each a is a square.")
    print(f"    static let {name}Chain = (")
    print("        a: %s,\n        b: %s," % (lines(show(a)), lines(show(c))))
    print("        lastA: %s,\n        lastB: %s," % (lines(show(a1)), lines(show(c1))))
    print("        squares: %s)\n" % lines(squares))

print("    /// A scalar and its products with both generators, compressed.")
print("    static let multiples: [(scalar: String, g1: String, g2: String)] = [")
for k in [1, 2, 3, 2**64, 2**255 % r, r - 1] + [random.randrange(r) for _ in range(3)]:
    print('        (\n            %s,\n            %s,\n            %s),' % (
        lines("%064x" % k, 12), lines(g1(multiply(G1, k)), 12), lines(g2(multiply(G2, k)), 12)))
print("    ]\n")

print("    /// Points of the curve of G1 outside G1, with a prime that divides their order.")
print("    static let outsideG1: [(prime: String, compressed: String)] = [")
for prime in (3, 11, 10177, 859267, 52437899):
    assert h1 % prime == 0
    point = of_order(prime, h1 * r, FQ, b, root1)
    for q in (point, add(point, multiply(G1, random.randrange(r)))):
        assert is_on_curve(q, b) and not is_inf(multiply(q, r))
        print('        (\n            "%d",\n            %s),' % (prime, lines(g1(q), 12)))
point = random_point(FQ, b, root1)
assert not is_inf(multiply(point, r))
print('        (\n            "any",\n            %s),\n    ]\n' % lines(g1(point), 12))

print("    /// Points of the curve of G2 outside G2, with a prime that divides their order.")
print("    static let outsideG2: [(prime: String, compressed: String)] = [")
for prime in (13, 23, 2713, 11953, 262069):
    assert h2 % prime == 0
    point = of_order(prime, h2 * r, FQ2, b2, root2)
    for q in (point, add(point, multiply(G2, random.randrange(r)))):
        assert is_on_curve(q, b2) and not is_inf(multiply(q, r))
        print('        (\n            "%d",\n            %s),' % (prime, lines(g2(q), 12)))
point = random_point(FQ2, b2, root2)
assert not is_inf(multiply(point, r))
print('        (\n            "any",\n            %s),\n    ]\n' % lines(g2(point), 12))

print("    /// Secret, public key, message, signature.")
print("    static let signatures: [(secret: String, key: String, message: String, signature: String)] = [")
for i, k in enumerate([1, r - 1] + [random.randrange(r) for _ in range(4)]):
    message = random.randbytes((0, 1, 46, 63, 64, 300)[i])
    signature = multiply(hash_to_G1(message, TAG, sha256), k)
    print("        (\n            %s,\n            %s,\n            %s,\n            %s)," % (
        lines("%064x" % k, 12), lines(g2(multiply(G2, k)), 12), lines(message.hex(), 12), lines(g1(signature), 12)))
print("    ]\n")

# py_ecc writes Fp12 as Fp[w]/(w¹² − 2w⁶ + 2), where w⁶ = 1 + u; and it leaves out the conjugation the sign of the
# curve parameter asks for, so its value is the inverse. The pairing of this project is the cube.
value = pairing(multiply(G2, 7), multiply(G1, 5)) ** (3 * (r - 1))
coefficients = [int(c) for c in value.coeffs]
print("    /// e(5·g₁, 7·g₂)³ as the coefficients of 1, w … w⁵, each in the order of a coordinate of G2.")
print("    static let pairing: [String] = [")
for i in range(6):
    pair = FQ2([coefficients[i] + coefficients[i + 6], coefficients[i + 6]])
    print("        %s," % lines(fp2(pair)))
print("    ]\n}")
