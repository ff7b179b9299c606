/* The choice of the level, made once at import. */
#include "kernels.h"
#include <string.h>

extern const fr_kernels fr_kernels_base;
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define LEVELS 1
extern const fr_kernels fr_kernels_v3, fr_kernels_v4;
#endif

const fr_kernels *fr_select(const char *limit)
{
#ifdef LEVELS
    __builtin_cpu_init();
    const int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("bmi2");
    const int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
    const int all = limit == NULL || limit[0] == 0;
    if (v4 && (all || !strcmp(limit, fr_kernels_v4.name)))
        return &fr_kernels_v4;
    if (v3 && (all || !strcmp(limit, fr_kernels_v4.name) || !strcmp(limit, fr_kernels_v3.name)))
        return &fr_kernels_v3;
#else
    (void)limit;
#endif
    return &fr_kernels_base;
}
