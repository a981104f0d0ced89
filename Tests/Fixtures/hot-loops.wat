;; Loops in which the code that counts instructions weighs most; scripts/check-metering.sh times them.
(module
  (memory 1)
  (func (export "canister_update ints") (local $i i32) (local $x i32)
    (loop $l
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000000))))
    (i32.store (i32.const 0) (local.get $x)))
  (func (export "canister_update bytes") (local $i i32) (local $x i32)
    (loop $l
      (local.set $x (i32.add (local.get $x) (i32.load8_u (i32.and (local.get $i) (i32.const 65535)))))
      (if (i32.and (local.get $x) (i32.const 1)) (then (i32.store8 (i32.and (local.get $i) (i32.const 4095)) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 500000000))))
    (i32.store (i32.const 0) (local.get $x)))
  (func (export "canister_update simd") (local $i i32) (local $a v128)
    (loop $l
      (local.set $a (i32x4.add (local.get $a) (i32x4.dot_i16x8_s (v128.load (i32.and (local.get $i) (i32.const 65504))) (v128.load offset=16 (i32.and (local.get $i) (i32.const 65504))))))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 4000000000))))
    (v128.store (i32.const 0) (local.get $a)))
  (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 3)))
  (func (export "canister_update calls") (local $i i32) (local $x i32)
    (loop $l
      (local.set $x (call $leaf (local.get $x)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 300000000))))
    (i32.store (i32.const 0) (local.get $x))))
