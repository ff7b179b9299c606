"""Penalties that are sums over weights: L1, L2, L1L2, Bounds, NonNegative, MCP, SCAD, ExpAbs."""

from libc.math cimport INFINITY, exp, fabs

from fastreg.penalties.penalty import positive

from fastreg.penalties.penalty cimport Separable
from fastreg.penalties.scalar cimport (
    charge_exp_abs,
    charge_mcp,
    charge_scad,
    clip,
    prox_exp_abs,
    prox_mcp,
    prox_scad,
    soft,
)


cdef inline void signed(double w, double slope, double kink, double *low, double *high) noexcept nogil:
    """Slopes of a function of |w| that rises with `slope` at |w| > 0 and with `kink` at 0."""
    if w == 0:
        low[0], high[0] = -kink, kink
    else:
        low[0] = high[0] = slope if w > 0 else -slope


cdef class L1L2(Separable):
    """``alpha * (l1_ratio |w| + (1 - l1_ratio) / 2 w^2)`` of every weight: the elastic net.

    Parameters
    ----------
    alpha : float
        Non-negative.
    l1_ratio : float in [0, 1], default=0.5
    """

    names = ("alpha", "l1_ratio")

    def __init__(self, alpha, l1_ratio=0.5):
        alpha, l1_ratio = positive(alpha, "alpha"), positive(l1_ratio, "l1_ratio")
        if l1_ratio > 1:
            raise ValueError(f"l1_ratio must be between 0 and 1, got {l1_ratio!r}.")
        self.args = (alpha, l1_ratio)
        self.l1, self.l2, self.fused = alpha * l1_ratio, alpha * (1 - l1_ratio), True

    def scaled(self, factor):
        return type(self)(self.args[0] * factor, *self.args[1:])

    cdef double charge_one(self, double w) noexcept nogil:
        return self.l1 * fabs(w) + 0.5 * self.l2 * w * w

    cdef double prox_one(self, double v, double h) noexcept nogil:
        return soft(v, h * self.l1) / (1 + h * self.l2)

    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil:
        signed(w, self.l1 + self.l2 * fabs(w), self.l1, low, high)

    cdef double curvature_one(self, double w) noexcept nogil:
        return self.l2


cdef class L1(L1L2):
    """``alpha |w|`` of every weight: exact zeros.

    Parameters
    ----------
    alpha : float
        Non-negative.
    """

    names = ("alpha",)

    def __init__(self, alpha):
        self.l1, self.fused = positive(alpha, "alpha"), True
        self.args = (self.l1,)


cdef class L2(L1L2):
    """``alpha / 2 w^2`` of every weight. Keras writes it without the 1/2.

    Parameters
    ----------
    alpha : float
        Non-negative.
    """

    names = ("alpha",)

    def __init__(self, alpha):
        self.l2, self.fused = positive(alpha, "alpha"), True
        self.args = (self.l2,)


cdef class Bounds(Separable):
    """``lower <= w <= upper`` for every weight, up to the rounding of float32.

    Parameters
    ----------
    lower, upper : float, default=-inf, inf
        ``lower <= 0 <= upper``.
    """

    names = ("lower", "upper")
    cdef double lower, upper

    def __init__(self, lower=-INFINITY, upper=INFINITY):
        self.lower, self.upper = lower, upper
        if not self.lower <= 0 <= self.upper:
            raise ValueError(f"lower <= 0 <= upper must hold, got lower={lower!r}, upper={upper!r}.")
        self.args, self.constrains = (self.lower, self.upper), True

    def scaled(self, factor):
        return self

    cdef double charge_one(self, double w) noexcept nogil:
        return 0.0 if self.allows(w) else INFINITY

    cdef bint allows(self, double w) noexcept nogil:
        """A bound is one of float32 too: it may be rounded to beyond itself."""
        return min(self.lower, <double><float>self.lower) <= w <= max(self.upper, <double><float>self.upper)

    cdef double prox_one(self, double v, double h) noexcept nogil:
        return clip(v, self.lower, self.upper)

    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil:
        low[0] = -INFINITY if w <= max(self.lower, <double><float>self.lower) else 0.0
        high[0] = INFINITY if w >= min(self.upper, <double><float>self.upper) else 0.0
        if not self.allows(w):
            low[0], high[0] = INFINITY, -INFINITY


cdef class NonNegative(Bounds):
    """``w >= 0`` for every weight."""

    names = ()

    def __init__(self):
        self.lower, self.upper = 0.0, INFINITY
        self.args, self.constrains = (), True


cdef class Folded(Separable):
    """As L1 near 0, with slopes that fall to 0 further out: not convex. ``scaled`` scales alpha, where zeros end.

    A subclass says its charge, and what gamma has to exceed.
    """

    cdef double alpha, gamma

    def __init__(self, alpha, gamma):
        self.alpha, self.gamma = positive(alpha, "alpha"), positive(gamma, "gamma")
        if self.gamma <= self.least:
            raise ValueError(f"gamma must be more than {self.least}, got {gamma!r}.")
        self.args = (self.alpha, self.gamma)

    def scaled(self, factor):
        """The penalty of ``factor * alpha``, with the same gamma: alpha is where zeros end, as in L1."""
        return type(self)(self.alpha * factor, self.gamma)

    cdef double charge_one(self, double w) noexcept nogil:
        return self.charge_scaled(1.0, w)

    cdef double prox_one(self, double v, double h) noexcept nogil:
        return self.prox_scaled(1.0, v, h)

    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil:
        self.slopes_scaled(1.0, w, low, high)

    cdef double curvature_one(self, double w) noexcept nogil:
        return self.curvature_scaled(1.0, w)


cdef class MCP(Folded):
    """The minimax concave penalty: as L1 near 0, no charge on growth beyond ``gamma * alpha``.

    ``alpha |w| - w^2 / (2 gamma)`` up to ``|w| = gamma alpha``, ``gamma alpha^2 / 2`` from there (Zhang 2010): zeros as
    L1 makes them, but large weights are not shrunk. Not convex.

    Parameters
    ----------
    alpha : float
        Non-negative.
    gamma : float, default=3.0
        More than 1. The larger, the nearer to L1.
    """

    names = ("alpha", "gamma")
    least = 1

    def __init__(self, alpha, gamma=3.0):
        Folded.__init__(self, alpha, gamma)

    cdef double charge_scaled(self, double f, double w) noexcept nogil:
        return charge_mcp(w, f * self.alpha, self.gamma)

    cdef double prox_scaled(self, double f, double v, double h) noexcept nogil:
        return prox_mcp(v, h, f * self.alpha, self.gamma)

    cdef void slopes_scaled(self, double f, double w, double *low, double *high) noexcept nogil:
        signed(w, max(f * self.alpha - fabs(w) / self.gamma, 0.0), f * self.alpha, low, high)

    cdef double curvature_scaled(self, double f, double w) noexcept nogil:
        return -1 / self.gamma if fabs(w) < self.gamma * f * self.alpha else 0.0


cdef class SCAD(Folded):
    """The smoothly clipped absolute deviation: L1 up to ``alpha``, no charge on growth beyond ``gamma * alpha``.

    In between its slope falls from alpha to 0, as ``(gamma alpha - |w|) / (gamma - 1)`` (Fan & Li 2001). Not convex.

    Parameters
    ----------
    alpha : float
        Non-negative.
    gamma : float, default=3.7
        More than 2. The larger, the nearer to L1.
    """

    names = ("alpha", "gamma")
    least = 2

    def __init__(self, alpha, gamma=3.7):
        Folded.__init__(self, alpha, gamma)

    cdef double charge_scaled(self, double f, double w) noexcept nogil:
        return charge_scad(w, f * self.alpha, self.gamma)

    cdef double prox_scaled(self, double f, double v, double h) noexcept nogil:
        return prox_scad(v, h, f * self.alpha, self.gamma)

    cdef void slopes_scaled(self, double f, double w, double *low, double *high) noexcept nogil:
        cdef double alpha = f * self.alpha
        signed(w, min(alpha, max(self.gamma * alpha - fabs(w), 0.0) / (self.gamma - 1)), alpha, low, high)

    cdef double curvature_scaled(self, double f, double w) noexcept nogil:
        cdef double a = fabs(w), alpha = f * self.alpha
        return -1 / (self.gamma - 1) if alpha < a < self.gamma * alpha else 0.0


cdef class ExpAbs(Separable):
    """``alpha (exp |w| - 1)`` of every weight: zeros as L1 makes them, and harsher on large weights than L2.

    Parameters
    ----------
    alpha : float
        Non-negative.
    """

    names = ("alpha",)
    cdef double alpha

    def __init__(self, alpha):
        self.alpha = positive(alpha, "alpha")
        self.args = (self.alpha,)

    def scaled(self, factor):
        return ExpAbs(self.alpha * factor)

    cdef double charge_one(self, double w) noexcept nogil:
        return charge_exp_abs(w, self.alpha)

    cdef double prox_one(self, double v, double h) noexcept nogil:
        return prox_exp_abs(v, h, self.alpha)

    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil:
        signed(w, self.alpha * exp(fabs(w)), self.alpha, low, high)

    cdef double curvature_one(self, double w) noexcept nogil:
        return self.alpha * exp(fabs(w))

    # a weight that nothing is charged on may be so large that its exponential is infinite

    cdef double charge_scaled(self, double f, double w) noexcept nogil:
        return f * self.charge_one(w) if f > 0 else 0.0

    cdef void slopes_scaled(self, double f, double w, double *low, double *high) noexcept nogil:
        low[0] = high[0] = 0.0
        if f > 0:
            signed(w, f * self.alpha * exp(fabs(w)), f * self.alpha, low, high)

    cdef double curvature_scaled(self, double f, double w) noexcept nogil:
        return f * self.curvature_one(w) if f > 0 else 0.0
