/* The body of every level: a level_*.c names itself, its vector width and its tile, then
 * includes this file.
 *
 * Written once with the compilers' vector extension (GCC, Clang), so there are no intrinsics and
 * no twin for each width; a compiler without the extension gets vectors of one double. Each
 * level is a file of its own with a target pragma, so no compile flag differs between files and
 * no code built for a newer processor can leak into the common path. */
#include "kernels.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)

#if defined(__GNUC__) || defined(__clang__)
typedef double vd __attribute__((vector_size(VBYTES), aligned(8), may_alias));
#define VD ((ptrdiff_t)(VBYTES / 8))
#define LANE(v, l) ((v)[l])
#else
typedef double vd;
#define VD ((ptrdiff_t)1)
#define LANE(v, l) (v)
#endif
#define MR (3 * VD)
#if defined(__has_builtin)
#if __has_builtin(__builtin_shuffle)
#define HAS_SHUFFLE
#endif
#endif

static inline vd load(const double *p) { vd v; memcpy(&v, p, sizeof v); return v; }
static inline void store(double *p, vd v) { memcpy(p, &v, sizeof v); }
static inline vd splat(double a) { vd z = {0}; return a - z; }        /* a - 0 folds to a; 0 + a would not (-0) */
static inline double sum(vd v)
{
    double s = 0;
    for (ptrdiff_t l = 0; l < VD; l++)
        s += LANE(v, l);
    return s;
}

#if defined(__GNUC__) || defined(__clang__)
#define SOON(p) __builtin_prefetch(p, 0, 2)        /* into the second-level cache */
#else
#define SOON(p) (void)(p)
#endif
/* A page ahead of where columns are read: the processor's prefetchers stop at the end of each, and too few lines are on
 * their way for one core to use the memory (on a Xeon 11 GB/s, so 14; the column moments 8 and 12). */
#define AHEAD(p) SOON((const void *)((uintptr_t)(p) + 4096))

/* VD vectors of VD elements, rows to columns: at each level a butterfly of pairs whose indices differ in one bit. */
static inline void transpose(vd *v)
{
#ifdef HAS_SHUFFLE
    typedef long long index __attribute__((vector_size(VBYTES)));
#pragma GCC unroll 3
    for (int step = 1; step < VD; step *= 2) {
        index low, high;
#pragma GCC unroll 8
        for (int l = 0; l < VD; l++) {
            low[l] = l & step ? VD + l - step : l;
            high[l] = l & step ? VD + l : l + step;
        }
#pragma GCC unroll 8
        for (int i = 0; i < VD; i++)
            if (!(i & step)) {
                const vd a = v[i], b = v[i + step];
                v[i] = __builtin_shuffle(a, b, low);
                v[i + step] = __builtin_shuffle(a, b, high);
            }
    }
#else
    double t[VD * VD];
    for (int i = 0; i < VD; i++)
        for (int l = 0; l < VD; l++)
            t[l * VD + i] = LANE(v[i], l);
    for (int i = 0; i < VD; i++)
        v[i] = load(t + i * VD);
#endif
}

static double dot(ptrdiff_t n, const double *x, const double *y)
{
    vd a = splat(0), b = a, c = a, d = a;
    ptrdiff_t i = 0;
    for (; i + 4 * VD <= n; i += 4 * VD) {
        a += load(x + i) * load(y + i);
        b += load(x + i + VD) * load(y + i + VD);
        c += load(x + i + 2 * VD) * load(y + i + 2 * VD);
        d += load(x + i + 3 * VD) * load(y + i + 3 * VD);
    }
    for (; i + VD <= n; i += VD)
        a += load(x + i) * load(y + i);
    double s = sum((a + b) + (c + d));
    for (; i < n; i++)
        s += x[i] * y[i];
    return s;
}

static void axpy(ptrdiff_t n, double a, const double *x, double *y)
{
    ptrdiff_t i = 0;
    vd va = splat(a);
    for (; i + 2 * VD <= n; i += 2 * VD) {
        store(y + i, load(y + i) + va * load(x + i));
        store(y + i + VD, load(y + i + VD) + va * load(x + i + VD));
    }
    for (; i < n; i++)
        y[i] += a * x[i];
}

/* The outer-product tile of matrix multiplication (Goto and van de Geijn, 2008): up to 3 x NR vector
 * accumulators stay in registers while k runs; both operands are strips packed alike. */
static inline __attribute__((always_inline)) void tile_of(const int vectors, ptrdiff_t kc, const double *a,
                                                          const double *b, double *c, ptrdiff_t ldc)
{
    vd sums[3][NR];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++)
#pragma GCC unroll 8
        for (int j = 0; j < NR; j++)
            sums[v][j] = splat(0);
    for (ptrdiff_t k = 0; k < kc; k++) {
        vd column[3];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            column[v] = load(a + v * VD);
#pragma GCC unroll 8
        for (int j = 0; j < NR; j++) {
            const vd bj = splat(b[j]);
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sums[v][j] += column[v] * bj;
        }
        a += MR;
        b += MR;
    }
#pragma GCC unroll 8
    for (int j = 0; j < NR; j++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            store(c + j * ldc + v * VD, load(c + j * ldc + v * VD) + sums[v][j]);
}

static void tile(ptrdiff_t rows, ptrdiff_t kc, const double *a, const double *b, double *c, ptrdiff_t ldc)
{
    if (rows > 2 * VD)
        tile_of(3, kc, a, b, c, ldc);
    else if (rows > VD)
        tile_of(2, kc, a, b, c, ldc);
    else
        tile_of(1, kc, a, b, c, ldc);
}

#include "classes.h"

/* What reads X, for every type of X. */
#define T double
#define NAME(f) CAT(f, _f64)
#include "typed.h"
#define T float
#define NAME(f) CAT(f, _f32)
#include "typed.h"
#define T int8_t
#define NAME(f) CAT(f, _i8)
#include "typed.h"
#define T int16_t
#define NAME(f) CAT(f, _i16)
#include "typed.h"
#define T int32_t
#define NAME(f) CAT(f, _i32)
#include "typed.h"
#define T int64_t
#define NAME(f) CAT(f, _i64)
#include "typed.h"
#define T uint8_t
#define NAME(f) CAT(f, _u8)
#include "typed.h"
#define T uint16_t
#define NAME(f) CAT(f, _u16)
#include "typed.h"
#define T uint32_t
#define NAME(f) CAT(f, _u32)
#include "typed.h"
#define T uint64_t
#define NAME(f) CAT(f, _u64)
#include "typed.h"

/* Mathematics on vectors of one type: U its bits, V a vector, I the bits of a vector. */
#if defined(__GNUC__) || defined(__clang__)
typedef float vs __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef uint64_t bits64 __attribute__((vector_size(VBYTES), aligned(8), may_alias));
typedef uint32_t bits32 __attribute__((vector_size(VBYTES), aligned(4), may_alias));
#define MASK(test) ((I)(test))
#define LANES ((ptrdiff_t)(VBYTES / sizeof(T)))
#else
typedef float vs;
typedef uint64_t bits64;
typedef uint32_t bits32;
#define MASK(test) ((I)0 - (I)(test))
#define LANES ((ptrdiff_t)1)
#endif

/* Tiles of networks' products: rows, and vectors in a strip. */
#define ROWS (NR >= 8 ? 8 : 4)
#define STRIP (NR >= 4 ? 3 : 2)
#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))
#else
#define INLINE static inline
#define ALIGNED
#endif

#define T double
#define U uint64_t
#define V vd
#define I bits64
#define WIDE 1
#define NAME(f) CAT(f, _m64)
#include "vmath.h"
#include "losses.h"
#include "activate.h"
#include "matrix.h"
#include "update.h"
#include "batch.h"
#undef T
#undef U
#undef V
#undef I
#undef WIDE
#undef NAME

#define T float
#define U uint32_t
#define V vs
#define I bits32
#define WIDE 0
#define NAME(f) CAT(f, _m32)
#include "vmath.h"
#include "losses.h"
#include "activate.h"
#include "matrix.h"
#include "update.h"
#include "batch.h"
#undef T
#undef U
#undef V
#undef I
#undef WIDE
#undef NAME

#define MATH(f) {CAT(all_vexp, f), CAT(all_vlog, f), CAT(all_vlog1p, f), CAT(all_vexpm1, f), CAT(all_vtanh, f), \
                 CAT(all_verf, f), CAT(all_vsigmoid, f)}
#define LOSSES(f) {CAT(rows_squared, f), CAT(rows_absolute, f), CAT(rows_huber, f), CAT(rows_quantile, f), \
                   CAT(rows_poisson, f), CAT(rows_gamma, f), CAT(rows_tweedie, f), CAT(rows_logistic, f), \
                   CAT(rows_softmax, f)}
#define CONJUGATES {pairs_squared_m64, pairs_absolute_m64, pairs_huber_m64, pairs_quantile_m64, \
                    pairs_poisson_m64, pairs_gamma_m64, pairs_logistic_m64}
#define NET(f) {CAT(width, f), STRIP, CAT(strips, f), CAT(product, f), CAT(sparse_product, f), \
                CAT(store, f), CAT(forward, f), CAT(through_relu, f), CAT(through_slope, f), CAT(updating, f), \
                CAT(column_sums, f), CAT(activity, f), CAT(sgd, f), CAT(heavy_ball, f), CAT(nesterov, f), CAT(adam, f), \
                CAT(settle, f), CAT(metric, f), CAT(square_sum, f), CAT(finite, f), \
                CAT(act_identity, f), CAT(act_logistic, f), CAT(act_tanh, f), CAT(act_relu, f), \
                CAT(act_leaky_relu, f), CAT(act_elu, f), CAT(act_gelu, f), CAT(act_silu, f), CAT(act_softplus, f), \
                CAT(gather, f), CAT(gather_any, f), CAT(gather_sparse, f), CAT(transpose_sparse, f)}
#define TYPED(f) {CAT(col_dots, f), CAT(row_dots, f), CAT(col_axpy, f), CAT(row_dot, f), \
                  CAT(col_moments, f), CAT(row_moments, f), CAT(pack, f)}
const fr_kernels CAT(fr_kernels_, LEVEL) = {
    LEVEL_NAME, 3 * (VBYTES / 8), NR, dot, axpy, tile,
    {TYPED(_f32), TYPED(_f64), TYPED(_i8), TYPED(_i16), TYPED(_i32), TYPED(_i64), TYPED(_u8), TYPED(_u16), TYPED(_u32),
     TYPED(_u64)},
    MATH(_m64), MATH(_m32), LOSSES(_m64), LOSSES(_m32), CONJUGATES,
    {VD, classes_move, classes_gather, classes_scatter},
    NET(_m64), NET(_m32)};
