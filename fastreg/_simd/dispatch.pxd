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

    ctypedef struct fr_kernels:
        const char *name
        int mr
        int nr
        double (*dot)(Py_ssize_t n, const double *x, const double *y) noexcept nogil
        void (*axpy)(Py_ssize_t n, double a, const double *x, double *y) noexcept nogil
        void (*tile)(Py_ssize_t rows, Py_ssize_t kc, const double *a, const double *b, double *c,
                     Py_ssize_t ldc) noexcept nogil
        fr_typed f64
        fr_typed f32
        fr_math math64
        fr_math math32
        fr_losses loss64
        fr_losses loss32

    const fr_kernels *fr_select(const char *limit)

# The table every module uses; filled when this module is imported.
cdef const fr_kernels *kernels
