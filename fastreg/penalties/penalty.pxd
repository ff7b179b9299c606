cdef class Penalty:
    # l1 |w| + l2 / 2 w^2 for every weight; optimizers take the two numbers where that is all (fused)
    cdef readonly double l1, l2
    cdef readonly bint fused
    # forbids some weights, and charges none: the prox is a projection, whatever the step
    cdef readonly bint constrains
    cdef readonly tuple args

    cdef void prox_layer(self, bint f32, Py_ssize_t n_in, Py_ssize_t n_out, void *w, const void *step,
                         double scalar_step) noexcept nogil


cdef class Separable(Penalty):
    cdef double charge_one(self, double w) noexcept nogil
    cdef double prox_one(self, double v, double h) noexcept nogil
    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil
    cdef double curvature_one(self, double w) noexcept nogil
    # the same of scaled(f), without making it
    cdef double charge_scaled(self, double f, double w) noexcept nogil
    cdef double prox_scaled(self, double f, double v, double h) noexcept nogil
    cdef void slopes_scaled(self, double f, double w, double *low, double *high) noexcept nogil
    cdef double curvature_scaled(self, double f, double w) noexcept nogil
