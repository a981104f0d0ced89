// f32 and int8 kernels on pointers, Workers, scalar maths and seeded random numbers.
