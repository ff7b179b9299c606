"""The chain of layers, and where a batch has its place: laid out once, so that passes allocate nothing.

Rows of activations are padded to whole vectors and to an odd number of cache lines, as rows a power of two apart would
share their place in the cache. A layer with one output keeps it as a vector and multiplies with its roles swapped.
What is done in these places is in passes.pyx.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cnp.import_array()

cdef enum:
    LINE = 64                   # bytes


cdef object aligned(Py_ssize_t nbytes):
    """Zeros at the start of a cache line."""
    array = np.zeros(nbytes + LINE, np.uint8)
    start = (LINE - <Py_ssize_t>address(array) % LINE) % LINE
    return array[start: start + nbytes]


cdef char *address(object array) noexcept:
    return <char *>cnp.PyArray_DATA(<cnp.ndarray>array)


cdef Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    return (n + unit - 1) // unit * unit


cdef Py_ssize_t padded(const Chain *c, Py_ssize_t n) noexcept nogil:
    """Whole cache lines, in elements."""
    return up(n, LINE // c.item)


cdef inline Py_ssize_t stride(const Chain *c, Py_ssize_t n) noexcept nogil:
    """An odd number of lines, but for narrow rows."""
    cdef Py_ssize_t unit = LINE // c.item, lines = (n + unit - 1) // unit
    return (lines | 1 if lines > 4 else lines) * unit


cdef double products(const Chain *c) noexcept nogil:
    """Multiply-adds of one row's forward pass."""
    cdef double macs = 0
    cdef Py_ssize_t i
    for i in range(c.n_layers):
        macs += <double>c.layers[i].n_in * c.layers[i].n_out
    return macs


cdef class Spaces:
    """Room for ``count`` batches of up to ``rows`` rows; nnz > 0: sparse ones with so many elements at most."""

    def __cinit__(self, Py_ssize_t count):
        self.count = count
        self.space = <Space *>malloc(count * sizeof(Space))
        self.places = NULL

    def __dealloc__(self):
        free(self.space)
        free(self.places)

    cdef object lay_out(self, const Chain *c, Py_ssize_t rows, Py_ssize_t targets, Py_ssize_t nnz, bint training,
                        int threads, char *base):
        """Assign all pointers; with base NULL only the total of bytes is found, which is returned."""
        cdef Py_ssize_t at = 0, k, i, item = c.item, widest = 0, outputs = c.layers[c.n_layers - 1].n_out, n_in, room
        cdef Space *s
        cdef Place *p
        cdef const Layer *layer
        if self.places == NULL:
            self.places = <Place *>malloc(self.count * c.n_layers * sizeof(Place))
        n_in = c.layers[0].n_in
        rows = up(rows, LINE // item)
        for k in range(self.count):
            s = &self.space[k]
            memset(s, 0, sizeof(Space))
            s.rows, s.sparse, s.places = rows, nnz >= 0, self.places + k * c.n_layers
            if s.sparse:
                s.csr.start = <Py_ssize_t *>(base + at)
                at += up((rows + 1) * sizeof(Py_ssize_t), LINE)
                s.csr.index = <int32_t *>(base + at)
                at += up(nnz * sizeof(int32_t), LINE)
                s.csr.value = base + at
                at += up(nnz * item, LINE)
                if training:
                    s.transposed.start = <Py_ssize_t *>(base + at)
                    at += up((n_in + 1) * sizeof(Py_ssize_t), LINE)
                    s.transposed.index = <int32_t *>(base + at)
                    at += up(nnz * sizeof(int32_t), LINE)
                    s.transposed.value = base + at
                    at += up(nnz * item, LINE)
            else:
                s.ldx = stride(c, n_in)
                s.x = base + at
                at += rows * s.ldx * item
            room = rows if s.sparse else max(rows, n_in)
            for i in range(c.n_layers):
                layer, p = &c.layers[i], &s.places[i]
                p.ld = 1 if layer.n == 1 else stride(c, layer.n_out)
                p.outputs = base + at
                at += rows * p.ld * item
                p.deltas = p.slopes = NULL
                if training:
                    p.deltas = base + at
                    at += rows * p.ld * item
                if training and layer.charged:
                    p.slopes = base + at
                    at += rows * p.ld * item
                widest = max(widest, padded(c, layer.n_out))
                room = max(room, layer.n_out)
            s.targets = base + at
            at += up(rows * targets * item, LINE)
            s.weight = base + at
            at += rows * item
            s.raw = base + at
            at += up(rows * outputs * item, LINE)
            s.gradient = base + at
            at += up(rows * outputs * item, LINE)
            s.sums = base + at
            s.sums_bytes = widest * item
            at += c.n_layers * s.sums_bytes
            s.scratch = base + at
            s.scratch_bytes = room * c.net.strip * c.net.width * item
            at += threads * s.scratch_bytes
        if base == NULL:
            self.memory = aligned(at)
            self.lay_out(c, rows, targets, nnz, training, threads, address(self.memory))
        return at


cdef void load_sparse(const Chain *c, Space *s, Py_ssize_t m, const Source *x, const Py_ssize_t *rows) noexcept nogil:
    """Gather rows of sparse X (NULL: the first m)."""
    c.net.gather_sparse(m, &x.csr, rows, &s.csr)
    if s.transposed.start != NULL:
        c.net.transpose_sparse(m, c.layers[0].n_in, &s.csr, &s.transposed)


cdef double weigh(const Source *weight, const Py_ssize_t *rows, Py_ssize_t m) noexcept nogil:
    """Sum of the weights of some rows."""
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(m):
        total += ((<const float *>weight.data)[rows[i]] if weight.nbytes == 4
                  else (<const double *>weight.data)[rows[i]])
    return total


cdef void share(const Chain *c, Space *s, Py_ssize_t i0, Py_ssize_t i1, const Source *weight, const Py_ssize_t *rows,
                double total) noexcept nogil:
    """Shares of the mean of rows i0..i1 of a batch."""
    cdef Py_ssize_t i, row
    cdef double value = 1
    for i in range(i0, i1):
        row = rows[i] if rows != NULL else i
        if weight.data != NULL:
            value = (<const float *>weight.data)[row] if weight.nbytes == 4 else (<const double *>weight.data)[row]
        if c.f32:
            (<float *>s.weight)[i] = <float>(value / total)
        else:
            (<double *>s.weight)[i] = value / total
