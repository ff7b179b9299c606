"""What penalties on features have whose coefficients hang together: groups, SLOPE."""

import numpy as np


class CoupledPenalty:
    """A norm of strength 1 on the coefficients: no bounds, no units, 0 as long as the dual norm is at most alpha.

    A subclass says its value, its prox and its dual norm, ``alpha_max(v)``; ``factor`` is 0 where it charges nothing.
    """

    l1_ratio = 1.0  # of what FeatureL1L2 has: all of it keeps coefficients at 0
    has_dual = composite = True
    bounded = False

    def _charge(self, factor):
        self.p, self.factor = len(factor), factor
        self.lower, self.upper = np.full(self.p, -np.inf), np.full(self.p, np.inf)

    def scaled(self, scale):
        """The same penalty for coefficients multiplied by ``scale``: no part of it has units."""
        return self

    def dual_charge(self, v, coef, alpha, rounding):
        """(scale, charge, extra): see ``features.dual_charge``; there is no charge at a feasible point."""
        free = (self.factor == 0) | (alpha == 0)
        extra = 0.0
        if free.any():
            if (np.abs(v[free]) > rounding[free]).any():
                return 0.0, 0.0, 0.0
            extra = float(np.abs(v[free]) @ np.abs(coef[free]))
        top = 0.0 if alpha == 0 else self.alpha_max(v)
        return (1.0 if top <= alpha else alpha / top), 0.0, extra
