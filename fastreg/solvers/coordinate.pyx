"""Coordinate descent on the residual, for a packed block of sparse columns.

With x̂ = s^½ x and r̂ = s^½ r, column j's gradient is ``x̂_j'r̂ - mean_j S`` with ``S = s^½'r̂``: centring
costs one number, kept up to date, and no column is ever filled. A visit costs the column's non-zeros. Cycles over all
columns alternate with cycles over the non-zero ones; stopping is on the duality gap.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport fabs

from fastreg._threads cimport interrupted, raise_if_interrupted
from fastreg.penalties cimport Charges, duality_gap, prox

cnp.import_array()

cdef int INNER = 10             # cycles over the non-zero coefficients between two over all


def residual_descent(const double[::1] data, const cnp.int32_t[::1] indices, const cnp.int64_t[::1] indptr,
                     const double[::1] means, const double[::1] norms, const double[::1] y, double[::1] r,
                     double[::1] w, penalty, double alpha, double S, double tol, int max_iter, double budget):
    """Minimise over the block, from ``w`` with residual ``r`` (both s^½-weighted y and r; updated in place).

    Returns ``(n_iter, gap)``; gives up where ``budget`` (element visits) is spent.
    """
    cdef Py_ssize_t m = w.shape[0], n = r.shape[0], j, e, i, count
    cdef const double[::1] f = penalty.factor, lo = penalty.lower, hi = penalty.upper
    cdef double[::1] v = np.zeros(m)
    cdef Py_ssize_t[::1] active = np.arange(m)
    cdef double g, d, h, effect, first = 0, rr, yr, yy, gap = 0, primal, spent = 0, since_poll = 0
    cdef int it = 0, inner
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
                    g = 0
                    for e in range(indptr[j], indptr[j + 1]):
                        g += data[e] * r[indices[e]]
                    g -= means[j] * S
                    d = prox(w[j] * h + g, h, &c, j) - w[j]
                    if d != 0:
                        w[j] += d
                        for e in range(indptr[j], indptr[j + 1]):
                            r[indices[e]] -= d * data[e]
                        S -= d * means[j]
                        effect = max(effect, d * d * h)
                    spent += 4 + 2 * (indptr[j + 1] - indptr[j])
                it += 1
                if inner == 0:
                    first = effect
                    count = 0
                    for j in range(m):
                        if w[j] != 0:
                            active[count] = j
                            count += 1
                if effect <= 0.01 * first:      # the other columns have more to gain
                    break
            rr = yr = 0
            for i in range(n):
                rr += r[i] * r[i]
                yr += y[i] * r[i]
            for j in range(m):
                g = 0
                for e in range(indptr[j], indptr[j + 1]):
                    g += data[e] * r[indices[e]]
                v[j] = g - means[j] * S
            # centring the residual takes S^2 off its norm (where there is an intercept; else S is kept 0)
            gap = duality_gap(m, &v[0], &w[0], &norms[0], &c, max(0.0, rr - S * S), yr, yy, &primal)
            spent += data.shape[0] + 2 * n
            done = gap <= tol or first == 0 or it >= max_iter or spent > budget
            if spent - since_poll > 2e8:
                since_poll = spent
                done = done or interrupted()
    raise_if_interrupted()
    return it, gap
