"""Group penalties on the features of a linear model: lasso of groups and of features, mixed.

``FeatureGroups`` charges group g with ``alpha f_g (share ||w_g||_1 + (1 - share) sqrt(size_g) ||w_g||_2)``. With
``S`` the soft threshold, 0 is optimal for a group where ``||S(v_g, alpha each_g)|| <= alpha weight_g``; the alpha at
which that begins is a norm of v_g (the dual norm), which is all that certificates and working sets need. Bounds leave
of v_g what a coefficient at 0 may follow, and make the prox ``clip(k S(z, each))``, k the root of an equation in one
unknown.
"""

import numpy as np

from fastreg.penalties.coupled import CoupledPenalty
from fastreg.penalties.features import limits_without, shares


class FeatureGroups(CoupledPenalty):
    """Groups of features whose coefficients are 0 together.

    Parameters
    ----------
    labels : ndarray of int of shape (p,)
        The group of each feature, 0, 1, ...
    share : float in [0, 1], default=0.0
        That of the L1 penalty.
    factor : ndarray of shape (p,), optional
        Multiplies alpha; the same for all features of a group.
    lower, upper : ndarray of shape (p,), optional
        Bounds of the coefficients, ``lower <= 0 <= upper``.
    """

    adapts = True

    def __init__(self, labels, share=0.0, factor=None, lower=None, upper=None):
        first = np.unique(labels, return_index=True)[1]
        each = np.ones(len(first)) if factor is None else factor[first]
        self._set(labels, share * each, (1 - share) * each * np.sqrt(np.bincount(labels)), lower, upper)

    def _set(self, labels, each, weight, lower=None, upper=None):
        self.labels, self.each, self.weight = labels, each, weight
        self._charge((each + weight)[labels], lower, upper)
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels, minlength=len(weight))
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self.sorted = bool((np.diff(labels) >= 0).all())
        return self

    def scaled(self, scale):
        """The same penalty for coefficients multiplied by ``scale``: only bounds depend on the units."""
        if not self.bounded:
            return self
        with np.errstate(invalid="ignore"):
            bounds = self.lower * scale, self.upper * scale
        return object.__new__(FeatureGroups)._set(self.labels, self.each, self.weight, *bounds)

    def adapted(self, sizes):
        """As ``FeatureL1L2.adapted``, a group by the norm of its sizes."""
        share, out = shares(np.array([self._norms(size) for size in sizes]), self.each + self.weight > 0)
        limits = zip(share, limits_without(self, out[:, self.labels]), strict=True)
        groups = [(self.labels, self.each / some, self.weight / some, *bounds) for some, bounds in limits]
        return [object.__new__(FeatureGroups)._set(*parts) for parts in groups]

    def take(self, cols):
        """The penalty of some columns; what a group is charged stays."""
        groups, first, labels = np.unique(self.labels[cols], return_index=True, return_inverse=True)
        order = np.argsort(first)  # in the order of their columns, so that neighbours stay neighbours
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        groups = groups[order]
        part = rank[labels], self.each[groups], self.weight[groups]
        return object.__new__(FeatureGroups)._set(*part, *self.limits(cols))

    def across(self, K, free=0):
        """The same groups over the coefficients of K classes, one class after the other, then some free ones."""
        labels = np.concatenate([np.tile(self.labels, K), len(self.weight) + np.arange(free)])
        each, weight = (np.concatenate([part, np.zeros(free)]) for part in (self.each, np.sqrt(K) * self.weight))
        bounds = (None, None)
        if self.bounded:
            rest = np.full(free, np.inf)
            bounds = (np.concatenate([np.tile(self.lower, K), -rest]), np.concatenate([np.tile(self.upper, K), rest]))
        return object.__new__(FeatureGroups)._set(labels, each, weight, *bounds)

    def whole(self, cols):
        """All columns of the groups that these are of."""
        some = np.zeros(len(self.weight), dtype=bool)
        some[self.labels[cols]] = True
        cols = np.flatnonzero(some[self.labels])
        return cols if self.sorted else cols[np.argsort(self.labels[cols], kind="stable")]

    def _sums(self, x):
        x = x if self.sorted else x[self.order]
        return np.add.reduceat(x, self.starts[:-1]) if self.p else np.zeros(0)

    def _norms(self, x):
        return np.sqrt(self._sums(x * x))

    def value(self, coef, alpha):
        """Penalty of ``coef`` (p,)."""
        value = self.weight @ self._norms(coef)
        return alpha * float(value + (self.each @ self._sums(np.abs(coef)) if self.each.any() else 0.0))

    def prox(self, z, step, alpha):
        """Minimiser of ``||w - z||^2 / 2 + step * penalty(w)``; step a number."""
        t = step * alpha
        w = np.sign(z) * np.maximum(np.abs(z) - t * self.each[self.labels], 0)
        if not self.bounded:
            size = self._norms(w)
            left = np.maximum(size - t * self.weight, 0)
            return w * np.divide(left, size, out=np.zeros_like(size), where=size > 0)[self.labels]
        # k S(z), cut to the bounds, of a norm N with k = N / (N + t weight): the more k, the less ||w|| / k
        over = self._norms(self.open(w)) > t * self.weight
        low, high = np.zeros(len(over)), np.ones(len(over))
        for _ in range(60):
            k = 0.5 * (low + high)
            more = self._norms(np.clip(k[self.labels] * w, self.lower, self.upper)) * (1 - k) > k * t * self.weight
            low, high = np.where(more, k, low), np.where(more, high, k)
        k = np.where(over, np.where(t * self.weight > 0, high, 1.0), 0.0)
        return np.clip(k[self.labels] * w, self.lower, self.upper)

    def conjugate(self, v, alpha):
        """sup_w v'w - penalty(w): coefficients grow in proportion to v, up to their bounds."""
        if not self.bounded:
            return 0.0
        cap = np.where(v > 0, self.upper, -self.lower)
        held = np.isfinite(cap) & (cap > 0)
        if not (held & (v != 0)).any():
            return 0.0
        a, t = np.maximum(np.abs(v) - alpha * self.each[self.labels], 0), alpha * self.weight
        cap = np.where(held, cap, np.where(cap > 0, np.inf, 0.0))
        # the norm N that w = min(cap, a N / t) has
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.maximum(1 - self._sums(np.where(held, 0.0, a) ** 2) / t**2, 1e-16)
            low, high = np.zeros(len(t)), np.sqrt(self._sums(np.where(held, cap, 0.0) ** 2) / room)
            slope = np.where(a > 0, a / t[self.labels], 0.0)
            for _ in range(60):
                N = 0.5 * (low + high)
                part = np.minimum(np.where(a > 0, cap / N[self.labels], 0.0), slope)
                more = self._sums(part**2) > 1
                low, high = np.where(more, N, low), np.where(more, high, N)
        free = t[self.labels] == 0
        w = np.where(free, np.where(held, cap, 0.0), np.minimum(cap, np.where(free, 0.0, slope) * high[self.labels]))
        w = np.where(a > 0, w, 0.0)
        return float(np.maximum(self._sums(a * w) - t * self._norms(w), 0).sum())

    def _dual_norms(self, v):
        """The alpha at which each group begins to be 0; infinite where nothing is charged on one that is correlated."""
        v = self.open(v)
        size = self._norms(v)
        with np.errstate(divide="ignore", invalid="ignore"):
            if not self.each.any():
                return np.where(size > 0, size / self.weight, 0.0)
            high = np.minimum(size / self.weight, self._largest(v) / self.each + 0 * size)
            high = np.where(size > 0, high, 0.0)
        mixed = (self.each > 0) & (self.weight > 0) & (size > 0)
        low, top = np.zeros_like(high), np.where(mixed, high, 0.0)
        for _ in range(60):
            a = 0.5 * (low + top)
            over = self._norms(np.maximum(np.abs(v) - (a * self.each)[self.labels], 0)) > a * self.weight
            low, top = np.where(over, a, low), np.where(over, top, a)
        return np.where(mixed, top, high)

    def _largest(self, v):
        v = np.abs(v if self.sorted else v[self.order])
        return np.maximum.reduceat(v, self.starts[:-1])

    def score(self, v):
        """What alpha has to exceed for a feature's group to be 0."""
        return self._dual_norms(v)[self.labels]

    def entering(self, v, coef, alpha):
        """As `score`."""
        return self.score(v)

    def alpha_max(self, v):
        """Smallest alpha at which all penalised coefficients are 0, from v = X'r at the unpenalised fit."""
        charged = self.each + self.weight > 0
        return float(self._dual_norms(v)[charged].max(initial=0.0))

    def violation(self, v, coef, alpha):
        """Distance of v = X'u from the subdifferential at ``coef``, of groups, at each of their features."""
        size, t, l1 = self._norms(coef), alpha * self.weight, alpha * self.each[self.labels]
        off = v - coef * np.divide(t, size, out=np.zeros_like(size), where=size > 0)[self.labels]
        off = np.where(coef == 0, np.sign(off) * np.maximum(np.abs(off) - l1, 0), off - l1 * np.sign(coef))
        if self.bounded:
            off = np.where(off > 0, off * (coef < self.upper), off * (coef > self.lower))
        off = self._norms(off)
        return np.where(size > 0, off, np.maximum(off - t, 0))[self.labels]

    def face(self, coef, alpha):
        """Where the penalty is smooth: (columns not 0 nor at a bound, slopes there, curvature matrix)."""
        size = self._norms(coef)
        used = np.flatnonzero((coef != 0) & (coef > self.lower) & (coef < self.upper))
        size = size[self.labels[used]]
        unit, t = coef[used] / size, alpha * self.weight[self.labels[used]]
        same = self.labels[used][:, None] == self.labels[used]
        curvature = np.where(same, -np.outer(t / size * unit, unit), 0.0)
        np.fill_diagonal(curvature, np.diagonal(curvature) + t / size)
        return used, t * unit + alpha * self.each[self.labels[used]] * np.sign(coef[used]), curvature

    def stay(self, old, new):
        """``new`` with 0 for groups that have turned, and for signs that have under a share of L1; within bounds."""
        turned = (self._sums(old * new) <= 0)[self.labels]
        new = np.where(turned | ((old * new < 0) & (self.each > 0)[self.labels]), 0.0, new)
        return np.clip(new, self.lower, self.upper) if self.bounded else new
