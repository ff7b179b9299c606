from libc.stdint cimport int32_t, uint32_t


cdef extern from "kernels.h" nogil:
    ctypedef struct fr_source:
        const void *x
        Py_ssize_t sk, sc
        const Py_ssize_t *rows
        const Py_ssize_t *cols
        const double *shift_k
        const double *mult_k
        const double *shift_c
        const double *mult_c

    ctypedef struct fr_typed:
        void (*col_dots)(Py_ssize_t n, const void *x, double mu, Py_ssize_t k, const double *R, Py_ssize_t ldr,
                         double *out) noexcept nogil
        void (*row_dots)(Py_ssize_t n, Py_ssize_t p, const void *x, Py_ssize_t rs, const double *mu, Py_ssize_t k,
                         const double *R, Py_ssize_t ldr, double *out, Py_ssize_t ldo) noexcept nogil
        void (*col_axpy)(Py_ssize_t n, double a, double mu, const void *x, double *y) noexcept nogil
        double (*row_dot)(Py_ssize_t p, const void *x, const Py_ssize_t *cols, const double *mu,
                          const double *w) noexcept nogil
        void (*col_moments)(Py_ssize_t n, const void *x, double shift, const double *s, const double *v,
                            double *out) noexcept nogil
        void (*row_moments)(Py_ssize_t n, Py_ssize_t p, const void *x, Py_ssize_t rs, const double *shift,
                            const double *s, const double *v, double *out, Py_ssize_t ldo) noexcept nogil
        void (*pack)(const fr_source *src, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t m, double *out) noexcept nogil

    ctypedef void (*fr_function)(Py_ssize_t n, const void *x, void *out) noexcept nogil

    ctypedef struct fr_math:
        fr_function exp, log, log1p, expm1, tanh, erf, sigmoid

    ctypedef double (*fr_loss)(Py_ssize_t n, Py_ssize_t K, const void *raw, const void *y, const void *weight,
                               void *gradient, void *curvature, const double *params) noexcept nogil

    ctypedef struct fr_losses:
        fr_loss squared, absolute, huber, quantile, poisson, gamma, tweedie, logistic, softmax

    ctypedef void (*fr_conjugate)(Py_ssize_t n, const double *u, const double *y, double *out,
                                  const double *params) noexcept nogil

    ctypedef struct fr_conjugates:
        fr_conjugate squared, absolute, huber, quantile, poisson, gamma, logistic

    ctypedef struct fr_product
    ctypedef struct fr_update
    ctypedef void (*fr_finish)(const fr_product *p, Py_ssize_t i, Py_ssize_t j, Py_ssize_t rows, Py_ssize_t cols,
                               const void *tile) noexcept nogil
    ctypedef void (*fr_step)(const fr_update *u, Py_ssize_t at, Py_ssize_t rows, Py_ssize_t cols, const void *g,
                             Py_ssize_t ldg) noexcept nogil
    ctypedef void (*fr_activation)(Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t ld, void *z, void *slope) noexcept nogil

    ctypedef struct fr_dropout:
        double rate
        uint32_t key0, key1

    ctypedef struct fr_product:
        Py_ssize_t m, n, k, nb
        const void *a
        Py_ssize_t ai, ak
        const void *b
        Py_ssize_t ldb
        int transposed, packed
        void *c
        Py_ssize_t ldc
        fr_finish finish
        const void *bias
        double floor
        fr_activation activate
        void *slope
        const fr_dropout *drop
        const void *outputs
        const fr_update *update

    ctypedef struct fr_update:
        fr_step step
        void *w
        void *m
        void *v
        Py_ssize_t ld
        double rate, l1, l2, decay, scale, momentum, beta1, beta2, epsilon, correct1, correct2
        int apart

    ctypedef struct fr_csr:
        const void *start
        const void *index
        const void *value
        int index_bytes
        int nbytes "bytes"

    ctypedef struct fr_rows:
        Py_ssize_t *start
        int32_t *index
        void *value

    int FR_FLOAT, FR_DOUBLE, FR_INT8, FR_INT16, FR_INT32, FR_INT64, FR_UINT8, FR_UINT16, FR_UINT32, FR_UINT64

    ctypedef struct fr_net:
        int width, strip
        Py_ssize_t (*strips)(Py_ssize_t n) noexcept nogil
        void (*product)(const fr_product *p, Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t s, void *scratch) noexcept nogil
        void (*sparse_product)(const fr_product *p, const fr_rows *s, Py_ssize_t i0, Py_ssize_t i1) noexcept nogil
        fr_finish store, forward, through_relu, through_slope, updating
        void (*column_sums)(Py_ssize_t m, Py_ssize_t n, const void *d, Py_ssize_t ld, void *out) noexcept nogil
        void (*activity)(Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t ld, double l1, double l2, const void *weight,
                         const void *a, const void *slope, void *d) noexcept nogil
        fr_step sgd, heavy_ball, nesterov, adam
        void (*settle)(const fr_update *u, Py_ssize_t n, const void *z, int nesterov) noexcept nogil
        void (*metric)(const fr_update *u, Py_ssize_t n, void *h) noexcept nogil
        double (*square_sum)(Py_ssize_t n, const void *x) noexcept nogil
        int (*finite)(Py_ssize_t n, const void *x) noexcept nogil
        fr_activation identity, logistic, tanh, relu, leaky_relu, elu, gelu, silu, softplus
        void (*gather)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, int nbytes,
                       const Py_ssize_t *rows, void *out, Py_ssize_t ldo) noexcept nogil
        void (*gather_any)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t row, Py_ssize_t column, int kind,
                           const Py_ssize_t *rows, void *out, Py_ssize_t ldo) noexcept nogil
        void (*gather_sparse)(Py_ssize_t m, const fr_csr *x, const Py_ssize_t *rows, fr_rows *out) noexcept nogil
        void (*transpose_sparse)(Py_ssize_t m, Py_ssize_t n, const fr_rows *x, fr_rows *out) noexcept nogil

    ctypedef struct fr_classes:
        int width
        void (*move)(Py_ssize_t n, Py_ssize_t K, const double *x, const double *p, const double *d,
                     double *r) noexcept nogil
        void (*gather)(Py_ssize_t count, Py_ssize_t ld, const double *x, const int32_t *rows, const double *r,
                       double *out) noexcept nogil
        void (*scatter)(Py_ssize_t count, Py_ssize_t ld, const double *x, const int32_t *rows, const double *p,
                        const double *d, double *r) noexcept nogil

    ctypedef struct fr_kernels:
        const char *name
        int mr
        int nr
        double (*dot)(Py_ssize_t n, const double *x, const double *y) noexcept nogil
        void (*axpy)(Py_ssize_t n, double a, const double *x, double *y) noexcept nogil
        void (*tile)(Py_ssize_t rows, Py_ssize_t kc, const double *a, const double *b, double *c,
                     Py_ssize_t ldc) noexcept nogil
        fr_typed typed[10]
        fr_math math64
        fr_math math32
        fr_losses loss64
        fr_losses loss32
        fr_conjugates conjugate
        fr_classes classes
        fr_net net64
        fr_net net32

    const fr_kernels *fr_select(const char *limit)

# The table every module uses; filled when this module is imported.
cdef const fr_kernels *kernels
