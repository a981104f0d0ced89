// The 128-bit integer operations that int8 kernels are made of, under one name on every target.
//
// WebAssembly SIMD128 and x86 map to single instructions; elsewhere clang's vector extensions serve.
// Freestanding: nothing but the compiler's own headers. Every operation has the same result on every target.
#pragma once
#include <stdint.h>

// Sixteen bytes. Imported into Swift as SIMD4<Int32>; the other lane types are views inside this header.
typedef int32_t lanes __attribute__((ext_vector_type(4)));

#define LANES_OP static inline __attribute__((always_inline, const, unused)) lanes
#define LANES_LOAD static inline __attribute__((always_inline, pure, unused)) lanes
#define LANES_STORE static inline __attribute__((always_inline, unused)) void

typedef int16_t lanes_i16 __attribute__((ext_vector_type(8)));
typedef int16_t lanes_half_i16 __attribute__((ext_vector_type(4)));
typedef int8_t lanes_half_i8 __attribute__((ext_vector_type(8)));
typedef uint8_t lanes_half_u8 __attribute__((ext_vector_type(8)));
typedef float lanes_f32 __attribute__((ext_vector_type(4)));

// Sixteen bytes from any address.
LANES_LOAD lanes_load(const void *_Nonnull p) {
    lanes v;
    __builtin_memcpy(&v, p, 16);
    return v;
}

// Eight bytes from any address into the low half; the high half is unspecified.
LANES_LOAD lanes_load_half(const void *_Nonnull p) {
    int64_t v;
    __builtin_memcpy(&v, p, 8);
    typedef int64_t two __attribute__((ext_vector_type(2)));
    two w = {v, 0};
    return (lanes)w;
}

LANES_STORE lanes_store(void *_Nonnull p, lanes v) { __builtin_memcpy(p, &v, 16); }

// The low eight bytes.
LANES_STORE lanes_store_half(void *_Nonnull p, lanes v) { __builtin_memcpy(p, &v, 8); }

// The high eight bytes.
LANES_STORE lanes_store_high(void *_Nonnull p, lanes v) {
    typedef int64_t two __attribute__((ext_vector_type(2)));
    int64_t high = ((two)v).y;
    __builtin_memcpy(p, &high, 8);
}

// Zeros that the compiler does not know: it would make a call of a loop that stores zeros, which costs more than the
// few vectors of a border.
static inline __attribute__((always_inline, unused)) lanes lanes_zeros(void) {
    int32_t zero = 0;
    __asm__("" : "+r"(zero));
    return (lanes)zero;
}

// One of the four lanes.
LANES_STORE lanes_store_lane(void *_Nonnull p, lanes v, int lane) {
    int32_t x = v[lane];
    __builtin_memcpy(p, &x, 4);
}

// Eight bytes from p below eight bytes from q.
LANES_LOAD lanes_load_halves(const void *_Nonnull p, const void *_Nonnull q) {
    typedef int64_t two __attribute__((ext_vector_type(2)));
    int64_t low, high;
    __builtin_memcpy(&low, p, 8);
    __builtin_memcpy(&high, q, 8);
    return (lanes)(two){low, high};
}

// A pair of 16-bit numbers in each of the four lanes.
LANES_LOAD lanes_splat_pair(const int16_t *_Nonnull p) {
    int32_t v;
    __builtin_memcpy(&v, p, 4);
    return (lanes)v;
}

// One 16-bit number in all eight lanes.
LANES_OP lanes_splat_i16(int16_t x) { return (lanes)(lanes_i16)x; }

// Eight signed bytes widened to 16 bits.
LANES_LOAD lanes_widen_i8(const int8_t *_Nonnull p) {
    lanes_half_i8 v;
    __builtin_memcpy(&v, p, 8);
    return (lanes)__builtin_convertvector(v, lanes_i16);
}

// Eight unsigned bytes widened to 16 bits.
LANES_LOAD lanes_widen_u8(const uint8_t *_Nonnull p) {
    lanes_half_u8 v;
    __builtin_memcpy(&v, p, 8);
    return (lanes)__builtin_convertvector(v, lanes_i16);
}

LANES_OP lanes_add_i32(lanes a, lanes b) {
    typedef uint32_t u __attribute__((ext_vector_type(4)));
    return (lanes)((u)a + (u)b);
}

LANES_OP lanes_max_i32(lanes a, lanes b) { return __builtin_elementwise_max(a, b); }

LANES_OP lanes_sub_i16(lanes a, lanes b) {
    typedef uint16_t u __attribute__((ext_vector_type(8)));
    return (lanes)((u)a - (u)b);
}

LANES_OP lanes_min_i16(lanes a, lanes b) {
    return (lanes)__builtin_elementwise_min((lanes_i16)a, (lanes_i16)b);
}

LANES_OP lanes_max_i16(lanes a, lanes b) {
    return (lanes)__builtin_elementwise_max((lanes_i16)a, (lanes_i16)b);
}

LANES_OP lanes_splat_f32(float x) { return (lanes)(lanes_f32)x; }

LANES_OP lanes_splat_i32(int32_t x) { return (lanes)x; }

// The four lower (higher) of eight 16-bit numbers widened to 32 bits.
LANES_OP lanes_extend_low_i16(lanes a) {
    return __builtin_convertvector(((lanes_i16)a).lo, lanes);
}

LANES_OP lanes_extend_high_i16(lanes a) {
    return __builtin_convertvector(((lanes_i16)a).hi, lanes);
}

// The four lower (higher) 16-bit numbers of a and b in turn: a0 b0 a1 b1 …
LANES_OP lanes_interleave_low(lanes a, lanes b) {
    return (lanes)__builtin_shufflevector((lanes_i16)a, (lanes_i16)b, 0, 8, 1, 9, 2, 10, 3, 11);
}

LANES_OP lanes_interleave_high(lanes a, lanes b) {
    return (lanes)__builtin_shufflevector((lanes_i16)a, (lanes_i16)b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// The four lower 16-bit numbers of a and the four higher ones in turn: a0 a4 a1 a5 …
LANES_OP lanes_interleave_halves(lanes a) {
    return (lanes)__builtin_shufflevector((lanes_i16)a, (lanes_i16)a, 0, 4, 1, 5, 2, 6, 3, 7);
}

LANES_OP lanes_add_i16(lanes a, lanes b) {
    typedef uint16_t u __attribute__((ext_vector_type(8)));
    return (lanes)((u)a + (u)b);
}

LANES_OP lanes_mul_i16(lanes a, lanes b) {
    typedef uint16_t u __attribute__((ext_vector_type(8)));
    return (lanes)((u)a * (u)b);
}

LANES_OP lanes_sub_i32(lanes a, lanes b) {
    typedef uint32_t u __attribute__((ext_vector_type(4)));
    return (lanes)((u)a - (u)b);
}

LANES_OP lanes_mul_i32(lanes a, lanes b) {
    typedef uint32_t u __attribute__((ext_vector_type(4)));
    return (lanes)((u)a * (u)b);
}

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

// Lane i: a[2i] * b[2i] + a[2i+1] * b[2i+1] of 16-bit numbers.
LANES_OP lanes_dot_i16(lanes a, lanes b) { return (lanes)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b); }

// Eight 32-bit numbers saturated to 16 bits, those of a first.
LANES_OP lanes_narrow(lanes a, lanes b) { return (lanes)wasm_i16x8_narrow_i32x4((v128_t)a, (v128_t)b); }

#elif defined(__SSE2__)
#include <emmintrin.h>

LANES_OP lanes_dot_i16(lanes a, lanes b) { return (lanes)_mm_madd_epi16((__m128i)a, (__m128i)b); }

LANES_OP lanes_narrow(lanes a, lanes b) { return (lanes)_mm_packs_epi32((__m128i)a, (__m128i)b); }

#else

LANES_OP lanes_dot_i16(lanes a, lanes b) {
    lanes_i16 x = (lanes_i16)a, y = (lanes_i16)b;
    lanes even = __builtin_convertvector(x.even, lanes) * __builtin_convertvector(y.even, lanes);
    lanes odd = __builtin_convertvector(x.odd, lanes) * __builtin_convertvector(y.odd, lanes);
    return lanes_add_i32(even, odd);
}

LANES_OP lanes_narrow(lanes a, lanes b) {
    lanes low = -32768, high = 32767;
    a = __builtin_elementwise_min(__builtin_elementwise_max(a, low), high);
    b = __builtin_elementwise_min(__builtin_elementwise_max(b, low), high);
    lanes_half_i16 x = __builtin_convertvector(a, lanes_half_i16);
    lanes_half_i16 y = __builtin_convertvector(b, lanes_half_i16);
    return (lanes)__builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7);
}

#endif

// Round to nearest, ties to even, as integers; exact while the magnitude is below 2^22.
#if defined(__wasm_simd128__)
LANES_OP lanes_rounded(lanes_f32 x) {
    return (lanes)wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest((v128_t)x));
}
#else
// Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the sum.
LANES_OP lanes_rounded(lanes_f32 x) {
    lanes_f32 magic = 12582912.0f;
    return (lanes)(x + magic) - (lanes)magic;
}
#endif

// Lane i: Float(acc[i]) * multiplier[i], rounded.
LANES_OP lanes_requantise(lanes acc, lanes multiplier) {
    return lanes_rounded(__builtin_convertvector(acc, lanes_f32) * (lanes_f32)multiplier);
}

// Lane i: Float(a[i]) * x[i] + Float(b[i]) * y[i], every step rounded to binary32, and then to an integer.
LANES_OP lanes_requantise_sum(lanes a, lanes x, lanes b, lanes y) {
    lanes_f32 left = __builtin_convertvector(a, lanes_f32) * (lanes_f32)x;
    lanes_f32 right = __builtin_convertvector(b, lanes_f32) * (lanes_f32)y;
    return lanes_rounded(left + right);
}

#undef LANES_OP
#undef LANES_LOAD
#undef LANES_STORE
