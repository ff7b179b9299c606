from fastreg._simd.dispatch cimport fr_conjugate, fr_loss


cdef class Loss:
    cdef fr_loss f64, f32
    cdef fr_conjugate dual      # the convex conjugate, or NULL: unknown, or not a sum over elements
    cdef double params[2]

    cdef double evaluate(self, bint f32, Py_ssize_t n, Py_ssize_t K, const void *raw, const void *y, const void *weight,
                         void *gradient, void *curvature) noexcept nogil
