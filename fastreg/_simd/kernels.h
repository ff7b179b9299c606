/* Vector primitives of fastreg, one table a instruction-set level (see kernels.c).
 *
 * Every primitive is serial, trusts its input, and writes only what it is given.
 * `fr_typed` holds those that read X, once for double and once for float input; they
 * all compute in double. Sizes are in elements. */
#ifndef FASTREG_KERNELS_H
#define FASTREG_KERNELS_H
#include <stddef.h>

/* What one panel of a Gram matrix is packed from: element (k, c) is
 * (x[k * sk + c * sc] - shift_k[k] - shift_c[c]) * mult_k[k] * mult_c[c];
 * k runs over the summed index, c over the columns of the result. */
typedef struct {
    const void *x;
    ptrdiff_t sk, sc;
    const ptrdiff_t *rows;      /* k -> index into x, shift_k, mult_k; NULL: the identity */
    const ptrdiff_t *cols;      /* c -> index into x, shift_c, mult_c; NULL: the identity */
    const double *shift_k, *mult_k, *shift_c, *mult_c;
} fr_source;

typedef struct {
    /* out[t] += sum_i (x[i] - mu) * R[t * ldr + i] */
    void (*col_dots)(ptrdiff_t n, const void *x, double mu, ptrdiff_t k, const double *R,
                     ptrdiff_t ldr, double *out);
    /* out[t * ldo + j] += sum_i (x[i * rs + j] - mu[j]) * R[t * ldr + i], rows contiguous */
    void (*row_dots)(ptrdiff_t n, ptrdiff_t p, const void *x, ptrdiff_t rs, const double *mu,
                     ptrdiff_t k, const double *R, ptrdiff_t ldr, double *out, ptrdiff_t ldo);
    /* y += a * (x - mu) */
    void (*col_axpy)(ptrdiff_t n, double a, double mu, const void *x, double *y);
    /* sum_j (x[j] - mu[j]) * w[j]; with cols: x[cols[j]] for x[j] */
    double (*row_dot)(ptrdiff_t p, const void *x, const ptrdiff_t *cols, const double *mu, const double *w);
    /* out[0..2] += sum_i s_i d_i, sum_i s_i d_i^2, sum_i v_i d_i with d = x - shift; s NULL: s_i = 1 */
    void (*col_moments)(ptrdiff_t n, const void *x, double shift, const double *s,
                        const double *v, double *out);
    /* the same for p columns of a row-major block: out[0*ldo + j], out[1*ldo + j], out[2*ldo + j] */
    void (*row_moments)(ptrdiff_t n, ptrdiff_t p, const void *x, ptrdiff_t rs, const double *shift,
                        const double *s, const double *v, double *out, ptrdiff_t ldo);
    /* strips of `mr` columns, each [k][mr], of rows k0..k1 and columns 0..m, padded with zeros */
    void (*pack)(const fr_source *src, ptrdiff_t k0, ptrdiff_t k1, ptrdiff_t m, double *out);
} fr_typed;

/* out[i] = f(x[i]) on float arrays; out may be x */
typedef void (*fr_function)(ptrdiff_t n, const void *x, void *out);
typedef struct {
    fr_function exp, log, log1p, expm1, tanh, erf, sigmoid;
} fr_math;

/* n rows of K raw predictions in C order, y as many targets (softmax: n class numbers), weight one a row or NULL for 1.
 * Returns sum_i weight_i loss_i; writes weight_i times the first and second derivatives where not NULL. */
typedef double (*fr_loss)(ptrdiff_t n, ptrdiff_t K, const void *raw, const void *y, const void *weight,
                          void *gradient, void *curvature, const double *params);
typedef struct {
    fr_loss squared, absolute, huber, quantile, poisson, gamma, tweedie, logistic, softmax;
} fr_losses;

typedef struct {
    const char *name;
    int mr, nr;                 /* the tile of `tile`: mr rows by nr columns, nr divides mr */
    double (*dot)(ptrdiff_t n, const double *x, const double *y);
    void (*axpy)(ptrdiff_t n, double a, const double *x, double *y);
    /* c[j * ldc + i] += sum_k a[k * mr + i] * b[k * mr + j], j < nr, i < rows at least and < mr at most */
    void (*tile)(ptrdiff_t rows, ptrdiff_t kc, const double *a, const double *b, double *c, ptrdiff_t ldc);
    fr_typed f64, f32;
    fr_math math64, math32;
    fr_losses loss64, loss32;
} fr_kernels;

/* The best table this processor can run; `limit` (a level's name, or NULL) bounds the choice. */
const fr_kernels *fr_select(const char *limit);

#endif
