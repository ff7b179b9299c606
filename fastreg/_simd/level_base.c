/* What every processor of the architecture runs. */
#define LEVEL base
#define LEVEL_NAME "baseline"
#if defined(__GNUC__) || defined(__clang__)
#define VBYTES 16
#else
#define VBYTES 8
#endif
#define NR 3
#include "kernels.c"
