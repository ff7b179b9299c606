"""The chain of layers: a forward and a backward pass over one batch, without the GIL and without allocation.

A layer is three products (_simd/matrix.h), each with what follows it done on tiles that are still hot:

    Z = A W + b, then the activation, its slope and dropout    forward
    D_prev = (D W') * slope                                     deltas of the layer before; not needed for the first
    G = A' D, then the optimizer's step and prox                the gradient is never stored

Rows of activations are padded to whole vectors and to an odd number of cache lines, as rows a power of two apart would
share their place in the cache. A layer with one output keeps it as a vector and multiplies with its roles swapped.
Large products are split between threads by tiles, never along the sum: the bits don't depend on the threads.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastreg._simd.dispatch cimport fr_product
from fastreg._threads cimport num_threads, parallel_for

cnp.import_array()

cdef enum:
    LINE = 64                   # bytes
# Multiply-adds that take as long as reading one element does in _threads' count of work.
cdef double MACS_PER_READ = 4.0
# The same for copying an element of a row that lies anywhere in memory.
cdef double READS_PER_COPY = 8.0


cdef object aligned(Py_ssize_t nbytes):
    """Zeros at the start of a cache line."""
    array = np.zeros(nbytes + LINE, np.uint8)
    start = (LINE - <Py_ssize_t>address(array) % LINE) % LINE
    return array[start: start + nbytes]


cdef char *address(object array) noexcept:
    return <char *>cnp.PyArray_DATA(<cnp.ndarray>array)


cdef inline Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
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
            at += widest * item
            s.scratch = base + at
            s.scratch_bytes = room * c.net.strip * c.net.width * item
            at += threads * s.scratch_bytes
        if base == NULL:
            self.memory = aligned(at)
            self.lay_out(c, rows, targets, nnz, training, threads, address(self.memory))
        return at


# One product, for parallel_for: task = strip * chunks + chunk; the last one, if any, is the bias' step.
cdef struct Work:
    const fr_net *net
    const fr_product *product
    const fr_rows *sparse
    Py_ssize_t rows, chunks, strips
    char *scratch
    Py_ssize_t scratch_bytes
    const fr_update *bias
    Py_ssize_t m, n
    const void *deltas
    Py_ssize_t ld
    void *sums


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Work *w = <const Work *>context
    cdef Py_ssize_t i0, i1
    if task == w.strips * w.chunks:
        w.net.column_sums(w.m, w.n, w.deltas, w.ld, w.sums)
        w.bias.step(w.bias, 0, 1, max(w.n, <Py_ssize_t>w.net.width), w.sums, 0)
        return
    i0 = task % w.chunks * w.rows
    i1 = min(w.product.m, i0 + w.rows)
    if w.sparse != NULL:
        w.net.sparse_product(w.product, w.sparse, i0, i1)
    else:
        w.net.product(w.product, i0, i1, task // w.chunks, w.scratch + thread * w.scratch_bytes)


cdef void run(Work *w, double macs, int threads) noexcept nogil:
    cdef const fr_product *p = w.product
    cdef Py_ssize_t task, n_tasks, chunks = 1
    if threads > 1:
        threads = min(threads, num_threads(macs / MACS_PER_READ))
    w.strips = 1 if w.sparse != NULL or p.n == 1 else w.net.strips(p.n)
    w.rows = p.m
    if threads > 1:
        chunks = max(1, min(p.m // 48, (4 * threads + w.strips - 1) // w.strips))
        w.rows = up((p.m + chunks - 1) // chunks, 16)
    w.chunks = max(1, (p.m + w.rows - 1) // w.rows)
    n_tasks = w.strips * w.chunks + (w.bias != NULL)
    if threads > 1:
        parallel_for(run_task, w, n_tasks, threads)
    else:
        for task in range(n_tasks):
            run_task(w, task, 0)


cdef inline void clear(fr_product *p, Work *w, const Chain *c, const Space *s) noexcept nogil:
    memset(p, 0, sizeof(fr_product))
    memset(w, 0, sizeof(Work))
    w.net, w.product, w.scratch, w.scratch_bytes = c.net, p, s.scratch, s.scratch_bytes


cdef inline bint pays_packing(const fr_product *p, Py_ssize_t item) noexcept nogil:
    """Whether B is more than the first-level cache keeps, and used by more than a few rows."""
    return p.k * p.ldb * item > 24576 and p.m > 16


# Rows of dense X, for parallel_for: task = part.
cdef struct Gather:
    const Chain *c
    const Source *x
    const Py_ssize_t *rows
    Space *s
    Py_ssize_t m, part


cdef void gather_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Gather *w = <const Gather *>context
    cdef const Chain *c = w.c
    cdef Py_ssize_t first = task * w.part, skipped = 0 if w.rows != NULL else first * w.x.ld * w.x.nbytes
    c.net.gather(min(w.part, w.m - first), c.layers[0].n_in, w.x.data + skipped, w.x.ld, w.x.nbytes,
                 w.rows + first if w.rows != NULL else NULL, w.s.x + first * w.s.ldx * c.item, w.s.ldx)


cdef void load(const Chain *c, Space *s, Py_ssize_t m, const Source *x, const Py_ssize_t *rows,
               int threads) noexcept nogil:
    """Gather rows of X (NULL: the first m)."""
    cdef Gather w
    if x.sparse:
        c.net.gather_sparse(m, &x.csr, rows, &s.csr)
        if s.transposed.start != NULL:
            c.net.transpose_sparse(m, c.layers[0].n_in, &s.csr, &s.transposed)
        return
    w.c, w.x, w.rows, w.s, w.m = c, x, rows, s, m
    if threads > 1:
        threads = min(threads, num_threads(<double>m * c.layers[0].n_in * READS_PER_COPY))
    w.part = max(1, (m + threads - 1) // threads)
    parallel_for(gather_task, &w, (m + w.part - 1) // w.part, threads)


cdef void forward(const Chain *c, Space *s, Py_ssize_t m, bint training, const fr_dropout *drops,
                  int threads) noexcept nogil:
    """Outputs of all layers, and slopes while training; drops: of each hidden layer, or NULL."""
    cdef fr_product p
    cdef Work w
    cdef const Layer *layer
    cdef Py_ssize_t i
    cdef bint slopes
    for i in range(c.n_layers):
        layer = &c.layers[i]
        clear(&p, &w, c, s)
        p.m, p.k, p.n = m, layer.n_in, layer.n
        p.a, p.ai, p.ak = s.x, s.ldx, 1
        if i > 0:
            p.a, p.ai = s.places[i - 1].outputs, s.places[i - 1].ld
        elif s.sparse:
            w.sparse = &s.csr
        p.b, p.ldb, p.bias = c.arena + layer.w * c.item, layer.ld, c.arena + layer.b * c.item
        p.packed = pays_packing(&p, c.item)
        p.c, p.ldc = s.places[i].outputs, s.places[i].ld
        p.finish = c.net.forward
        p.floor = -INFINITY
        slopes = training and i < c.n_layers - 1 and (layer.slopes or layer.charged)
        if slopes:
            p.slope = s.places[i].slopes if layer.charged else s.places[i].deltas
            p.activate = layer.activate
        elif layer.relu:
            p.floor = 0
        elif not layer.identity:
            p.activate = layer.activate
        if drops != NULL and i < c.n_layers - 1 and drops[i].rate > 0:
            p.drop = &drops[i]
        run(&w, <double>m * layer.n_in * layer.n_out, threads)


cdef void backward(const Chain *c, Space *s, Py_ssize_t m, const fr_update *weights, const fr_update *biases,
                   int threads) noexcept nogil:
    """From the deltas of the last layer down: each layer's updates get their gradients."""
    cdef fr_product p
    cdef Work w
    cdef const Layer *layer
    cdef const Layer *below
    cdef Py_ssize_t i, columns
    cdef double macs
    for i in range(c.n_layers - 1, -1, -1):
        layer = &c.layers[i]
        macs = <double>m * layer.n_in * layer.n_out
        if i > 0:
            below = &c.layers[i - 1]
            clear(&p, &w, c, s)
            p.m, p.k, p.n, p.nb = m, layer.n_out, below.n, layer.n_in
            p.a, p.ai, p.ak = s.places[i].deltas, s.places[i].ld, 1
            p.b, p.ldb, p.transposed = c.arena + layer.w * c.item, layer.ld, layer.n != 1
            p.c, p.ldc = s.places[i - 1].deltas, s.places[i - 1].ld
            if below.slopes and not below.charged:
                p.finish = c.net.through_slope
            elif below.relu and not below.charged:
                p.finish, p.outputs = c.net.through_relu, s.places[i - 1].outputs
            else:
                p.finish = c.net.store
            run(&w, macs, threads)
            if below.charged:
                c.net.activity(m, below.n_out, s.places[i - 1].ld, below.l1, below.l2, s.weight,
                               s.places[i - 1].outputs, s.places[i - 1].slopes, s.places[i - 1].deltas)
        clear(&p, &w, c, s)
        p.a, p.ai, p.ak = s.x, 1, s.ldx
        columns = up(layer.n_in, c.net.width)
        if i > 0:
            p.a, p.ak = s.places[i - 1].outputs, s.places[i - 1].ld
            columns = columns if c.layers[i - 1].n != 1 else 1
        elif s.sparse:
            w.sparse = &s.transposed
        p.m, p.k, p.n = layer.n_in, m, layer.n
        p.b, p.ldb = s.places[i].deltas, s.places[i].ld
        if layer.n == 1 and w.sparse == NULL:       # the roles swapped: G' = D' A
            p.m, p.n = 1, columns
            p.b, p.ldb = p.a, p.ak
            p.a, p.ai, p.ak = s.places[i].deltas, 0, s.places[i].ld
        p.packed = pays_packing(&p, c.item)
        p.finish, p.update, p.ldc = c.net.updating, &weights[i], layer.ld
        w.bias, w.m, w.n, w.deltas, w.ld, w.sums = &biases[i], m, layer.n, s.places[i].deltas, s.places[i].ld, s.sums
        run(&w, macs, threads)


cdef double weigh(const Source *weight, const Py_ssize_t *rows, Py_ssize_t m) noexcept nogil:
    """Sum of the weights of some rows."""
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(m):
        total += ((<const float *>weight.data)[rows[i]] if weight.nbytes == 4
                  else (<const double *>weight.data)[rows[i]])
    return total


cdef void share(const Chain *c, Space *s, Py_ssize_t m, const Source *weight, const Py_ssize_t *rows,
                double total) noexcept nogil:
    """The rows' shares of the mean."""
    cdef Py_ssize_t i
    cdef double value = 1
    for i in range(m):
        if weight.data != NULL:
            value = ((<const float *>weight.data)[rows[i]] if weight.nbytes == 4
                     else (<const double *>weight.data)[rows[i]])
        if c.f32:
            (<float *>s.weight)[i] = <float>(value / total)
        else:
            (<double *>s.weight)[i] = value / total
