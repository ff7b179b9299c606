"""Separable penalties on the features of a linear model: the classes of network layers, with factors and bounds.

``FeatureSeparable`` charges coefficient j with ``penalty.scaled(alpha * factor_j)`` on an interval that contains 0; the
penalty has strength 1. It speaks as features.FeatureL1L2 does, so that working sets don't know the difference.
"""

import numpy as np

from fastreg.penalties.features import FeatureL1L2

from fastreg.penalties.penalty cimport Separable
from fastreg.penalties.scalar cimport clip, soft


cdef double prox_within(Separable penalty, double f, double v, double h, double low, double high) noexcept nogil:
    """Prox on an interval.

    Where the problem is not convex its minimum on the interval may be at 0, at the bound, or where the penalty is still
    as L1; where it is convex, clipping is exact, and none of the others is lower.
    """
    cdef double w = penalty.prox_scaled(f, v, h)
    cdef double at[2]
    cdef double best, value, left, kink, u
    if low <= w <= high:
        return w
    penalty.slopes_scaled(f, 0, &left, &kink)
    at[0], at[1] = clip(w, low, high), clip(soft(v, h * kink), low, high)
    w, best = 0, v * v / (2 * h)
    for u in at:
        value = (u - v) * (u - v) / (2 * h) + penalty.charge_scaled(f, u)
        if value < best:
            w, best = u, value
    return w


class FeatureSeparable(FeatureL1L2):
    """A separable penalty with a factor and bounds for each feature.

    Parameters
    ----------
    penalty : Separable
        Of strength 1, with an alpha that is where zeros end.
    p : int
        Number of features.
    factor, lower, upper
        As in `FeatureL1L2`.
    """

    has_dual = False    # no conjugate: fits end with an estimate
    composite = True
    adapts = False      # large coefficients are spared as it is

    def __init__(self, penalty, p, factor=None, lower=None, upper=None):
        super().__init__(p, 1.0, factor, lower, upper)
        self.penalty = penalty

    def _like(self, p, factor, lower, upper):
        out = FeatureSeparable(self.penalty, p, factor, lower, upper)
        out.bounded, out.even = self.bounded, self.even
        return out

    def scaled(self, scale):
        """The same penalty for coefficients multiplied by ``scale``: only bounds depend on the units."""
        if not self.bounded:
            return self
        with np.errstate(invalid="ignore"):
            return self._like(self.p, self.factor, self.lower * scale, self.upper * scale)

    def take(self, cols):
        """The penalty of some columns."""
        return self._like(len(cols), self.factor[cols], self.lower[cols], self.upper[cols])

    def value(self, coef, double alpha):
        """Penalty of ``coef`` (p,)."""
        cdef const double[::1] w = np.ascontiguousarray(coef, dtype=np.float64), f = self.factor
        cdef Separable penalty = self.penalty
        cdef double total = 0
        cdef Py_ssize_t j
        with nogil:
            for j in range(w.shape[0]):
                if w[j] != 0:
                    total += penalty.charge_scaled(alpha * f[j], w[j])
        return total

    def prox(self, z, step, double alpha):
        """Minimiser of ``(w - z)^2 / 2 + step * penalty(w)``, coordinate by coordinate; step scalar or (p,)."""
        cdef const double[::1] v = np.ascontiguousarray(z, dtype=np.float64), f = self.factor
        cdef const double[::1] h = np.ascontiguousarray(np.broadcast_to(step, v.shape[0]), dtype=np.float64)
        cdef const double[::1] low = self.lower, high = self.upper
        cdef double[::1] w = np.empty(v.shape[0])
        cdef Separable penalty = self.penalty
        cdef Py_ssize_t j
        with nogil:
            for j in range(v.shape[0]):
                w[j] = prox_within(penalty, alpha * f[j], v[j], h[j], low[j], high[j])
        return np.asarray(w)

    def violation(self, v, coef, double alpha):
        """Distance of v = X'u from the subdifferential at ``coef``, coordinate by coordinate."""
        cdef const double[::1] u = np.ascontiguousarray(v), w = np.ascontiguousarray(coef), f = self.factor
        cdef const double[::1] lower = self.lower, upper = self.upper
        cdef double[::1] out = np.empty(u.shape[0])
        cdef Separable penalty = self.penalty
        cdef double low, high, off
        cdef Py_ssize_t j
        with nogil:
            for j in range(u.shape[0]):
                penalty.slopes_scaled(alpha * f[j], w[j], &low, &high)
                off = 0
                if w[j] < upper[j]:
                    off = max(off, u[j] - high)
                if w[j] > lower[j]:
                    off = max(off, low - u[j])
                out[j] = off
        return np.asarray(out)

    def whole(self, cols):
        """All columns that come and go with these."""
        return cols

    def entering(self, v, coef, alpha):
        """As `score`."""
        return self.score(v)

    def face(self, coef, double alpha):
        """Where the penalty is smooth: (columns not 0 nor at a bound, slopes there, curvatures)."""
        used = np.flatnonzero((coef != 0) & (coef > self.lower) & (coef < self.upper))
        cdef const Py_ssize_t[::1] at = used
        cdef const double[::1] w = coef, f = self.factor
        cdef double[::1] slope = np.empty(len(used)), curvature = np.empty(len(used))
        cdef Separable penalty = self.penalty
        cdef double low
        cdef Py_ssize_t i
        for i in range(at.shape[0]):
            penalty.slopes_scaled(alpha * f[at[i]], w[at[i]], &slope[i], &low)
            curvature[i] = penalty.curvature_scaled(alpha * f[at[i]], w[at[i]])
        return used, np.asarray(slope), np.asarray(curvature)

    def stay(self, old, new):
        """``new`` with 0 where a sign has changed, within the bounds."""
        return np.clip(np.where(old * new < 0, 0.0, new), self.lower, self.upper)
