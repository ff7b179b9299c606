from fastreg._simd.dispatch cimport fr_update
from fastreg._threads cimport Member, Team
from fastreg.networks.chain cimport Chain
from fastreg.networks.network cimport Network
from fastreg.networks.optimizers cimport Optimizer


# Some of a layer's weights (or biases): rows, `ld` apart, of so many columns; the first weight is number `at`.
cdef struct Part:
    Py_ssize_t which, at, rows, columns, ld


cdef struct Parts:
    Part *part
    Py_ssize_t count
    Py_ssize_t *first           # where the members' shares begin


cdef class Steps:
    cdef readonly Optimizer optimizer
    cdef Network net
    cdef Chain *c
    cdef list penalties                 # of each layer's weights, then of each layer's biases
    cdef void **borrowed                # the same
    cdef double clip, decay
    cdef object m, v, gradient, room
    cdef fr_update *updates             # in that order as well
    cdef fr_update *sums                # which add up the gradient
    cdef char *gradient_at
    cdef char *room_at
    cdef Py_ssize_t room_bytes
    cdef Parts parts                    # of all
    cdef Parts apart                    # of those whose prox is a pass of its own
    cdef double *squares                # of each part of the gradient

    cdef Py_ssize_t length(self, Py_ssize_t which) noexcept nogil
    cdef Py_ssize_t offset(self, Py_ssize_t which) noexcept nogil
    cdef object cut_apart(self, Py_ssize_t which, object penalty)
    cdef object make_room(self, int threads)
    cdef object point(self, bint whole)
    cdef object reset(self)
    cdef void share(self, int threads) noexcept nogil
    cdef void prepare(self, double rate, Py_ssize_t t) noexcept nogil
    cdef void finish(self, bint whole, Team team, Member *me, int thread) noexcept nogil
    cdef void measure(self, Py_ssize_t part) noexcept nogil
    cdef void step(self, Py_ssize_t part) noexcept nogil
    cdef void prox(self, Py_ssize_t part, int thread) noexcept nogil
