"""Penalties on the norms of blocks of weights: GroupL1, MaxNorm.

A block is a column of W (what comes into a neuron) or a row (what goes out of an input). With one step the prox is
closed. With a step h_i for each weight (Adam) it is known up to one number x, and the terms are

    GroupL1:  w_i = v_i x / d_i,  d_i = h_i t + x,  x = ||w||,       from  sum (v_i / d_i)^2 = 1
              (with a share of L1, of v after the soft threshold, which changes no sign)
    MaxNorm:  w_i = v_i / d_i,    d_i = 1 + h_i x,  x the multiplier, from sum (v_i / d_i)^2 = limit^2

Newton's method on 1 / norm, which is concave and rises with x, from a bound on its left: monotone, a handful of
steps, and none with equal h (Moré & Sorensen 1983, for the same equation in trust regions). Columns go 16 at a time,
so that rows of W are read along.
"""

import numpy as np

from libc.math cimport INFINITY, sqrt

from fastreg.penalties.penalty import positive

from fastreg.penalties.penalty cimport Penalty
from fastreg.penalties.scalar cimport soft

cdef enum:
    LANES = 16
    MAX_STEPS = 50

ctypedef fused real:
    float
    double


cdef void prox_blocks(bint group, double target, Py_ssize_t size, Py_ssize_t stride, int lanes, Py_ssize_t lane,
                      real *w, const real *step, double scalar_step) noexcept nogil:
    """Prox of `lanes` blocks side by side: weight i of block k is at w[i * stride + k * lane].

    target: the threshold t of GroupL1, the limit of MaxNorm.
    """
    cdef double x[LANES]
    cdef double s2[LANES]
    cdef double s3[LANES]
    cdef double top[LANES]
    cdef bint moving[LANES]
    cdef double goal = 1.0 if group else target, v, h, d, b, term, more
    cdef Py_ssize_t i, at
    cdef int k, count
    cdef bint any_moving
    for k in range(lanes):
        s2[k], top[k] = 0, 0 if step else scalar_step
    for i in range(size):
        for k in range(lanes):
            at = i * stride + k * lane
            v = w[at]
            s2[k] += v * v
            if step:
                top[k] = max(top[k], <double>step[at])
    any_moving = False
    for k in range(lanes):
        # the bound, exact with equal steps; x < 0 stands for a block that is done
        if group:
            x[k] = sqrt(s2[k]) - top[k] * target
            moving[k] = step is not NULL
            if not step and x[k] <= 0:
                x[k] = 0
        elif sqrt(s2[k]) <= target:
            x[k], moving[k] = 0, False
        else:
            x[k] = (sqrt(s2[k]) / target - 1) / top[k] if target > 0 else INFINITY
            moving[k] = step is not NULL and target > 0
        if group and moving[k] and x[k] < 0:
            x[k] = 0
        any_moving = any_moving or moving[k]
    count = 0
    while any_moving and count < MAX_STEPS:
        count += 1
        for k in range(lanes):
            s2[k] = s3[k] = 0
        for i in range(size):
            for k in range(lanes):
                at = i * stride + k * lane
                v, h = w[at], step[at]
                if v != 0:
                    d = max(h * target + x[k], 1e-300) if group else 1 + h * x[k]
                    b = 1.0 if group else h
                    term = v / d
                    s2[k] += term * term
                    s3[k] += term * term * b / d
        any_moving = False
        for k in range(lanes):
            if not moving[k]:
                continue
            more = s2[k] / s3[k] * (sqrt(s2[k]) / goal - 1) if s3[k] > 0 else 0.0
            if more <= 1e-15 * x[k] or not more < INFINITY:
                moving[k] = False           # at the root; for a group with x = 0: all of it is 0
            else:
                x[k] += more
                any_moving = True
    for i in range(size):
        for k in range(lanes):
            at = i * stride + k * lane
            v = w[at]
            h = scalar_step if step is NULL else step[at]
            if group:
                w[at] = <real>(v * (x[k] / (h * target + x[k])) if x[k] > 0 else 0.0)
            elif x[k] > 0:
                w[at] = <real>(v / (1 + h * x[k]) if x[k] < INFINITY else 0.0)


cdef void prox_all(bint group, bint by_neuron, double target, Py_ssize_t n_in, Py_ssize_t n_out, real *w,
                   const real *step, double h) noexcept nogil:
    cdef Py_ssize_t j, k
    if by_neuron:
        for k in range((n_out + LANES - 1) // LANES):
            j = k * LANES
            prox_blocks(group, target, n_in, n_out, <int>min(LANES, n_out - j), 1, w + j,
                        step + j if step else NULL, h)
    else:
        for j in range(n_in):
            prox_blocks(group, target, n_out, 1, 1, 1, w + j * n_out, step + j * n_out if step else NULL, h)


cdef void soften(Py_ssize_t size, real *w, const real *step, double h, double l1) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        w[i] = <real>soft(w[i], l1 * (h if step is NULL else step[i]))


cdef class Blocks(Penalty):
    cdef bint group, by_neuron
    cdef double strength, each          # each: what a group penalty charges |w| of every weight

    cdef double target(self, Py_ssize_t n_in, Py_ssize_t n_out) noexcept nogil:
        return self.strength

    cdef void prox_layer(self, bint f32, Py_ssize_t n_in, Py_ssize_t n_out, void *w, const void *step,
                         double scalar_step) noexcept nogil:
        cdef double target = self.target(n_in, n_out)
        if self.each > 0 and f32:
            soften[float](n_in * n_out, <float *>w, <const float *>step, scalar_step, self.each)
        elif self.each > 0:
            soften[double](n_in * n_out, <double *>w, <const double *>step, scalar_step, self.each)
        if self.group and target == 0:
            return
        if f32:
            prox_all[float](self.group, self.by_neuron, target, n_in, n_out, <float *>w, <const float *>step,
                            scalar_step)
        else:
            prox_all[double](self.group, self.by_neuron, target, n_in, n_out, <double *>w, <const double *>step,
                             scalar_step)

    def _norms(self, W):
        """Norm of each block, to be broadcast against W, and the target."""
        W = np.atleast_2d(np.asarray(W, dtype=np.float64))
        return np.linalg.norm(W, axis=0 if self.by_neuron else 1, keepdims=True), self.target(W.shape[0], W.shape[1])


cdef class GroupL1(Blocks):
    """``alpha * sqrt(size of a block) * ||w||_2`` of every block: whole neurons, or whole inputs, become zero.

    The root makes one alpha fit blocks of different sizes (Yuan & Lin 2006). With ``l1_ratio`` it is the sparse group
    lasso (Simon et al. 2013): ``alpha * (l1_ratio ||w||_1 + (1 - l1_ratio) sqrt(size) ||w||_2)``, with zeros inside of
    blocks too. In linear models a block is one of the estimator's `groups` of features.

    Parameters
    ----------
    alpha : float
        Non-negative.
    by : {'neuron', 'feature'}, default='neuron'
        In a network, blocks are the weights coming into a neuron, or those going out of an input of the layer.
    l1_ratio : float in [0, 1], default=0.0
        Share of the L1 penalty.
    """

    names = ("alpha", "by", "l1_ratio")

    def __init__(self, alpha, by="neuron", l1_ratio=0.0):
        if by not in ("neuron", "feature"):
            raise ValueError(f"by must be 'neuron' or 'feature', got {by!r}.")
        alpha, l1_ratio = positive(alpha, "alpha"), positive(l1_ratio, "l1_ratio")
        if l1_ratio > 1:
            raise ValueError(f"l1_ratio must be between 0 and 1, got {l1_ratio!r}.")
        self.group, self.by_neuron = True, by == "neuron"
        self.strength, self.each = alpha * (1 - l1_ratio), alpha * l1_ratio
        self.args = (alpha, by, l1_ratio)

    cdef double target(self, Py_ssize_t n_in, Py_ssize_t n_out) noexcept nogil:
        return self.strength * sqrt(<double>(n_in if self.by_neuron else n_out))

    def scaled(self, factor):
        return GroupL1(self.args[0] * factor, *self.args[1:])

    def value(self, W):
        norms, target = self._norms(W)
        return float(target * norms.sum() + self.each * np.abs(W).sum(dtype=np.float64))

    def violation(self, W, G):
        norms, target = self._norms(W)
        shape, W, G = np.shape(G), np.atleast_2d(W), np.atleast_2d(np.asarray(G, dtype=np.float64))
        slope = G + target * W / np.where(norms > 0, norms, 1.0)
        # what the share of L1 can't take up
        left = np.sign(slope) * np.maximum(np.abs(slope) - self.each, 0)
        slope = np.where(W == 0, left, slope + self.each * np.sign(W))
        off, _ = self._norms(slope)
        off = np.where(norms > 0, off, np.maximum(off - target, 0.0))
        return np.broadcast_to(off, G.shape).reshape(shape).copy()


cdef class MaxNorm(Blocks):
    """The weights coming into a neuron have a norm of at most `limit`.

    Parameters
    ----------
    limit : float
        Non-negative.
    """

    names = ("limit",)

    def __init__(self, limit):
        self.by_neuron, self.constrains, self.strength = True, True, positive(limit, "limit")
        self.args = (self.strength,)

    def scaled(self, factor):
        return self

    def value(self, W):
        norms, limit = self._norms(W)
        return 0.0 if (norms <= limit * (1 + 1e-6)).all() else INFINITY

    def violation(self, W, G):
        norms, limit = self._norms(W)
        shape, W, G = np.shape(G), np.atleast_2d(W), np.atleast_2d(np.asarray(G, dtype=np.float64))
        # At the limit, -G may point outwards along W: any multiple that is not negative.
        outward = W / np.where(norms > 0, norms, 1.0)
        along = np.maximum(-(outward * G).sum(axis=0, keepdims=True), 0.0)
        at_limit = norms >= limit * (1 - 1e-6)
        off, _ = self._norms(np.where(at_limit, G + along * outward, G) if limit > 0 else 0 * G)
        off = np.where(norms > limit * (1 + 1e-6), INFINITY, off)
        return np.broadcast_to(off, G.shape).reshape(shape).copy()
