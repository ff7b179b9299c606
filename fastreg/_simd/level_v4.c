/* x86-64-v4: AVX-512, 32 vector registers. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi2,prefer-vector-width=512")
#endif
#define LEVEL v4
#define LEVEL_NAME "x86-64-v4"
#define VBYTES 64
#define NR 8
#include "kernels.c"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
