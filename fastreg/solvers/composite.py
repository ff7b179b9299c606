"""Working-set prox-Newton for penalties beyond L1 and L2: groups, SLOPE, MCP, SCAD, ExpAbs.

What differs from prox_newton.py: columns come and go by groups, or by the order of their correlations; the model's
minimum is composite_model.py's; and a step that fails is tried again on a model of more curvature. A model of enough
curvature is above the objective, so its minimum lowers it, whether the penalty is convex or not; backtracking along the
step alone could meet the hump of a concave penalty.

Convex penalties have the duality gap, with the dual norm of the penalty. The others have the decrease that steps on
single coefficients could make.
"""

import numpy as np

from .composite_model import CompositeBlock
from .line_search import ARMIJO
from .prox_newton import ProxNewton

DAMPING = 4.0  # factor of the model's curvature after a step that failed
TRIES = 12


class CompositeNewton(ProxNewton):
    """One target's path; the penalty speaks as features.FeatureL1L2 does, and says what enters."""

    compiled = False

    def _block(self, design, penalty):
        return CompositeBlock(design, penalty)

    def _join(self, cols):
        return super()._join(self.penalty.whole(cols))

    def _admit(self, threshold):
        score = self.penalty.entering(self.v, self.coef, threshold)
        score[self.inside] = -1
        found = np.flatnonzero(score > threshold)
        limit = self._limit()
        if len(found) > limit:
            found = found[np.argpartition(-score[found], limit)[:limit]]
        return self._join(found)

    def _prune(self, threshold, many=None):
        cols = self.block.cols
        if not len(cols):
            return
        keep = np.zeros(self.design.p, dtype=bool)
        keep[self.penalty.whole(np.flatnonzero(self.coef))] = True
        keep |= self.penalty.entering(self.v, self.coef, threshold) > threshold
        mask = keep[cols]
        if not mask.all():
            self.inside[cols[~mask]] = False
            self.block.keep(mask)

    def _choose(self, alpha):
        """No shortlist: what enters may depend on all columns."""

    def _newton(self, alpha, goal, limit, far=False, near=0.0):
        if self.loss.quadratic and self.dual:  # the model is the objective: its own gap says when it is solved
            return self._step(alpha, goal, far, near)
        return super()._newton(alpha, goal, limit, far, near)

    def _step(self, alpha, goal, far=False, near=0.0):
        block = self.block
        for _ in range(TRIES):
            before = self._objective(alpha)
            decrease = super()._step(alpha, goal, far, near)
            # less than Armijo's share of a tenth of the way: rounding let it pass, or it is a hump's foot
            real = before - self._objective(alpha) > 0.1 * ARMIJO * decrease or decrease <= goal
            if (decrease > 0 and real) or block.promise <= max(goal, 1e-13 * self.null):
                block.damping = max(1.0, block.damping / DAMPING)
                break
            block.damping *= DAMPING
        else:
            block.damping = 1.0
        return decrease

    def _objective(self, alpha):
        cols = self.block.cols
        return self.predictor.value + (self.block.sub.value(self.coef[cols], alpha) if len(cols) else 0.0)
