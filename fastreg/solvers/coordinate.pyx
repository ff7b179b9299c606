"""Coordinate descent on the residual, for a packed block of sparse columns.

With x̂ = s^½ x and r̂ = s^½ r, column j's gradient is ``x̂_j'r̂ - mean_j S`` with ``S = s^½'r̂``: centring
costs one number, kept up to date, and no column is ever filled. A visit costs the column's non-zeros. Cycles over all
columns alternate with cycles over the non-zero ones. The last iterates of such a round are extrapolated (Anderson
acceleration: Bertrand, Massias, 2021): coefficients and residual alike, as the residual is affine in them, with a
line search. Stopping is on the duality gap.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY, fabs

from fastreg._threads cimport interrupted, raise_if_interrupted
from fastreg.penalties.features cimport Charges, duality_gap, prox

cnp.import_array()

cdef enum:
    INNER = 10              # cycles of a round: one over all columns, then over the non-zero ones
    MEMORY = 5              # differences of iterates that are extrapolated


cdef inline double gather_dot(const double *x, const cnp.int32_t *rows, Py_ssize_t count,
                              const double *r) noexcept nogil:
    """Product of a packed column with r: four sums, as one would wait for each addition."""
    cdef double a = 0, b = 0, c = 0, d = 0
    cdef Py_ssize_t e = 0
    while e + 4 <= count:
        a += x[e] * r[rows[e]]
        b += x[e + 1] * r[rows[e + 1]]
        c += x[e + 2] * r[rows[e + 2]]
        d += x[e + 3] * r[rows[e + 3]]
        e += 4
    while e < count:
        a += x[e] * r[rows[e]]
        e += 1
    return (a + b) + (c + d)


cdef bint combine_weights(double[:, ::1] A, double[::1] z) noexcept nogil:
    """z of sum 1 that minimises ||sum z_i u_i||, from the Gram matrix A of the u; A is overwritten."""
    cdef Py_ssize_t i, j, k
    cdef double t, trace = 0, total = 0
    for i in range(MEMORY):
        trace += A[i, i]
    if trace <= 0:
        return False
    for i in range(MEMORY):
        A[i, i] += 1e-10 * trace            # late iterates are nearly parallel
        z[i] = 1
    for k in range(MEMORY):             # elimination: A is positive definite, no pivoting
        for i in range(k + 1, MEMORY):
            t = A[i, k] / A[k, k]
            for j in range(k, MEMORY):
                A[i, j] -= t * A[k, j]
            z[i] -= t * z[k]
    for i in range(MEMORY - 1, -1, -1):
        for j in range(i + 1, MEMORY):
            z[i] -= A[i, j] * z[j]
        z[i] /= A[i, i]
        total += z[i]
    if not fabs(total) > 0:
        return False
    for i in range(MEMORY):
        z[i] /= total
    return True


cdef double slope(double t, const double[::1] w, const double[::1] d, double linear, double square,
                  const Charges *c) noexcept nogil:
    """Derivative along w + t d, where that of the loss is linear + square * t."""
    cdef double value = linear + square * t, z
    cdef Py_ssize_t j
    for j in range(w.shape[0]):
        if d[j] != 0:
            z = w[j] + t * d[j]
            value += c.factor[j] * (c.l2 * z + (c.l1 if z > 0 else -c.l1)) * d[j]
    return value


cdef double extrapolate(double[:, ::1] ws, double[:, ::1] rs, double[::1] sums, double[::1] w, double[::1] r, double S,
                        const Charges *c, double[:, ::1] A, double[::1] z) noexcept nogil:
    """Move w and r towards the combination of the MEMORY + 1 last iterates; returns the residual's sum.

    The line search sees the kinks at 0: a slow mode is followed as far as the objective falls.
    """
    cdef Py_ssize_t i, k, h, m = w.shape[0], n = r.shape[0]
    cdef double t, linear, square, low = 0, high = 1, top = INFINITY
    cdef int _k
    for k in range(MEMORY):
        for h in range(k + 1):
            t = 0
            for i in range(m):
                t += (ws[k + 1, i] - ws[k, i]) * (ws[h + 1, i] - ws[h, i])
            A[k, h] = A[h, k] = t
    if not combine_weights(A, z):
        return S
    # The first row of each store becomes the direction.
    t = -S
    for k in range(MEMORY):
        t += z[k] * sums[k + 1]
    linear, square = -S * t, -t * t
    sums[0] = t
    for i in range(n):
        t = -r[i]
        for k in range(MEMORY):
            t += z[k] * rs[k + 1, i]
        rs[0, i] = t
        linear += r[i] * t
        square += t * t
    for i in range(m):
        t = -w[i]
        for k in range(MEMORY):
            t += z[k] * ws[k + 1, i]
        ws[0, i] = t
        if t > 0:
            top = min(top, (c.upper[i] - w[i]) / t)
        elif t < 0:
            top = min(top, (c.lower[i] - w[i]) / t)
    if not slope(0, w, ws[0], linear, square, c) < 0:
        return S
    while high < top and high < 64 and slope(high, w, ws[0], linear, square, c) < 0:
        low, high = high, 2 * high
    for _k in range(12):
        t = 0.5 * (low + high)
        if slope(t, w, ws[0], linear, square, c) < 0:
            low = t
        else:
            high = t
    t = min(low, top)
    for i in range(m):
        w[i] = min(max(w[i] + t * ws[0, i], c.lower[i]), c.upper[i])
    for i in range(n):
        r[i] += t * rs[0, i]
    return S + t * sums[0]


def column_sums(const double[::1] data, const cnp.int32_t[::1] indices, const cnp.int64_t[::1] indptr,
                const double[::1] root):
    """Of packed columns: their products with ``root``, and their squares."""
    cdef Py_ssize_t m = indptr.shape[0] - 1, j, e
    cdef double a, b
    cdef double[::1] sums = np.empty(m), squares = np.empty(m)
    with nogil:
        for j in range(m):
            a = b = 0
            for e in range(indptr[j], indptr[j + 1]):
                a += data[e] * root[indices[e]]
                b += data[e] * data[e]
            sums[j], squares[j] = a, b
    return np.asarray(sums), np.asarray(squares)


def residual_descent(const double[::1] data, const cnp.int32_t[::1] indices, const cnp.int64_t[::1] indptr,
                     const double[::1] means, const double[::1] norms, const double[::1] y, double[::1] r,
                     double[::1] w, penalty, double alpha, double S, double tol, int max_iter, double budget):
    """Minimise over the block, from ``w`` with residual ``r`` (both s^½-weighted y and r; updated in place).

    Returns ``(n_iter, gap)``; gives up where ``budget`` (element visits) is spent.
    """
    cdef Py_ssize_t m = w.shape[0], n = r.shape[0], j, e, i, count, count_j, start
    cdef const double *x = &data[0]
    cdef const cnp.int32_t *rows = &indices[0]
    cdef const double[::1] f = penalty.factor, lo = penalty.lower, hi = penalty.upper
    cdef double[::1] v = np.zeros(m)
    cdef Py_ssize_t[::1] active = np.arange(m)
    cdef double g, d, h, effect, first = 0, rr, yr, yy, gap = 0, primal, spent = 0, since_poll = 0
    cdef int it = 0, inner, k
    cdef double[:, ::1] ws = np.empty((MEMORY + 1, m)), rs = np.empty((MEMORY + 1, n)), A = np.empty((MEMORY, MEMORY))
    cdef double[::1] sums = np.empty(MEMORY + 1), z = np.empty(MEMORY)
    cdef bint done = False
    cdef Charges c
    c.l1, c.l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio)
    c.factor, c.lower, c.upper = &f[0], &lo[0], &hi[0]
    with nogil:
        yy = 0
        for i in range(n):
            yy += y[i] * y[i]
        while not done:
            count = m
            for inner in range(INNER):
                effect = 0
                for i in range(count):
                    j = i if inner == 0 else active[i]
                    h = norms[j]
                    if h <= 0:
                        continue
                    start, count_j = indptr[j], indptr[j + 1] - indptr[j]
                    g = gather_dot(x + start, rows + start, count_j, &r[0]) - means[j] * S
                    d = prox(w[j] * h + g, h, &c, j) - w[j]
                    if d != 0:
                        w[j] += d
                        for e in range(indptr[j], indptr[j + 1]):
                            r[indices[e]] -= d * data[e]
                        S -= d * means[j]
                        effect = max(effect, d * h * d)
                    spent += 4 + 2 * count_j
                it += 1
                if inner == 0:
                    first = effect
                    count = 0
                    for j in range(m):
                        if w[j] != 0:
                            active[count] = j
                            count += 1
                if effect <= 0.01 * first or it >= max_iter:        # the other columns have more to gain
                    break
                k = inner - (INNER - 1 - MEMORY)
                if k >= 0:
                    ws[k, :] = w
                    rs[k, :] = r
                    sums[k] = S
            else:
                S = extrapolate(ws, rs, sums, w, r, S, &c, A, z)
            rr = yr = 0
            for i in range(n):
                rr += r[i] * r[i]
                yr += y[i] * r[i]
            for j in range(m):
                start = indptr[j]
                v[j] = gather_dot(x + start, rows + start, indptr[j + 1] - start, &r[0]) - means[j] * S
            # centring the residual takes S^2 off its norm (where there is an intercept; else S is kept 0)
            gap = duality_gap(m, &v[0], &w[0], &norms[0], &c, max(0.0, rr - S * S), yr, yy, &primal)
            spent += data.shape[0] + 2 * n
            done = gap <= tol or first == 0 or it >= max_iter or spent > budget
            if spent - since_poll > 2e8:
                since_poll = spent
                done = done or interrupted()
    raise_if_interrupted()
    return it, gap
