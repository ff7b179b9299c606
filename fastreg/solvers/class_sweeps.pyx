"""Sweeps over the coefficients of all classes, feature by feature, on the residual of a multinomial model.

The model of the loss is ``sum_i s_i (1/2 d_i'D_i d_i + (p_i - e_y)'d_i)`` with ``D_i = diag(p_i) - p_i p_i'`` and d_i
the change of a row's predictions. With columns x̂ = s^½ x̃ its gradient is x̂'R of
``R_i = s_i^½ (p_i - e_y + D_i d_i)``, which is kept up to date. A visit moves a group, its features' coefficients for
all classes at once. D_i is at most 2 diag(D_i), so steps that are exact for the curvatures
``STEP sum_i x̂_i^2 p_ik (1 - p_ik)`` lower the model as long as STEP > 1; for a group of several features ``x̂_i^2`` is
``|x̂_i|`` times the row's sum of them. In that metric a group's minimum has the form of sweeps.pyx, its axes the
classes' own.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport fabs
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport kernels
from fastreg.penalties.scalar cimport clip, soft
from fastreg.solvers.sweeps cimport Group, norm_of, shrink_within

cnp.import_array()

cdef double STEP = 1.3
cdef double INTERCEPT = 8       # times what a visit of the intercepts costs, that other steps may before it


cdef struct Columns:
    Py_ssize_t n, K, ld
    const double *x                 # columns one after another, (m, n), or the numbers of sparse ones
    const int32_t *rows             # of these, or NULL
    const Py_ssize_t *starts        # where a column begins
    const double *p
    double *r


cdef inline void correlate(const Columns *C, Py_ssize_t j, double *out) noexcept nogil:
    cdef Py_ssize_t at = C.starts[j], k
    if C.rows != NULL:
        kernels.classes.gather(C.starts[j + 1] - at, C.ld, C.x + at, C.rows + at, C.r, out)
        return
    for k in range(C.K):
        out[k] = kernels.dot(C.n, C.x + at, C.r + k * C.n)


cdef inline void move(const Columns *C, Py_ssize_t j, const double *d) noexcept nogil:
    cdef Py_ssize_t at = C.starts[j]
    if C.rows != NULL:
        kernels.classes.scatter(C.starts[j + 1] - at, C.ld, C.x + at, C.rows + at, C.p, d, C.r)
    else:
        kernels.classes.move(C.n, C.K, C.x + at, C.p, d, C.r)


cdef class ClassModel:
    """The model on a set of columns.

    Parameters
    ----------
    columns : tuple
        (x, starts) of dense columns (any, n), or (data, starts, rows) of sparse ones, times the roots of weights.
    root : ndarray of shape (n,)
    p, r : ndarray of shape (K, n)
        Probabilities, and the residual R to begin with.
    fit_intercept : bool
    """

    cdef Columns C, constant
    cdef readonly object p, r
    cdef readonly Py_ssize_t m
    cdef bint intercept
    cdef double[:, ::1] inverse         # of the intercepts' curvature
    cdef readonly object shift          # of the intercepts, (K,)
    cdef object held

    def __init__(self, columns, root, p, r, bint fit_intercept):
        cdef Columns *C = &self.C
        cdef const double[::1] x = columns[0].reshape(-1), s = root
        cdef const Py_ssize_t[::1] starts = columns[1]
        cdef const int32_t[::1] rows
        cdef const Py_ssize_t[::1] whole = np.array([0, len(root)])
        K, n = p.shape
        self.m = starts.shape[0] - (len(columns) == 3)
        C.n, C.K, C.ld, C.rows = n, K, K, NULL
        if len(columns) == 3:
            C.ld = -(-K // kernels.classes.width) * kernels.classes.width
            rows = columns[2]
            C.rows = &rows[0]
        self.p, self.r = self.lay(p), self.lay(r)
        cdef double[:, ::1] pp = self.p, rr = self.r
        C.x, C.starts, C.p, C.r = &x[0], &starts[0], &pp[0, 0], &rr[0, 0]
        self.constant = C[0]
        self.constant.x, self.constant.starts = &s[0], &whole[0]
        every = np.arange(n, dtype=np.int32)
        if C.rows != NULL:
            rows = every
            self.constant.rows = &rows[0]
        self.intercept, self.shift = fit_intercept, np.zeros(K)
        self.held = columns, root, whole, every
        if fit_intercept:
            weighted = p * (root * root)
            S = np.diag(weighted.sum(axis=1)) - np.einsum("in,jn->ij", p, weighted)
            self.inverse = np.linalg.pinv(S, hermitian=True)

    def lay(self, values):
        """(K, n) as the columns' steps take it."""
        if self.C.rows == NULL:
            return np.array(values, order="C")
        out = np.zeros((self.C.n, self.C.ld))
        out[:, : self.C.K] = values.T
        return out

    def spread(self, values):
        """(K, n) of what was laid so."""
        return values if self.C.rows == NULL else values[:, : self.C.K].T

    def curvatures(self, const Py_ssize_t[::1] bounds):
        """(m, K) of the metric, for groups that begin and end at ``bounds``."""
        q = self.lay(self.spread(self.p) * (1 - self.spread(self.p)))
        cdef double[:, ::1] qq = q
        cdef Py_ssize_t most = self.C.n, g, j, i, at, to, k
        cdef double[::1] sums = np.zeros(self.C.n), work = np.empty(most), out = np.empty(self.C.ld)
        cdef double[:, ::1] H = np.empty((self.m, self.C.K))
        cdef Columns C = self.C
        C.r = &qq[0, 0]
        with nogil:
            for g in range(bounds.shape[0] - 1):
                for j in range(bounds[g], bounds[g + 1]):
                    at = C.starts[j]
                    to = at + C.n if C.rows == NULL else C.starts[j + 1]
                    for i in range(to - at):
                        sums[i if C.rows == NULL else C.rows[at + i]] += fabs(C.x[at + i])
                for j in range(bounds[g], bounds[g + 1]):
                    at = C.starts[j]
                    to = at + C.n if C.rows == NULL else C.starts[j + 1]
                    for i in range(to - at):
                        work[i] = fabs(C.x[at + i]) * sums[i if C.rows == NULL else C.rows[at + i]]
                    if C.rows == NULL:
                        for k in range(C.K):
                            out[k] = kernels.dot(C.n, &work[0], C.r + k * C.n)
                    else:
                        kernels.classes.gather(to - at, C.ld, &work[0], C.rows + at, C.r, &out[0])
                    for k in range(C.K):
                        H[j, k] = STEP * out[k]
                for j in range(bounds[g], bounds[g + 1]):
                    at = C.starts[j]
                    to = at + C.n if C.rows == NULL else C.starts[j + 1]
                    for i in range(to - at):
                        sums[i if C.rows == NULL else C.rows[at + i]] = 0
        return np.asarray(H)

    def gradients(self):
        """(m, K): the model's."""
        cdef double[:, ::1] out = np.empty((self.m, self.C.ld))
        cdef Py_ssize_t j
        with nogil:
            for j in range(self.m):
                correlate(&self.C, j, &out[j, 0])
        return np.asarray(out)[:, : self.C.K]

    cdef void settle(self, double[::1] work, double[::1] shift) noexcept nogil:
        """The intercepts that minimise the model."""
        cdef Py_ssize_t k, i, K = self.C.K
        cdef double *g = &work[0]
        cdef double *d = g + self.C.ld
        if not self.intercept:
            return
        correlate(&self.constant, 0, g)
        memset(d, 0, self.C.ld * sizeof(double))
        for k in range(K):
            for i in range(K):
                d[k] -= self.inverse[k, i] * g[i]
            shift[k] += d[k]
        move(&self.constant, 0, d)

    def sweep(self, double[:, ::1] W, const double[:, ::1] H, const Py_ssize_t[::1] bounds, const double[::1] l1,
              const double[::1] l2, const double[::1] t, lower, upper, bint active):
        """A visit of each group, or of those that are not 0; W (m, K) in place. What it gained at least.

        l1, t are charges of a group (its coefficients' and its norm's), l2 as well; bounds of features (m,) or None.
        """
        cdef Py_ssize_t K = self.C.K, ld = self.C.ld, g, j, k, i, size, first
        cdef Py_ssize_t most = np.max(np.diff(bounds), initial=1)
        cdef double[::1] space = np.zeros(7 * most * K + 3 * ld), shift = self.shift
        cdef double *c = &space[0]
        cdef double *h = c + most * K
        cdef double *low = h + most * K
        cdef double *high = low + most * K
        cdef double *d = high + most * K
        cdef double *slope = d + most * K
        cdef double[::1] rest = space[7 * most * K:]
        cdef double norm, w, gained = 0, spent = 0, top
        cdef bint bounded = lower is not None, some
        cdef const double[::1] lo, hi
        cdef Group group
        if bounded:
            lo, hi = lower, upper
        cdef double often = INTERCEPT * self.C.n
        group.lower = group.upper = NULL
        group.gram = group.vectors = NULL
        with nogil:
            for g in range(bounds.shape[0] - 1):
                first, size = bounds[g], (bounds[g + 1] - bounds[g]) * K
                some = not active
                for i in range(size):
                    some = some or W[first + i // K, i % K] != 0
                if not some:
                    continue
                top = 0
                for j in range(bounds[g], bounds[g + 1]):
                    correlate(&self.C, j, &rest[0])
                    memcpy(slope + (j - first) * K, &rest[0], K * sizeof(double))
                    for k in range(K):
                        i = (j - first) * K + k
                        h[i] = H[j, k] + l2[g]
                        top = max(top, h[i])
                        if bounded:
                            low[i], high[i] = lo[j], hi[j]
                if top <= 0:
                    continue
                for i in range(size):
                    # under a norm and bounds one curvature for all
                    h[i] = top if bounded and t[g] > 0 else max(h[i], 1e-10 * top)
                    w = W[first + i // K, i % K]
                    c[i] = soft(h[i] * w - slope[i] - l2[g] * w, l1[g])
                group.size, group.values, group.largest, group.t = size, h, top, t[g]
                if bounded and t[g] > 0:
                    for i in range(size):
                        c[i] /= top
                    group.lower, group.upper = low, high
                    norm = shrink_within(&group, c, t[g] / top)
                else:
                    norm = norm_of(&group, c) if t[g] > 0 else 1.0
                some = False
                for i in range(size):
                    w = norm * c[i] if bounded and t[g] > 0 else c[i] * norm / (h[i] * norm + t[g])
                    if bounded:
                        w = clip(w, low[i], high[i])
                    d[i] = w - W[first + i // K, i % K]
                    if d[i] != 0:
                        some = True
                        W[first + i // K, i % K] = w
                        gained += 0.5 * h[i] * d[i] * d[i]
                if not some:
                    continue
                for j in range(bounds[g], bounds[g + 1]):
                    memset(&rest[0], 0, ld * sizeof(double))
                    memcpy(&rest[0], d + (j - first) * K, K * sizeof(double))
                    move(&self.C, j, &rest[0])
                    spent += self.C.n if self.C.rows == NULL else self.C.starts[j + 1] - self.C.starts[j]
                if spent > often:
                    spent = 0
                    self.settle(rest, shift)
            self.settle(rest, shift)
        return gained
