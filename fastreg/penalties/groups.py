"""Group penalties on the features of a linear model: lasso of groups and of features, mixed.

``FeatureGroups`` charges group g with ``alpha f_g (share ||w_g||_1 + (1 - share) sqrt(size_g) ||w_g||_2)``. With
``S`` the soft threshold, 0 is optimal for a group where ``||S(v_g, alpha each_g)|| <= alpha weight_g``; the alpha at
which that begins is a norm of v_g (the dual norm), which is all that certificates and working sets need.
"""

import numpy as np

from fastreg.penalties.coupled import CoupledPenalty


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
    """

    def __init__(self, labels, share=0.0, factor=None):
        first = np.unique(labels, return_index=True)[1]
        each = np.ones(len(first)) if factor is None else factor[first]
        self._set(labels, share * each, (1 - share) * each * np.sqrt(np.bincount(labels)))

    def _set(self, labels, each, weight):
        self.labels, self.each, self.weight = labels, each, weight
        self._charge((each + weight)[labels])
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels, minlength=len(weight))
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self.sorted = bool((np.diff(labels) >= 0).all())
        return self

    def take(self, cols):
        """The penalty of some columns; what a group is charged stays."""
        groups, first, labels = np.unique(self.labels[cols], return_index=True, return_inverse=True)
        order = np.argsort(first)  # in the order of their columns, so that neighbours stay neighbours
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        groups = groups[order]
        return object.__new__(FeatureGroups)._set(rank[labels], self.each[groups], self.weight[groups])

    def across(self, K, free=0):
        """The same groups over the coefficients of K classes, one class after the other, then some free ones."""
        labels = np.concatenate([np.tile(self.labels, K), len(self.weight) + np.arange(free)])
        each, weight = (np.concatenate([part, np.zeros(free)]) for part in (self.each, np.sqrt(K) * self.weight))
        return object.__new__(FeatureGroups)._set(labels, each, weight)

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
        size = self._norms(w)
        left = np.maximum(size - t * self.weight, 0)
        return w * np.divide(left, size, out=np.zeros_like(size), where=size > 0)[self.labels]

    def _dual_norms(self, v):
        """The alpha at which each group begins to be 0; infinite where nothing is charged on one that is correlated."""
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
        off = np.where(coef == 0, np.maximum(np.abs(off) - l1, 0), np.abs(off - l1 * np.sign(coef)))
        off = self._norms(off)
        return np.where(size > 0, off, np.maximum(off - t, 0))[self.labels]

    def face(self, coef, alpha):
        """Where the penalty is smooth: (columns not 0, slopes there, curvature matrix)."""
        size = self._norms(coef)
        used = np.flatnonzero(coef)
        size = size[self.labels[used]]
        unit, t = coef[used] / size, alpha * self.weight[self.labels[used]]
        same = self.labels[used][:, None] == self.labels[used]
        curvature = np.where(same, -np.outer(t / size * unit, unit), 0.0)
        np.fill_diagonal(curvature, np.diagonal(curvature) + t / size)
        return used, t * unit + alpha * self.each[self.labels[used]] * np.sign(coef[used]), curvature

    def stay(self, old, new):
        """``new`` with 0 for groups that have turned round, and for signs that have changed under a share of L1."""
        turned = (self._sums(old * new) <= 0)[self.labels]
        return np.where(turned | ((old * new < 0) & (self.each > 0)[self.labels]), 0.0, new)
