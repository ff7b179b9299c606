"""Sweeps for penalties with a prox of one coefficient or of a group, over a Gram matrix or on the residual.

The problem is ``H (1/2 w'Gw - q'w) + penalty(w)``; g = q - Gw, or the residual whose products with the columns it is,
is kept up to date. A visit minimises over a coefficient exactly: a prox with step 1 / (H G_jj). So it does over a
group: with the eigenvalues l_i of its part of G and c the group's q in their basis, the minimum is
``c_i / (l_i + t / norm)``, and the norm is the root of ``sum_i c_i^2 / (l_i norm + t)^2 = 1`` (Qin, Scheinberg,
Goldfarb, 2013). Newton's method on one over the root of that sum, which is concave, comes to it from below without a
line search (Moré, Sorensen, 1983). With a share of L1 or bounds there is no such form: a group takes prox steps of its
own, with step 1 / (H L) for its largest eigenvalue L. Each visit lowers the objective, convex or not.
"""

import numpy as np

from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport kernels
from fastreg.penalties.featurewise cimport prox_within
from fastreg.penalties.penalty cimport Separable
from fastreg.penalties.scalar cimport clip, soft

cdef enum:
    LOCAL = 20              # prox steps on a group, at most
    SECULAR = 50            # Newton steps for a norm, at most; some five are enough
    HALVINGS = 60           # of the interval in which the root within bounds is


def sweep_features(const double[:, :] G, double[::1] g, double[::1] w, penalty, double alpha, double H, int count):
    """Cycles over the coefficients, w and g in place; what the last one gained at least."""
    cdef Separable one = penalty.penalty
    cdef const double[::1] f = penalty.factor, lower = penalty.lower, upper = penalty.upper
    cdef Py_ssize_t j, m = w.shape[0]
    cdef double h, d, effect = 0
    cdef int _k
    with nogil:
        for _k in range(count):
            effect = 0
            for j in range(m):
                h = G[j, j]
                if h <= 0:
                    continue
                d = prox_within(one, alpha * f[j], w[j] + g[j] / h, 1 / (H * h), lower[j], upper[j]) - w[j]
                if d != 0:
                    w[j] += d
                    kernels.axpy(m, -d, &G[j, 0], &g[0])
                    effect += 0.5 * H * h * d * d
    return effect


cdef double norm_of(const Group *group, const double *c) noexcept nogil:
    """The root of ``sum_i c_i^2 / (l_i norm + t)^2 = 1``, or 0 where there is none."""
    cdef double t = group.t, total = 0, norm, slope, value, part, step
    cdef Py_ssize_t i
    cdef int _
    for i in range(group.size):
        total += c[i] * c[i]
    if not total > t * t:
        return 0
    norm = (sqrt(total) - t) / group.largest        # from below
    for _ in range(SECULAR):
        value = slope = 0
        for i in range(group.size):
            part = c[i] / (group.values[i] * norm + t)
            value += part * part
            slope += part * part * group.values[i] / (group.values[i] * norm + t)
        step = value * (sqrt(value) - 1) / slope
        norm += step
        if not step > 1e-15 * norm:
            break
    return norm


cdef double shrink_within(const Group *group, const double *x, double t) noexcept nogil:
    """k of the prox of t ||.|| at x within the bounds, ``clip(k x)``: see FeatureGroups.prox."""
    cdef double low = 0, high = 1, k = 0, size = 0, w
    cdef Py_ssize_t i
    cdef int _
    for i in range(group.size):
        if (group.upper[i] > 0) if x[i] > 0 else (group.lower[i] < 0):
            size += x[i] * x[i]
    if not sqrt(size) > t:
        return 0
    if t == 0:
        return 1
    for _ in range(HALVINGS):
        k = 0.5 * (low + high)
        size = 0
        for i in range(group.size):
            w = clip(k * x[i], group.lower[i], group.upper[i])
            size += w * w
        if sqrt(size) * (1 - k) > k * t:
            low = k
        else:
            high = k
    return high


cdef double visit(const Group *group, const double *w, double *g, double *d, double *work) noexcept nogil:
    """The move d that minimises over a group, from its part of g; what it gains at least, over H."""
    cdef Py_ssize_t i, j, size = group.size
    cdef const double *row
    cdef double *x = work
    cdef double *c = work + size
    cdef double norm, shrink, moved, gained = 0, most = 0, e, step
    cdef int _
    memset(d, 0, size * sizeof(double))
    if group.l1 == 0 and group.lower == NULL:
        for i in range(size):
            row = group.vectors + i * size
            x[i] = c[i] = 0
            for j in range(size):
                x[i] += row[j] * w[j]
                c[i] += row[j] * g[j]
            c[i] = c[i] + group.values[i] * x[i] if group.values[i] > 0 else 0.0
        norm = norm_of(group, c) if group.t > 0 else 1.0
        for i in range(size):
            e = c[i] * norm / (group.values[i] * norm + group.t) if group.values[i] > 0 else 0.0
            if group.t > 0 or group.values[i] > 0:      # else nothing depends on it
                e -= x[i]
            gained += 0.5 * group.values[i] * e * e
            if norm == 0:       # to 0, whatever rounding does
                d[i] = -w[i]
                continue
            row = group.vectors + i * size
            for j in range(size):
                d[j] += e * row[j]
        return gained
    step = 1 / group.largest
    memcpy(c, w, size * sizeof(double))
    for _ in range(LOCAL):
        norm = 0
        for i in range(size):
            x[i] = soft(c[i] + step * g[i], step * group.l1)
            norm += x[i] * x[i]
        norm = sqrt(norm)
        shrink = 1 - step * group.t / norm if norm > step * group.t else 0.0
        if group.lower != NULL:
            shrink = shrink_within(group, x, step * group.t)
        moved = 0
        for i in range(size):
            e = shrink * x[i]
            if group.lower != NULL:
                e = clip(e, group.lower[i], group.upper[i])
            e -= c[i]
            moved += e * e
            x[i] = e
        if moved == 0:
            break
        for i in range(size):
            if x[i] != 0:
                c[i] += x[i]
                d[i] += x[i]
                for j in range(size):
                    g[j] -= x[i] * group.gram[i * size + j]
        gained += 0.5 * group.largest * moved
        most = max(most, moved)
        if moved <= 1e-2 * most:
            break
    return gained


def sweep_groups(const double[:, :] M, double[::1] g, double[::1] w, penalty, spectra, double alpha, double H,
                 int count, bint residual=False):
    """Cycles over groups of neighbouring columns, w and g in place; what the last one gained at least.

    M is the Gram matrix, and g its gradient; or, for the ``residual`` in the place of g, the columns as rows.
    """
    cdef const Py_ssize_t[::1] starts = penalty.starts, squares = spectra.starts
    cdef const double[::1] weight = penalty.weight, each = penalty.each
    cdef const double[::1] grams = spectra.grams, vectors = spectra.vectors, values = spectra.values
    cdef const double[::1] largest = spectra.largest, lower = penalty.lower, upper = penalty.upper
    cdef bint bounded = penalty.bounded
    cdef Py_ssize_t k, i, first, n = M.shape[1], most = np.max(penalty.sizes, initial=1)
    cdef double[::1] work = np.empty(4 * most)
    cdef double *local = &work[0]
    cdef double *d = local + most
    cdef double effect = 0
    cdef Group group
    cdef int _
    with nogil:
        for _ in range(count):
            effect = 0
            for k in range(largest.shape[0]):
                group.largest = largest[k]
                if group.largest <= 0:
                    continue
                first, group.size = starts[k], starts[k + 1] - starts[k]
                group.gram = &grams[squares[k]]
                group.vectors = &vectors[squares[k]]
                group.values = &values[first]
                group.lower = &lower[first] if bounded else NULL
                group.upper = &upper[first] if bounded else NULL
                group.l1, group.t = alpha / H * each[k], alpha / H * weight[k]
                if residual:
                    for i in range(group.size):
                        local[i] = kernels.dot(n, &M[first + i, 0], &g[0])
                else:
                    memcpy(local, &g[first], group.size * sizeof(double))
                effect += H * visit(&group, &w[first], local, d, d + most)
                for i in range(group.size):
                    if d[i] != 0:
                        w[first + i] += d[i]
                        if bounded:     # at a bound but for rounding: there
                            if w[first + i] >= upper[first + i] * (1 - 1e-15):
                                w[first + i] = upper[first + i]
                            elif w[first + i] <= lower[first + i] * (1 - 1e-15):
                                w[first + i] = lower[first + i]
                        kernels.axpy(n, -d[i], &M[first + i, 0], &g[0])
    return effect


def own_grams(const double[:, ::1] rows, const Py_ssize_t[:, ::1] at):
    """Products of some rows with each other, (k, size, size) for groups of rows (k, size)."""
    cdef Py_ssize_t k, i, j, size = at.shape[1], n = rows.shape[1]
    cdef double[:, :, ::1] out = np.empty((at.shape[0], size, size))
    with nogil:
        for k in range(at.shape[0]):
            for i in range(size):
                for j in range(i + 1):
                    out[k, i, j] = out[k, j, i] = kernels.dot(n, &rows[at[k, i], 0], &rows[at[k, j], 0])
    return np.asarray(out)
