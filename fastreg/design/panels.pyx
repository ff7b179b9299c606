"""Gram products of a dense array, by panels of the summed index.

A panel of either operand is packed once (centred, scaled, weighted and cast to float64 on the way), then multiplied
tile by tile into an accumulator that each thread has of its own; X is read once. Further columns (1, y) can ride along.
Work space is kept for the next product: touching fresh pages can take longer than the arithmetic on them.
"""

import numpy as np

cimport numpy as cnp
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport fr_product, kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted

cnp.import_array()

cdef enum:
    PANEL = 256             # summed indices of a Gram panel: a packed panel of 500 columns fills L2
    LINE = 8                # numbers of a cache line
    SOME = 64               # summed indices that are packed at a time on their way to single precision
    KEPT = 1 << 22          # numbers of work space that are kept

_kept = []                  # work space that nobody uses


cdef cnp.ndarray borrow(Py_ssize_t size):
    """Work space that is the caller's until it gives it back."""
    while _kept:
        space = _kept.pop()
        if space.size >= size:
            return space
    return np.empty(size)


cdef void give_back(cnp.ndarray space):
    if space.size <= KEPT and len(_kept) < 2:
        _kept.append(space)


cdef void pack_extra(Panels *c, Py_ssize_t k0, Py_ssize_t k1, double *left) noexcept nogil:
    """Put the further columns behind those of X, in the strips' padding or in new strips."""
    cdef Py_ssize_t mr = kernels.mr, kc = k1 - k0, i, j, k, t, first = c.m - c.n_extra
    cdef double *strip
    j = ceil_div(first, mr) * mr
    memset(left + j * kc, 0, (ceil_div(c.m, mr) * mr - j) * kc * sizeof(double))
    for t in range(c.n_extra):
        j = first + t
        strip = left + (j - j % mr) * kc + j % mr
        for k in range(kc):
            i = k0 + k if c.left.rows == NULL else c.left.rows[k0 + k]
            strip[k * mr] = c.extra[t * c.ld_extra + i] * c.left.mult_k[i]


cdef void panel_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Panels *c = <Panels *> context
    cdef Py_ssize_t k0 = task * c.depth, k1 = min(c.rows, k0 + c.depth), kc = k1 - k0
    cdef Py_ssize_t mr = kernels.mr, nr = kernels.nr, mp = c.mp, i, j, b, end
    cdef double *left = c.pack[thread]
    cdef double *right = left
    cdef double *acc = c.acc[thread]
    c.ops.pack(&c.left, k0, k1, c.m - c.n_extra, left)
    if c.n_extra:
        pack_extra(c, k0, k1, left)
    if not c.symmetric:
        right = left + mp * kc
        c.ops.pack(&c.right, k0, k1, c.width, right)
    j = c.begin
    while j < c.width:
        b = j - j % mr                      # the strip that column j is packed in
        i = 0
        end = j + nr if c.symmetric else c.m
        while i < end:
            kernels.tile(end - i, kc, left + i * kc, right + b * kc + (j - b), acc + (j - c.begin) * mp + i, mp)
            i += mr
        j += nr


cdef void sum_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of the result: the sum of the threads' own, and its mirror image, a cache line of it at a time."""
    cdef Panels *c = <Panels *> context
    cdef Py_ssize_t j0 = c.first + task * LINE, j1 = min(c.width, j0 + LINE), i, j
    cdef double *row
    cdef int t
    for j in range(j0, j1):
        row = c.acc[0] + (j - c.begin) * c.mp
        for t in range(1, c.threads):
            kernels.axpy(j + 1 if c.symmetric else c.m, 1.0, c.acc[t] + (j - c.begin) * c.mp, row)
        memcpy(c.out + j * c.ld_out, row, (j + 1 if c.symmetric else c.m) * sizeof(double))
    if c.symmetric:                         # row j holds i <= j (and some more)
        row = c.acc[0] - c.begin * c.mp
        for i in range(j1):
            for j in range(max(i + 1, j0), j1):
                c.out[i * c.ld_out + j] = row[j * c.mp + i]


cdef object run_panels(Panels *c, cnp.ndarray out=None):
    """Sum of the panels: (width, m), or the full symmetric (m, m), into ``out`` where it is given."""
    cdef Py_ssize_t mr = kernels.mr, nr = kernels.nr
    c.begin = c.first - c.first % nr if c.symmetric else 0
    c.mp = ceil_div(c.m, mr) * mr
    cdef Py_ssize_t wp = ceil_div(c.width, mr) * mr, area = (wp - c.begin) * c.mp
    cdef double flops = 1.0 * c.rows * c.m * (c.width - c.begin)
    # Each thread has an accumulator of its own: bound what they take together.
    cdef int threads = <int> min(num_threads(flops / 8), max(2, 32 * 1024 * 1024 // area))
    c.depth = PANEL if c.rows >= PANEL * threads else max(1, ceil_div(c.rows, threads))
    cdef Py_ssize_t tasks = ceil_div(c.rows, c.depth)
    cdef Py_ssize_t panel = (c.mp if c.symmetric else c.mp + wp) * c.depth + 8
    cdef cnp.ndarray space = borrow(threads * (panel + area))
    cdef double *at = <double *> cnp.PyArray_DATA(space)
    cdef int t
    c.pack = <double **> malloc(2 * threads * sizeof(double *))
    if c.pack == NULL:
        raise MemoryError
    c.acc = c.pack + threads
    for t in range(threads):
        c.acc[t] = at + t * area
        c.pack[t] = at + threads * area + t * panel
    if out is None:
        out = np.empty((c.width, c.m))
    c.out, c.ld_out, c.threads = <double *> cnp.PyArray_DATA(out), out.strides[0] // sizeof(double), threads
    if not c.symmetric:
        c.first = 0
    with nogil:
        memset(at, 0, threads * area * sizeof(double))
        parallel_for(panel_task, c, tasks, threads)
        parallel_for(sum_task, c, ceil_div(c.width - c.first, LINE), num_threads(8.0 * c.m * (c.width - c.first)))
    free(c.pack)
    raise_if_interrupted()
    give_back(space)
    return out


cdef void add_tile(const fr_product *p, Py_ssize_t i, Py_ssize_t j, Py_ssize_t rows, Py_ssize_t cols,
                   const void *tile) noexcept nogil:
    cdef Py_ssize_t r, q
    cdef float *at
    cdef const float *t
    for r in range(rows):
        at = <float *> p.c + (i + r) * p.ldc + j
        t = <const float *> tile + r * cols
        for q in range(cols):
            at[q] += t[q]


cdef void rough_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Panels *c = <Panels *> context
    cdef Py_ssize_t k0 = task * c.depth, k1 = min(c.rows, k0 + c.depth), mr = kernels.mr, top, kc, s, k, i, first
    cdef double *strips = c.pack[thread]
    cdef float *flat = <float *> (strips + SOME * c.mp)
    cdef float *row
    cdef double *strip
    cdef fr_product p
    top = k0
    while top < k1:
        kc = min(SOME, k1 - top)
        c.ops.pack(&c.left, top, top + kc, c.m, strips)
        for s in range(c.mp // mr):
            for k in range(kc):
                row = flat + (top - k0 + k) * c.ld_out + s * mr
                strip = strips + (s * kc + k) * mr
                for i in range(mr):
                    row[i] = <float> strip[i]
        for k in range(kc):
            for i in range(c.mp, c.ld_out):
                flat[(top - k0 + k) * c.ld_out + i] = 0
        top += kc
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.k, p.packed = c.m, c.ld_out, k1 - k0, 1
    p.a, p.ai, p.ak = flat, 1, c.ld_out
    p.b, p.ldb = flat, c.ld_out
    p.c, p.ldc, p.finish = c.acc[thread], c.ld_out, add_tile
    kc = kernels.net32.strips(p.n)
    for s in range(kc):
        first = s * (p.n // kernels.net32.width) // kc * kernels.net32.width     # where the strip begins
        if first < c.m:
            kernels.net32.product(&p, first, c.m, s, flat + c.depth * c.ld_out)


cdef object run_rough(Panels *c):
    """A symmetric sum of panels in single precision, (m, m): the lower triangle, and some of the upper one.

    Packed in double precision, multiplied by the networks' tile.
    """
    cdef Py_ssize_t width = kernels.net32.width
    c.mp = ceil_div(c.m, kernels.mr) * kernels.mr
    c.ld_out = ceil_div(c.mp, width) * width
    cdef int threads = <int> min(num_threads(1.0 * c.rows * c.m * c.m / 8), max(2, (1 << 25) // (c.m * c.ld_out)))
    c.depth = PANEL if c.rows >= PANEL * threads else max(1, ceil_div(c.rows, threads))
    cdef Py_ssize_t single = c.depth * (c.ld_out + kernels.net32.strip * width)
    cdef Py_ssize_t panel = SOME * c.mp + ceil_div(single, 2) + LINE
    cdef cnp.ndarray sums = np.zeros((threads, c.m, c.ld_out), dtype=np.float32), space = borrow(threads * panel)
    cdef int t
    c.pack = <double **> malloc(2 * threads * sizeof(double *))
    if c.pack == NULL:
        raise MemoryError
    c.acc = c.pack + threads
    for t in range(threads):
        c.pack[t] = <double *> cnp.PyArray_DATA(space) + t * panel
        c.acc[t] = <double *> (<float *> cnp.PyArray_DATA(sums) + t * c.m * c.ld_out)
    with nogil:
        parallel_for(rough_task, c, ceil_div(c.rows, c.depth), threads)
    free(c.pack)
    raise_if_interrupted()
    give_back(space)
    return sums.sum(axis=0)[:, :c.m]


def centred(const double[:, ::1] joint, const double[::1] shift, Py_ssize_t p, double drift):
    """(G, cross, means, variances) of columns about their means, from their Gram matrix about ``shift`` with 1 and y.

    None if a column's square about ``shift`` is more than ``drift`` times its variance: the differences would cancel.
    """
    cdef Py_ssize_t targets = joint.shape[0] - p - 1, i, j
    cdef double[:, ::1] G = np.empty((p, p)), cross = np.empty((p, targets))
    cdef double[::1] means = np.empty(p), variances = np.empty(p)
    cdef const double[::1] off = joint[p]
    for j in range(p):
        variances[j] = max(0.0, joint[j, j] - off[j] * off[j])
        if joint[j, j] > drift * variances[j]:
            return None
        means[j] = shift[j] + off[j]
        for i in range(p):
            G[j, i] = joint[j, i] - off[j] * off[i]
        for i in range(targets):
            cross[j, i] = joint[p + 1 + i, j]
    return G.base, cross.base, means.base, variances.base
