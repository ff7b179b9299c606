"""Gram products of a dense array, by panels of the summed index.

A panel of either operand is packed once (centred, scaled, weighted and cast to float64 on the way), then multiplied
tile by tile into an accumulator that each thread has of its own; X is read once. Further columns (1, y) can ride along.
Work space is kept for the next product: touching fresh pages can take longer than the arithmetic on them.
"""

import numpy as np

cimport numpy as cnp
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastreg._simd.dispatch cimport kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted

cnp.import_array()

cdef enum:
    PANEL = 256             # summed indices of a Gram panel: a packed panel of 500 columns fills L2
    KEPT = 1 << 22          # numbers of work space that are kept

_kept = []                  # work space that nobody uses


cdef cnp.ndarray borrow(Py_ssize_t size):
    """Work space that is the caller's until it is put back into ``_kept``."""
    while _kept:
        space = _kept.pop()
        if space.size >= size:
            return space
    return np.empty(size)


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
    cdef Py_ssize_t mr = kernels.mr, nr = kernels.nr, i, j = 0, b, end
    cdef Py_ssize_t mp = ceil_div(c.m, mr) * mr
    cdef double *left = c.pack[thread]
    cdef double *right = left
    cdef double *acc = c.acc[thread]
    c.ops.pack(&c.left, k0, k1, c.m - c.n_extra, left)
    if c.n_extra:
        pack_extra(c, k0, k1, left)
    if not c.symmetric:
        right = left + mp * kc
        c.ops.pack(&c.right, k0, k1, c.width, right)
    while j < c.width:
        b = j - j % mr                      # the strip that column j is packed in
        i = 0
        end = j + nr if c.symmetric else c.m
        while i < end:
            kernels.tile(end - i, kc, left + i * kc, right + b * kc + (j - b), acc + j * mp + i, mp)
            i += mr
        j += nr


cdef object run_panels(Panels *c):
    """Sum of the panels: (width, m), or the full symmetric (m, m)."""
    cdef Py_ssize_t mr = kernels.mr
    cdef Py_ssize_t mp = ceil_div(c.m, mr) * mr, wp = ceil_div(c.width, mr) * mr
    cdef double flops = 1.0 * c.rows * c.m * c.width
    # Each thread has an accumulator of its own: bound what they take together.
    cdef int threads = <int> min(num_threads(flops / 8), max(2, 32 * 1024 * 1024 // (mp * wp)))
    c.depth = PANEL if c.rows >= PANEL * threads else max(1, ceil_div(c.rows, threads))
    cdef Py_ssize_t tasks = ceil_div(c.rows, c.depth)
    cdef Py_ssize_t panel = (mp if c.symmetric else mp + wp) * c.depth + 8, area = wp * mp
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
    with nogil:
        memset(at, 0, threads * area * sizeof(double))
        parallel_for(panel_task, c, tasks, threads)
    free(c.pack)
    raise_if_interrupted()
    accs = space[: threads * area].reshape(threads, wp, mp)
    total = accs[0]
    for t in range(1, threads):
        total += accs[t]
    total = total[:c.width, :c.m]
    cdef double[:, ::1] out
    cdef const double[:, :] half
    cdef Py_ssize_t i, j
    if not c.symmetric:
        result = np.array(total, order="C")
    else:
        result = np.empty((c.m, c.m))
        out, half = result, total       # row j holds i <= j (and some more)
        for j in range(c.m):
            for i in range(j + 1):
                out[i, j] = out[j, i] = half[j, i]
    if space.size <= KEPT and len(_kept) < 2:
        _kept.append(space)
    return result


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
