from fastreg._simd.dispatch cimport fr_net, fr_update
from fastreg.losses cimport Loss
from fastreg.networks.chain cimport Chain, Layer, Source


cdef class Network:
    cdef Chain chain
    cdef Layer *layers
    cdef object arena
    cdef readonly object dtype
    cdef readonly list weights, biases
    cdef readonly tuple sizes, activations
    cdef readonly Loss loss

    cdef list views(self, object arena, bint biases)
    cdef Py_ssize_t columns(self, object Y) except -1


cdef object describe(Source *source, object array, Py_ssize_t n_columns, str name)
cdef Py_ssize_t batch_elements(object X, object order, Py_ssize_t batch, Py_ssize_t piece) except -2
cdef void accumulate(fr_update *u, const fr_net *net, char *to, Py_ssize_t ld) noexcept
