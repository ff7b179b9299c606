from fastreg._simd.dispatch cimport fr_dropout, fr_product, fr_rows, fr_update
from fastreg._threads cimport Member, Team, task_t
from fastreg.losses cimport Loss
from fastreg.networks.chain cimport Chain, Source, Space


# A layer's products over a batch.
cdef struct Stage:
    fr_product forward, deltas, gradient
    const fr_rows *rows         # of sparse X, and its transpose; NULL for dense
    const fr_rows *columns
    Py_ssize_t n_forward, n_deltas, n_gradient      # strips
    const fr_update *bias


# A part of a layer's gradient with its step: rows i0.. of a strip of the weights; strip -1: the bias.
cdef struct Task:
    Py_ssize_t layer, strip, i0, i1
    int owner


# The rows that a batch (or a piece of one) is made of.
cdef struct Piece:
    const Source *x
    const Source *y
    const Source *weight        # without data: all the same
    const Py_ssize_t *order     # NULL: the first rows of these
    Py_ssize_t m, K             # rows; columns of y
    double total                # what weights are divided by
    double *value               # gets the sum of the weighted losses
    task_t once                 # done by one thread while weights are at rest, or NULL
    void *context               # of it


cdef class Passes:
    cdef const Chain *c
    cdef Space *s
    cdef Loss loss
    cdef Stage *stages
    cdef Task *tasks
    cdef Task *made
    cdef double *loads
    cdef double *values         # of the loss, of each block of rows
    cdef Py_ssize_t *cuts       # where chunks of rows begin
    cdef Py_ssize_t *first_chunk        # of each thread, for Team
    cdef Py_ssize_t *first_task
    cdef Py_ssize_t m
    cdef int threads
    cdef bint training

    cdef void make_room(self, const Chain *c, Space *s, Loss loss, int threads)
    cdef void plan(self, Py_ssize_t m, bint training, const fr_dropout *drops, const fr_update *weights,
                   const fr_update *biases, int threads) noexcept nogil
    cdef void forward(self, Py_ssize_t i0, Py_ssize_t i1, int thread) noexcept nogil
    cdef void rows(self, const Piece *piece, Py_ssize_t chunk, int thread) noexcept nogil
    cdef void gradient(self, Py_ssize_t task, int thread) noexcept nogil
    cdef void run(self, const Piece *piece, Team team, Member *me, int thread) noexcept nogil


cdef void load_rows(const Chain *c, Space *s, const Source *x, const Py_ssize_t *order, Py_ssize_t i0,
                    Py_ssize_t i1) noexcept nogil
