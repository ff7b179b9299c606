"""Sweeps over a Gram matrix for penalties with a prox of one coefficient or of a group.

The problem is ``H (1/2 w'Gw - q'w) + penalty(w)``; g = q - Gw is kept up to date. A visit minimises over a coefficient
exactly: a prox with step 1 / (H G_jj). A group is visited by prox steps of its own, with step 1 / (H L) for the largest
eigenvalue L of its part of G; they move only the group's part of g, and the rest follows once. Each lowers the
objective, convex or not.
"""

import numpy as np

from libc.math cimport sqrt

from fastreg._simd.dispatch cimport kernels
from fastreg.penalties.featurewise cimport prox_within
from fastreg.penalties.penalty cimport Separable
from fastreg.penalties.scalar cimport soft

cdef enum:
    LOCAL = 20              # steps on a group, at most


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


def sweep_groups(const double[:, :] G, double[::1] g, double[::1] w, penalty, const double[::1] L, double alpha,
                 double H, int count):
    """The same over groups of neighbouring columns."""
    cdef const Py_ssize_t[::1] starts = penalty.starts
    cdef const double[::1] weight = penalty.weight, each = penalty.each
    cdef Py_ssize_t k, i, j, first, size, m = w.shape[0]
    cdef double[::1] d = np.zeros(m), x = np.empty(m)
    cdef double step, l1, t, norm, shrink, moved, most, effect = 0, e
    cdef int _k, _local
    with nogil:
        for _k in range(count):
            effect = 0
            for k in range(L.shape[0]):
                if L[k] <= 0:
                    continue
                first, size = starts[k], starts[k + 1] - starts[k]
                step = 1 / L[k]
                l1, t = alpha / H * each[k], alpha / H * weight[k]
                most = 0
                for _local in range(LOCAL):
                    norm = 0
                    for i in range(first, first + size):
                        x[i] = soft(w[i] + step * g[i], step * l1)
                        norm += x[i] * x[i]
                    norm = sqrt(norm)
                    shrink = 1 - step * t / norm if norm > step * t else 0.0
                    moved = 0
                    for i in range(first, first + size):
                        e = shrink * x[i] - w[i]
                        moved += e * e
                        x[i] = e
                    if moved == 0:
                        break
                    for i in range(first, first + size):
                        w[i] += x[i]
                        d[i] += x[i]
                        kernels.axpy(size, -x[i], &G[i, first], &g[first])
                    effect += 0.5 * H * L[k] * moved
                    most = max(most, moved)
                    if moved <= 1e-2 * most:
                        break
                if most == 0:
                    continue
                for i in range(first, first + size):
                    if d[i] != 0:
                        kernels.axpy(first, -d[i], &G[i, 0], &g[0])
                        j = first + size
                        if j < m:
                            kernels.axpy(m - j, -d[i], &G[i, j], &g[j])
                        d[i] = 0
    return effect
