/* Vector primitives of fastreg, one table a instruction-set level (see kernels.c).
 *
 * Every primitive is serial, trusts its input, and writes only what it is given.
 * `fr_typed` holds those that read X, once for each type of X; they all compute in
 * double. Sizes are in elements. */
#ifndef FASTREG_KERNELS_H
#define FASTREG_KERNELS_H
#include <stddef.h>
#include <stdint.h>

/* Numbers that X may hold. */
enum {
    FR_FLOAT, FR_DOUBLE, FR_INT8, FR_INT16, FR_INT32, FR_INT64, FR_UINT8, FR_UINT16, FR_UINT32, FR_UINT64, FR_KINDS
};

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
/* out[i] = the convex conjugate at u[i] of the loss of target y[i] */
typedef void (*fr_conjugate)(ptrdiff_t n, const double *u, const double *y, double *out, const double *params);
typedef struct {
    fr_conjugate squared, absolute, huber, quantile, poisson, gamma, logistic;
} fr_conjugates;
/* Curvature of a softmax at the probabilities p_i of K classes, D_i = diag(p_i) - p_i p_i', by columns x of X (classes.h):
 * `move` adds x_i D_i d to row i of r, where p and r are (K, n). Where x is sparse they are (n, ld), ld in whole vectors
 * and 0 from K on, and so is d: `scatter` does the same with the rows given, `gather` is out[k] = sum_e x_e r[rows_e, k]. */
typedef struct {
    int width;
    void (*move)(ptrdiff_t n, ptrdiff_t K, const double *x, const double *p, const double *d, double *r);
    void (*gather)(ptrdiff_t count, ptrdiff_t ld, const double *x, const int32_t *rows, const double *r, double *out);
    void (*scatter)(ptrdiff_t count, ptrdiff_t ld, const double *x, const int32_t *rows, const double *p, const double *d,
                    double *r);
} fr_classes;
/* One product C = A B of a network's layer (matrix.h), C computed by strips of columns. n counts the padding: it is
 * a multiple of `width` elements, or 1. Element (i, l) of A is a[i * ai + l * ak]; element (l, j) of B is
 * b[l * ldb + j], or b[j * ldb + l] where transposed (then only j < nb are there, the rest is padding). */
typedef struct fr_product fr_product;
typedef struct fr_update fr_update;
typedef void (*fr_finish)(const fr_product *p, ptrdiff_t i, ptrdiff_t j, ptrdiff_t rows, ptrdiff_t cols, const void *tile);
typedef void (*fr_step)(const fr_update *u, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t cols, const void *g, ptrdiff_t ldg);
/* A block of a layer's raw values becomes its outputs, in place; their slopes, laid out alike, where not NULL */
typedef void (*fr_activation)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld, void *z, void *slope);
typedef struct { double rate; uint32_t key0, key1; } fr_dropout;
struct fr_product {
    ptrdiff_t m, n, k, nb;
    const void *a;
    ptrdiff_t ai, ak;
    const void *b;
    ptrdiff_t ldb;
    int transposed, packed;     /* packed: strips of B are copied before use (a transposed B always is) */
    void *c;
    ptrdiff_t ldc;
    /* what becomes of a tile, rows i.. and columns j.., still in the first-level cache */
    fr_finish finish;
    const void *bias;           /* forward: added to each row; NULL: none */
    double floor;               /* what is under it is set to it */
    fr_activation activate;     /* then this, or NULL */
    void *slope;                /* where forward leaves the activation's slope, laid out as C, or NULL */
    const fr_dropout *drop;     /* and this, or NULL */
    const void *outputs;        /* backward through relu: the layer's outputs, laid out as C */
    const fr_update *update;    /* of the weights, laid out as C */
};

/* One step of an optimizer on a block of weights (update.h), prox of l1 |w| + l2/2 w^2 included. */
struct fr_update {
    fr_step step;
    void *w, *m, *v;            /* weights, first and second moments */
    ptrdiff_t ld;               /* of all these */
    double rate, l1, l2, decay, scale;          /* decay: w is first multiplied by 1 - decay; g by scale */
    double momentum, beta1, beta2, epsilon, correct1, correct2;
    int apart;                  /* the prox is a pass of its own, later: see `settle` */
};

/* Sparse X as its owner keeps it, and some of its rows in the network's type. */
typedef struct { const void *start, *index, *value; int index_bytes, bytes; } fr_csr;
typedef struct { ptrdiff_t *start; int32_t *index; void *value; } fr_rows;

/* What networks compute with, in one element type. */
typedef struct {
    int width, strip;           /* elements of a vector; vectors of a whole strip */
    ptrdiff_t (*strips)(ptrdiff_t n);                   /* number of strips of n columns */
    /* strip s of rows i0..i1 of a product (one column: i0 is a multiple of width); scratch: k * strip * width elements */
    void (*product)(const fr_product *p, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t s, void *scratch);
    void (*sparse_product)(const fr_product *p, const fr_rows *s, ptrdiff_t i0, ptrdiff_t i1);  /* A is s */
    fr_finish store, forward, through_relu, through_slope, updating;
    /* out[j] = sum_i d[i * ld + j] */
    void (*column_sums)(ptrdiff_t m, ptrdiff_t n, const void *d, ptrdiff_t ld, void *out);
    void (*activity)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld, double l1, double l2, const void *weight,
                     const void *a, const void *slope, void *d);
    fr_step sgd, heavy_ball, nesterov, adam;
    /* before and after a prox pass: see update.h */
    void (*settle)(const fr_update *u, ptrdiff_t n, const void *z, int nesterov);
    void (*metric)(const fr_update *u, ptrdiff_t n, void *h);
    double (*square_sum)(ptrdiff_t n, const void *x);
    int (*finite)(ptrdiff_t n, const void *x);
    fr_activation identity, logistic, tanh, relu, leaky_relu, elu, gelu, silu, softplus;
    /* rows (NULL: 0..m) of X, C order with rows of ldx elements of `bytes` bytes (4 or 8), into the rows of out */
    void (*gather)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, int bytes, const ptrdiff_t *rows, void *out,
                   ptrdiff_t ldo);
    void (*gather_any)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t row, ptrdiff_t column, int kind,
                       const ptrdiff_t *rows, void *out, ptrdiff_t ldo);
    void (*gather_sparse)(ptrdiff_t m, const fr_csr *x, const ptrdiff_t *rows, fr_rows *out);
    void (*transpose_sparse)(ptrdiff_t m, ptrdiff_t n, const fr_rows *x, fr_rows *out);
} fr_net;

typedef struct {
    const char *name;
    int mr, nr;                 /* the tile of `tile`: mr rows by nr columns, nr divides mr */
    double (*dot)(ptrdiff_t n, const double *x, const double *y);
    void (*axpy)(ptrdiff_t n, double a, const double *x, double *y);
    /* c[j * ldc + i] += sum_k a[k * mr + i] * b[k * mr + j], j < nr, i < rows at least and < mr at most */
    void (*tile)(ptrdiff_t rows, ptrdiff_t kc, const double *a, const double *b, double *c, ptrdiff_t ldc);
    fr_typed typed[FR_KINDS];
    fr_math math64, math32;
    fr_losses loss64, loss32;
    fr_conjugates conjugate;
    fr_classes classes;
    fr_net net64, net32;
} fr_kernels;

/* The best table this processor can run; `limit` (a level's name, or NULL) bounds the choice. */
const fr_kernels *fr_select(const char *limit);

#endif
