"""What penalties on features have whose coefficients hang together: groups, SLOPE."""

import numpy as np


class CoupledPenalty:
    """A norm of strength 1 on the coefficients, within bounds: 0 as long as the dual norm is at most alpha.

    A subclass says its value, its prox and its dual norm, ``alpha_max(v)``; ``factor`` is 0 where it charges nothing.
    """

    l1_ratio = 1.0  # of what FeatureL1L2 has: all of it keeps coefficients at 0
    has_dual = composite = True
    adapts = False

    def _charge(self, factor, lower=None, upper=None):
        self.p, self.factor = len(factor), factor
        self.bounded = lower is not None or upper is not None
        self.lower = np.full(self.p, -np.inf) if lower is None else np.ascontiguousarray(lower, dtype=np.float64)
        self.upper = np.full(self.p, np.inf) if upper is None else np.ascontiguousarray(upper, dtype=np.float64)

    def limits(self, cols=slice(None)):
        """(lower, upper) of some columns, None where there are no bounds."""
        return (self.lower[cols], self.upper[cols]) if self.bounded else (None, None)

    def open(self, v):
        """v where a coefficient of 0 may follow it, else 0."""
        return np.where(v > 0, v * (self.upper > 0), v * (self.lower < 0)) if self.bounded else v

    def conjugate(self, v, alpha):
        """sup_w v'w - penalty(w) where no dual norm bounds v: what coefficients at finite bounds add."""
        return 0.0

    def dual_charge(self, v, coef, alpha, rounding):
        """(scale, charge, extra): see ``features.dual_charge``."""
        v = self.open(v)
        endless = np.isinf(np.where(v > 0, self.upper, self.lower)) if self.bounded else np.ones(self.p, dtype=bool)
        free = endless & ((self.factor == 0) | (alpha == 0))
        extra = 0.0
        if free.any():
            if (np.abs(v[free]) > rounding[free]).any():
                return 0.0, 0.0, 0.0
            extra = float(np.abs(v[free]) @ np.abs(coef[free]))
        top = 0.0 if alpha == 0 else self.alpha_max(np.where(endless, v, 0.0))
        scale = 1.0 if top <= alpha else alpha / top
        return scale, self.conjugate(scale * v, alpha), extra
