/* x86-64-v3: AVX2 and FMA, 16 vector registers. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,bmi2")
#endif
#define LEVEL v3
#define LEVEL_NAME "x86-64-v3"
#define VBYTES 32
#define NR 4
#include "kernels.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
