"""Multinomial models whose features serve all classes or none: group penalties over the classes' coefficients.

A group holds its features' coefficients for all K classes, so classes cannot take turns. All move at once, by sweeps
over the groups on the loss's own quadratic model (multinomial_rows.py). Where these are slow and the coefficients few,
the model is that of multinomial_newton.py, minimised as any under groups (composite_model.py). What the loss does not
see, a shift of all classes, the norm keeps at the mean.
"""

import numpy as np

from ..penalties.features import FeatureL1L2
from .columns import FIRST, SURE, TALL
from .composite_model import MINIMISERS, Model
from .multinomial import Multinomial
from .multinomial_newton import joint_step
from .multinomial_rows import PackedColumns, rows_step
from .semidefinite import solver_of


class GroupedMultinomial(Multinomial):
    """One path; coefficients are those of X̃, (K, p).

    Parameters
    ----------
    penalty : FeatureGroups
        Of the features; a group's norm is over all classes, and charged for its size times K.
    design, y, n_classes, coef, offset
        As for `Multinomial`.
    """

    stiff = False  # whether sweeps have been too slow

    def __init__(self, design, y, n_classes, penalty, coef=None, offset=None):
        self.groups, self.across = penalty, penalty.across(n_classes)
        each = FeatureL1L2(design.p, 1.0, penalty.factor, *penalty.limits())
        self.packed = PackedColumns(design)
        super().__init__(design, y, n_classes, each, coef, offset)
        self._join(self._used())

    @property
    def v(self):
        """Correlations (K p,), one class after the other."""
        return np.concatenate([part.v for part in self.parts])

    def _alpha_max(self):
        return self.across.alpha_max(self.v)

    def _used(self):
        """Columns of the groups that are not 0 or that nothing is charged on."""
        return self.groups.whole(np.flatnonzero(self.coef.any(axis=0) | (self.groups.factor == 0)))

    def _join(self, cols):
        cols = self.groups.whole(cols)
        return [part._join(cols) for part in self.parts][0]

    def _choose(self, threshold):
        """Let in groups that score more than the threshold, not too many at once; the others that are 0 leave."""
        score = self.across.score(self.v)[: self.design.p]
        used = self._used()
        wanted = score > threshold
        wanted[used] = True
        for part in self.parts:
            mask = wanted[part.block.cols]
            if not mask.all():
                part.inside[part.block.cols[~mask]] = False
                part.block.keep(mask)
        found = np.flatnonzero(wanted & ~self.parts[0].inside)
        return self._join(found[np.argsort(-score[found], kind="stable")[: FIRST + len(used)]])

    def gap(self, alpha):
        """(gap, primal)."""
        coef, v, across = self.coef.ravel(), self.v, self.across
        primal = self.value + across.value(coef, alpha)
        some = self.s > 0
        theta = (self.u[:, some] / self.s[some]).T
        scale, charge, extra = across.dual_charge(v, coef, alpha, np.tile(self.rounding(theta, alpha), self.K))
        return max(primal - self.dual(theta, scale, charge), 0.0) + extra, primal

    def minimum(self, joined, G, c, old, slack, alpha, goal):
        """What a step on all classes leads to: see multinomial_newton.py."""
        some = self.groups.take(joined[: len(joined) // self.K])
        sub = some.across(self.K, len(c) - len(joined))
        if alpha == 0 and not sub.bounded:
            return sub, old + solver_of(G)(c)
        order = sub.order  # groups have to be neighbours
        own = sub.take(order)
        model = Model(G[np.ix_(order, order)], c[order], old[order], slack, own, alpha, 1.0, goal, float(G.size))
        new = np.empty(len(c))
        new[order] = MINIMISERS[type(own)](model)
        return sub, new

    def together(self):
        """Columns of a step feature by feature."""
        return self.parts[0].block.cols

    def charged(self, cols):
        """The penalty of some columns, and that of all classes' coefficients there with free intercepts."""
        some = self.groups.take(cols)
        return some, some.across(self.K, self.K)

    def _step(self, alpha, gap, target):
        """A step, its model solved as far as such gaps are worth; the decrease that it promised."""
        if not len(self.parts[0].block.cols) or (self.stiff and self.fits()):
            return joint_step(self, alpha, 0.1 * max(0.1 * gap, 0.3 * target))
        promise, solved = rows_step(self, alpha, max(0.1 * gap, 0.3 * target))
        self.stiff = not solved
        return promise

    def fit(self, alpha, tol, max_iter):
        """Solve at one alpha to a relative gap; returns (gap, primal, rounds)."""
        target = max(tol * self.null, self.least)
        last = self.last if self.last is not None else self._alpha_max()
        pace, rounds, idle = self.parts[0].block.step, 0, 0
        while self.design.n < TALL * self.design.p and last * pace > alpha > 0 and rounds < max_iter - 1:
            last *= pace
            self._choose(SURE * last)
            self._step(last, 1e-2 * self.null, target)
            self.refresh(last)
            rounds += 1
        self._choose(max(2 * alpha - last, alpha if last < SURE * alpha else SURE * alpha))
        if alpha == 0:  # nothing is charged on any column
            self.refresh(alpha)
        gap, primal = self.gap(alpha)
        fresh = False
        while (gap > target or not fresh) and rounds < max_iter and idle < 5:
            promise = 0.0
            if gap > target:
                promise = self._step(alpha, gap, target)
                rounds += 1
            fresh = gap <= target or promise <= target
            self.refresh(alpha, fresh)
            before = gap
            gap, primal = self.gap(alpha)
            joined = self._choose(alpha * (1 + 1e-12)) if gap > target else 0
            idle = 0 if gap < 0.99 * before or joined or promise > 1e-12 * self.null else idle + 1
        self.last = alpha
        return gap, primal, max(1, rounds)
