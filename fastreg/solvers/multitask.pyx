"""Block coordinate descent on a Gram matrix for several tasks that share their zeros.

The penalty charges the norm of a feature's row of coefficients, so a visit shrinks that row:
``z = h w_j + g_j``, ``w_j = (1 - l1/|z|)_+ z / (h + l2)``. Stopping is on the duality gap.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt

from fastreg._simd.dispatch cimport kernels
from fastreg._threads cimport interrupted, raise_if_interrupted
from fastreg.penalties.features cimport Charges, duality_gap

cnp.import_array()


def block_descent(const double[:, :] G, const double[:, ::1] Q, start, penalty, double alpha, double yy,
                  double tol, int max_iter):
    """Minimise ``1/2 tr W'GW - tr Q'W + penalty(rows of W)``: (W, n_iter, gap, primal).

    Parameters
    ----------
    G : (m, m) Gram matrix
    Q : (m, T) correlations
    start : (m, T)
    penalty : FeatureL1L2 of the m columns, without bounds
    yy : float
        Squared norm of Y; ``tol`` is relative to its half.
    """
    cdef cnp.ndarray out = np.array(start, dtype=np.float64, order="C")
    cdef double[:, ::1] W = out
    cdef double[:, ::1] g = np.ascontiguousarray(Q - np.asarray(G) @ out)
    cdef const double[::1] norms = np.ascontiguousarray(np.diagonal(G))
    cdef const double[::1] f = penalty.factor, lo = penalty.lower, hi = penalty.upper
    cdef Py_ssize_t m = W.shape[0], T = W.shape[1], i, j, t, changes
    cdef double[::1] d = np.empty(T), vn = np.empty(m), wn = np.empty(m)
    cdef double h, size, shrink, wq, wg, gap = 0, primal = 0, since_poll = 0
    cdef int it = 0
    cdef bint done = False
    cdef Charges c
    c.l1, c.l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio)
    c.factor, c.lower, c.upper = &f[0], &lo[0], &hi[0]
    with nogil:
        while not done:
            changes = 0
            for j in range(m):
                h = norms[j]
                if h <= 0:
                    continue
                size = 0
                for t in range(T):
                    d[t] = h * W[j, t] + g[j, t]
                    size += d[t] * d[t]
                size = sqrt(size)
                shrink = max(0.0, 1 - c.l1 * f[j] / size) / (h + c.l2 * f[j]) if size > 0 else 0.0
                size = 0
                for t in range(T):
                    d[t] = shrink * d[t] - W[j, t]
                    size += d[t] * d[t]
                if size == 0:
                    continue
                changes += 1
                for t in range(T):
                    W[j, t] += d[t]
                for i in range(m):
                    kernels.axpy(T, -G[j, i], &d[0], &g[i, 0])
            it += 1
            wq = wg = 0
            for j in range(m):
                vn[j] = sqrt(kernels.dot(T, &g[j, 0], &g[j, 0]))
                wn[j] = sqrt(kernels.dot(T, &W[j, 0], &W[j, 0]))
                wq += kernels.dot(T, &W[j, 0], &Q[j, 0])
                wg += kernels.dot(T, &W[j, 0], &g[j, 0])
            gap = duality_gap(m, &vn[0], &wn[0], &norms[0], &c, max(0.0, yy - wq - wg), yy - wq, yy, &primal)
            done = gap <= tol * yy / 2 or changes == 0 or it >= max_iter
            since_poll += 1.0 * (changes + 1) * m * T
            if since_poll > 2e8:
                since_poll = 0
                done = done or interrupted()
    raise_if_interrupted()
    return out, it, gap, primal
