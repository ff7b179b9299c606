"""SLOPE: sorted L1. The largest coefficient is charged most: correlated features get equal coefficients.

``alpha * sum_i weights_i |w|_(i)``, with ``|w|_(1) >= |w|_(2) >= ...`` and weights that fall from 1. The prox takes the
weights off the sorted |v|, makes that fall again by averaging (pool adjacent violators), then cuts it off at 0 (Bogdan,
van den Berg, Sabatti, Su, Candès, 2015). Its dual norm is the largest ratio of the sums of the k largest |v| and of k
weights.
"""

import numpy as np
from scipy.special import ndtri

from fastreg.penalties.coupled import CoupledPenalty
from fastreg.penalties.penalty import positive


cdef void isotonic(Py_ssize_t n, double *x, double *mean, Py_ssize_t *count) noexcept nogil:
    """x becomes the nearest non-increasing sequence, cut off at 0; mean and count are work space of its size."""
    cdef Py_ssize_t i, k = 0, at = 0
    for i in range(n):
        mean[k], count[k] = x[i], 1
        k += 1
        while k > 1 and mean[k - 2] <= mean[k - 1]:
            mean[k - 2] = (mean[k - 2] * count[k - 2] + mean[k - 1] * count[k - 1]) / (count[k - 2] + count[k - 1])
            count[k - 2] += count[k - 1]
            k -= 1
    for i in range(k):
        while count[i] > 0:
            x[at] = max(mean[i], 0.0)
            at += 1
            count[i] -= 1


def prox_sorted(v, weights):
    """Minimiser of ``||w - v||^2 / 2 + sum_i weights_i |w|_(i)``.

    Parameters
    ----------
    v, weights : ndarray of float64 of shape (p,)
        Weights non-increasing.

    Returns
    -------
    ndarray of shape (p,)
    """
    size = np.abs(v)
    order = np.argsort(-size, kind="stable")
    cdef double[::1] x = size[order] - weights, mean = np.empty(len(size))
    cdef Py_ssize_t[::1] count = np.empty(len(size), dtype=np.intp)
    if x.shape[0]:
        with nogil:
            isotonic(x.shape[0], &x[0], &mean[0], &count[0])
    out = np.empty(len(size))
    out[order] = x
    return np.where(v < 0, -out, out) + 0.0


class SLOPE:
    """Sorted L1 on the coefficients of a linear model: ``alpha sum_i l_i |w|_(i)``, the largest first.

    ``l_i = z(1 - i q / 2p) / z(1 - q / 2p)`` with z the normal quantile: the weights of Bogdan et al. (2015), which
    hold the false discovery rate at q where features are orthogonal and alpha is ``sigma z(1 - q / 2p) / sqrt(n)``,
    scaled so that the first is 1. Not for networks: its prox has no closed form in the metric of Adam.

    Parameters
    ----------
    alpha : float
        Non-negative.
    q : float in (0, 1), default=0.1
        The larger, the faster the weights fall.
    """

    names = ("alpha", "q")

    def __init__(self, alpha, q=0.1):
        alpha, q = positive(alpha, "alpha"), positive(q, "q")
        if not 0 < q < 1:
            raise ValueError(f"q must be between 0 and 1, got {q!r}.")
        self.args = (alpha, q)

    def weights(self, p):
        """l_1 ... l_p.

        Parameters
        ----------
        p : int
            Number of features.

        Returns
        -------
        ndarray of shape (p,)
        """
        z = ndtri(1 - np.arange(1, p + 1) * self.args[1] / (2 * p))
        return z / z[0]

    def features(self, p, lower=None, upper=None):
        """What solvers see, of strength 1.

        Parameters
        ----------
        p : int
        lower, upper : ndarray of shape (p,), optional
            0 or infinite.

        Returns
        -------
        FeatureSorted
        """
        return FeatureSorted(self.weights(p), lower, upper)

    def scaled(self, factor):
        """The penalty times a number.

        Parameters
        ----------
        factor : float
            Non-negative.

        Returns
        -------
        SLOPE
        """
        return SLOPE(self.args[0] * factor, self.args[1])

    def value(self, w):
        """Penalty of coefficients.

        Parameters
        ----------
        w : ndarray of shape (p,)

        Returns
        -------
        float
        """
        w = np.asarray(w, dtype=np.float64)
        return self.args[0] * float(self.weights(len(w)) @ np.sort(np.abs(w))[::-1])

    def prox(self, w, step=1.0):
        """Minimiser of ``||x - w||^2 / (2 step) + penalty(x)``.

        Parameters
        ----------
        w : ndarray of shape (p,)
        step : float, default=1.0

        Returns
        -------
        ndarray of shape (p,)
        """
        w = np.asarray(w, dtype=np.float64)
        return prox_sorted(w, step * self.args[0] * self.weights(len(w)))

    def __reduce__(self):
        return SLOPE, self.args

    def __eq__(self, other):
        return isinstance(other, SLOPE) and self.args == other.args

    def __hash__(self):
        return hash((SLOPE, self.args))

    def __repr__(self):
        return f"SLOPE(alpha={self.args[0]!r}, q={self.args[1]!r})"


class FeatureSorted(CoupledPenalty):
    """SLOPE as working sets see it: a part of the columns has the first weights, as the others are 0.

    Parameters
    ----------
    weights : ndarray of shape (p,)
        Non-increasing, not negative.
    lower, upper : ndarray of shape (p,), optional
        Signs of the coefficients: 0 or infinite.
    """

    def __init__(self, weights, lower=None, upper=None):
        self.weights = weights
        self._charge(np.ones(len(weights)), lower, upper)

    def scaled(self, scale):
        """The same penalty for coefficients multiplied by ``scale``: no part of it has units."""
        return self

    def take(self, cols):
        """The penalty of some columns, where the others are 0."""
        return FeatureSorted(self.weights[: len(cols)], *self.limits(cols))

    def value(self, coef, alpha):
        """Penalty of ``coef`` (p,)."""
        size = np.sort(np.abs(coef[coef != 0]))[::-1]
        return alpha * float(self.weights[: len(size)] @ size)

    def prox(self, z, step, alpha):
        """Minimiser of ``||w - z||^2 / 2 + step * penalty(w)``; step a number."""
        return prox_sorted(self.open(z), step * alpha * self.weights)

    def whole(self, cols):
        """All columns that come and go with these."""
        return cols

    def entering(self, v, coef, alpha):
        """More than alpha where a column joins the support, the others staying as they are."""
        zero, v = np.flatnonzero(coef == 0), self.open(v)
        moved = np.abs(prox_sorted(v[zero], alpha * self.weights[self.p - len(zero):]))
        out = np.zeros(self.p)
        out[zero] = np.where(moved > 0, alpha + np.abs(v[zero]), 0.0)
        return out

    def alpha_max(self, v):
        """The dual norm: smallest alpha at which 0 is optimal."""
        return float((np.cumsum(np.sort(np.abs(self.open(v)))[::-1]) / np.cumsum(self.weights)).max(initial=0.0))

    def violation(self, v, coef, alpha):
        """How far a prox step along v leads from ``coef``: 0 at an optimum."""
        return np.abs(self.prox(coef + v, 1.0, alpha) - coef)
