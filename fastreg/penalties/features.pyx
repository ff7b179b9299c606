"""The penalty of linear models, feature by feature: value, prox and certificate.

``FeatureL1L2`` charges coefficient j with ``alpha * factor_j * (l1_ratio |w| + (1 - l1_ratio) / 2 w^2)`` on an interval
``lower_j <= w <= upper_j`` that contains 0. The scalar mathematics is in features.pxd, where the solvers
inline it; on rows of coefficients (multi-task) the same functions take norms, as the penalty depends on nothing else.
"""

import numpy as np

from libc.math cimport INFINITY, fabs, sqrt


cdef double dual(Py_ssize_t m, const double *v, const Charges *c, double scale, double clear, double rr,
                 double yr) noexcept nogil:
    """Dual objective at scale * residual, for a feasible scale; up to ``clear`` no column's conjugate counts."""
    cdef double value = scale * yr - 0.5 * scale * scale * rr, t
    cdef Py_ssize_t j
    if scale <= clear:
        return value
    for j in range(m):
        t = conjugate(scale * v[j], c, j)
        if t < INFINITY:            # infinite: feasible but for rounding
            value -= t
    return value


cdef double duality_gap(Py_ssize_t m, const double *v, const double *w, const double *norms, const Charges *c,
                        double rr, double yr, double yy, double *primal) noexcept nogil:
    """Primal minus the best dual value found on the ray through the residual.

    v = X'r (or norms of its rows), w the coefficients (or norms), norms the squared norms of the columns, rr = r'r,
    yr = y'r, yy = y'y. Any feasible scale gives a valid bound; three are tried: the best where the penalty's conjugate
    is 0 (lasso), 1 (exact at the solution), and the one of the form augmented by l2. An unpenalised coordinate must
    have v = 0: what rounding leaves there (a correlation with y under 1e-9) counts as |v w|, more makes the bound 0.
    """
    cdef double p = 0.5 * rr, top = INFINITY, clear = INFINITY, extra = 0, ww = 0, augmented = INFINITY
    cdef double size, l1, l2, t, best
    cdef Py_ssize_t j
    # X may have many columns that matter to none of these: comparisons that rarely hold come before all else.
    for j in range(m):
        size = fabs(v[j])
        l1 = c.l1 * c.factor[j]
        l2 = c.l2 * c.factor[j]
        if w[j] != 0:
            p += charge(w[j], c, j)
        if size == 0:
            continue
        if l2 > 0:
            ww += l2 * w[j] * w[j]
            t = fabs(v[j] - l2 * w[j])
            if t * augmented > l1:
                augmented = l1 / t
        elif size * top <= l1:
            if size * clear <= l1:
                continue
        elif (c.upper[j] if v[j] > 0 else -c.lower[j]) == INFINITY:     # no bound holds it
            # What exceeds l1 by no more than rounding counts as excess times |w|, at scales up to 1.
            t = size - l1
            if 0 < t <= (1e-9 if l1 == 0 else 1e-15) * sqrt(yy) * sqrt(norms[j]):     # apart: no overflow
                top = min(top, 1.0)
                extra += t * fabs(w[j])
            else:
                top = min(top, l1 / size)
            continue
        if size * clear > l1:
            clear = l1 / size
    primal[0] = p
    if rr <= 0 or top == 0:
        return p + extra
    best = max(0.0, dual(m, v, c, min(top, max(0.0, yr / rr)), clear, rr, yr))
    best = max(best, dual(m, v, c, min(top, 1.0), clear, rr, yr))
    if c.l2 > 0:
        best = max(best, dual(m, v, c, min(top, min(augmented, max(0.0, yr / (rr + ww)))), clear, rr, yr))
    return max(p - best, 0.0) + extra


class FeatureL1L2:
    """L1 and L2 with a factor and bounds for each feature: elastic net, lasso (l1_ratio=1), ridge (l1_ratio=0).

    Parameters
    ----------
    p : int
        Number of features.
    l1_ratio : float in [0, 1], default=1.0
    factor : None, float or array of shape (p,)
        Multiplies alpha, feature by feature; 0 leaves a feature unpenalised.
    lower, upper : None, float or array of shape (p,)
        Bounds of the coefficients, ``lower <= 0 <= upper``.
    """

    has_dual = True     # whether it has a conjugate, for a certificate
    composite = False   # whether models need more than coordinate descent with a soft threshold
    adapts = True       # whether it can be adapted to a first fit

    def __init__(self, p, l1_ratio=1.0, factor=None, lower=None, upper=None):
        self.p = p
        self.l1_ratio = float(l1_ratio)
        self.bounded = lower is not None or upper is not None
        self.even = factor is None
        self.factor = self._each(1.0 if factor is None else factor)
        self.lower = self._each(-np.inf if lower is None else lower)
        self.upper = self._each(np.inf if upper is None else upper)

    def _each(self, value):
        if np.ndim(value):
            return np.ascontiguousarray(value, dtype=np.float64)
        out = np.empty(self.p)
        out.fill(value)                 # np.full takes three times as long
        return out

    def limits(self, cols=slice(None)):
        """(lower, upper) of some columns, None where there are no bounds."""
        return (self.lower[cols], self.upper[cols]) if self.bounded else (None, None)

    def adapted(self, sizes):
        """For each row of sizes (K, p) the penalty with factors divided by them, as shares of the largest.

        A feature of size 0 is held at 0.
        """
        share, out = shares(sizes, self.factor > 0)
        limits = zip(self.factor / share, limits_without(self, out), strict=True)
        return [FeatureL1L2(self.p, self.l1_ratio, factor, *bounds) for factor, bounds in limits]

    def scaled(self, scale):
        """The same penalty for coefficients multiplied by ``scale``: only bounds depend on the units."""
        if not self.bounded:
            return self
        with np.errstate(invalid="ignore"):
            return FeatureL1L2(self.p, self.l1_ratio, self.factor, self.lower * scale, self.upper * scale)

    def take(self, cols):
        """The penalty of some columns."""
        return FeatureL1L2(len(cols), self.l1_ratio, self.factor[cols], self.lower[cols], self.upper[cols])

    def value(self, coef, alpha):
        """Penalty of ``coef``, (p,) or rows (p, T)."""
        size = np.abs(coef) if coef.ndim == 1 else np.linalg.norm(coef, axis=1)
        return alpha * float((self.factor * (self.l1_ratio * size + (1 - self.l1_ratio) / 2 * size**2)).sum())

    def prox(self, z, step, alpha):
        """Minimiser of ``(w - z)^2 / 2 + step * penalty(w)``, coordinate by coordinate; step scalar or (p,)."""
        t = step * alpha * self.factor
        w = np.sign(z) * np.maximum(np.abs(z) - t * self.l1_ratio, 0) / (1 + t * (1 - self.l1_ratio))
        return np.clip(w, self.lower, self.upper)

    def score(self, v):
        """|v_j| in units of what keeps coefficient j at 0: it enters where this exceeds alpha * l1_ratio."""
        size = np.where(v > 0, v * (self.upper > 0), -v * (self.lower < 0)) if self.bounded else np.abs(v)
        if self.even:
            return size
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.factor > 0, size / self.factor, np.inf)

    def violation(self, v, coef, alpha):
        """Distance of v = X'r from the subdifferential at ``coef``, coordinate by coordinate: the KKT violation."""
        l1, l2 = alpha * self.l1_ratio * self.factor, alpha * (1 - self.l1_ratio) * self.factor
        low = v - l2 * coef - np.where(coef < 0, -l1, l1)       # slope to the right must not be uphill
        high = v - l2 * coef - np.where(coef > 0, l1, -l1)
        right = np.where(coef < self.upper, np.maximum(low, 0), 0)
        left = np.where(coef > self.lower, np.maximum(-high, 0), 0)
        return np.maximum(right, left)

    def dual_charge(self, v, coef, alpha, rounding):
        """As the function of that name."""
        return dual_charge(v, coef, self, alpha, rounding)

    def alpha_max(self, v):
        """Smallest alpha at which all penalised coefficients are 0, from v = X'r at the unpenalised fit."""
        score = self.score(v)[self.factor > 0]
        return 0.0 if not score.size else float(score.max()) / max(self.l1_ratio, 1e-3)


def shares(sizes, charged):
    """(shares of the largest in each row of those charged, 1 where there is none; which are charged and of size 0)."""
    largest = sizes[:, charged].max(axis=1, initial=0.0, keepdims=True)
    out = charged & (sizes <= 0)
    return np.where(charged & ~out, sizes / np.where(largest > 0, largest, 1.0), 1.0), out


def limits_without(penalty, out):
    """(lower, upper) that hold the features at 0 as well which a row of ``out`` says, row by row."""
    for some, held in zip(out, out.any(axis=1)):
        yield (np.where(some, 0.0, penalty.lower), np.where(some, 0.0, penalty.upper)) if held else penalty.limits()


def felt(penalty, alpha, sq_norms, size, target):
    """Alpha (one, or an array), or 0 where no column feels it.

    Correlations with a residual of norm ``size`` are rounded; squared and divided by l2 that would be more than a gap
    of ``target``. What bounds the problem without a penalty bounds it with one.
    """
    least = float(sq_norms.min(where=sq_norms > 0, initial=np.inf))
    if size == 0 or least == np.inf:
        return alpha
    most = alpha * penalty.factor.max(initial=0.0)
    l1, l2 = most * penalty.l1_ratio, most * (1 - penalty.l1_ratio)
    return alpha * ((l1 > 1e-14 * size * np.sqrt(least)) | (0.1 * l2 * (target / size / size) > 1e-28 * least))


def gap(v, w, norms, penalty, double alpha, double rr, double yr, double yy):
    """(gap, primal) of coefficients w with v = X'r: see ``duality_gap``."""
    cdef Charges c
    cdef const double[::1] vv = v, ww = w, nn = norms
    cdef const double[::1] f = penalty.factor, lo = penalty.lower, hi = penalty.upper
    cdef double primal, value
    cdef Py_ssize_t m = vv.shape[0]
    c.l1, c.l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio)
    c.factor, c.lower, c.upper = &f[0], &lo[0], &hi[0]
    with nogil:
        value = duality_gap(m, &vv[0], &ww[0], &nn[0], &c, rr, yr, yy, &primal)
    return value, primal


def dual_charge(const double[::1] v, const double[::1] w, penalty, double alpha, const double[::1] rounding):
    """What the penalty takes off a dual value, for v = X'u: (scale, charge, extra).

    ``scale`` is the largest in [0, 1] at which the dual point is feasible, ``charge`` the sum of conjugates there.
    ``rounding[j]`` is what may be left of v_j where nothing is charged; it counts as ``extra``, at the size of w_j.
    """
    cdef Charges c
    cdef const double[::1] f = penalty.factor, lo = penalty.lower, hi = penalty.upper
    cdef Py_ssize_t j, m = v.shape[0]
    cdef double scale = 1, total = 0, extra = 0, t
    c.l1, c.l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio)
    c.factor, c.lower, c.upper = &f[0], &lo[0], &hi[0]
    with nogil:
        for j in range(m):
            t = fabs(v[j]) - c.l1 * f[j]
            if t <= 0 or c.l2 * f[j] > 0 or (c.upper[j] < INFINITY if v[j] > 0 else c.lower[j] > -INFINITY):
                continue
            if t <= rounding[j]:
                extra += t * fabs(w[j])
            else:
                scale = min(scale, c.l1 * f[j] / fabs(v[j]))
        for j in range(m):
            t = conjugate(scale * v[j], &c, j)
            if t < INFINITY:
                total += t
    return scale, total, extra
