from fastreg._simd.dispatch cimport fr_net, fr_update


cdef class Optimizer:
    cdef readonly int moments           # arrays it keeps of the size of the weights

    cdef void prepare(self, const fr_net *net, fr_update *u, double rate, Py_ssize_t t) noexcept nogil
    cdef bint settles(self) noexcept nogil


cdef class SGD(Optimizer):
    cdef readonly double momentum
    cdef readonly bint nesterov


cdef class Adam(Optimizer):
    cdef readonly double beta_1, beta_2, epsilon
