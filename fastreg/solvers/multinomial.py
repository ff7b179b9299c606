"""Multinomial models: classes take turns, each with a prox-Newton step of a logistic model.

Seen from one class, the others' predictions are an offset: ``log sum_k exp(eta_ik) - eta_ij`` is, but for what does
not change, the logistic loss of ``eta_ik - log sum_{l != k} exp(eta_il)``, with the exact curvature p (1 - p). So a
turn is a step of prox_newton.py, with a working set of the class's own. What turns are slow at is a shift of all
classes alike, which the loss does not see: after each round every feature's coefficients are shifted to where the
penalty is least, a median (for l2 > 0 of the coefficients and of the minima between them). Where features are
correlated, turns are slow altogether: near the optimum all classes move at once, if their sets are few columns
(multinomial_newton.py), or feature by feature, if they are many but much the same (multinomial_rows.py).
"""

import numpy as np

from fastreg._simd.dispatch import dot

from ..losses import Logistic, Softmax
from ..penalties.features import FeatureL1L2, dual_charge
from .columns import SURE, TALL
from .multinomial_dual import dual_point
from .multinomial_newton import few, joint_step, minimum
from .multinomial_ridge import RidgeSteps, takes
from .multinomial_rows import PackedColumns, rows_step
from .prox_newton import FAR, NEAR, ProxNewton

SPENT = 1e-5  # share of the null's objective that turns promise at most where they have nothing left to give
SHARED = 0.2  # of all classes' columns, that a class has on average where steps are made feature by feature


def constants_beside(loss, offset, y, s, b):
    """The best intercepts (K,) beside offsets (n, K), from b on.

    Newton steps; where one does not lower the loss one of iterative scaling (Darroch and Ratcliff, 1972), which does. A
    class of weight 0 stays out of reach.
    """
    share = np.bincount(y.astype(np.intp), weights=s, minlength=len(b))
    there = share > 0
    b = np.where(there, b, -30.0 - np.ptp(offset))
    value = loss(offset + b, y, s)[0]
    for _ in range(100):
        p = loss.predict(offset + b)[:, there]
        mean = np.maximum(s @ p, 1e-300)
        slope = mean - share[there]
        if np.abs(slope).max() <= 1e-15:
            break
        for move in (
            -np.linalg.lstsq(np.diag(mean) - (s[:, None] * p).T @ p, slope, rcond=1e-13)[0],
            np.log(share[there] / mean),
        ):
            trial = b.copy()
            trial[there] += move
            found = loss(offset + trial, y, s)[0]
            if found < value:
                break
        if not found < value:  # but for rounding it is the best
            break
        b, value = trial, found
    return b


class Multinomial:
    """One path; coefficients are those of X̃, (K, p).

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
        Class numbers, each of 0..K-1 at least once.
    n_classes : int
    penalty : FeatureL1L2 in the units of X̃
    coef : ndarray of shape (K, p), optional
        Where to start.
    offset : ndarray of shape (n, K), optional
        Added to the raw predictions.
    """

    def __init__(self, design, y, n_classes, penalty, coef=None, offset=None):
        self.design, self.y, self.penalty, self.K = design, y, penalty, n_classes
        self.loss, self.s, self.least = Softmax(), design.weights, 1e-15
        self.parts = [
            ProxNewton(
                design, Logistic(), (y == k).astype(np.float64), penalty, None, None if coef is None else coef[k]
            )
            for k in range(n_classes)
        ]
        share = np.array([dot(self.s, part.y) for part in self.parts])
        with np.errstate(divide="ignore"):
            start = np.log(share) if design.fit_intercept else np.zeros(n_classes)
        start = np.maximum(start, -30.0)
        self.offset = np.zeros((n_classes, 1)) if offset is None else np.array(offset.T, order="C")
        self.null = np.inf
        if offset is not None:
            best = constants_beside(self.loss, offset, y, self.s, start)
            self.null = self.loss(offset + best, y, self.s)[0]
            start = best if design.fit_intercept else start
        for part, b in zip(self.parts, start - start.mean(), strict=True):
            part.predictor.b = float(b)
        constant = np.ascontiguousarray(np.broadcast_to(start[:, None] + self.offset, (n_classes, design.n)).T)
        self.null = min(self.null, self.loss(constant, y, self.s)[0])
        self.last = None
        self.packed, self.ridge = PackedColumns(design), None
        if penalty.l1_ratio > 0:  # no columns are to be found under a ridge penalty
            self.refresh(1.0)

    def alpha_max(self):
        """Smallest alpha at which all penalised coefficients are 0."""
        if ((self.penalty.factor == 0) & (self.design.sq_norms > 0)).any():  # first those on which nothing is charged
            self.fit(1e300, 1e-9, 100)
        elif self.parts[0].v is None:
            self.refresh(1.0)
        return self._alpha_max()

    def _alpha_max(self):
        return max(self.penalty.alpha_max(part.v) for part in self.parts)

    @property
    def coef(self):
        """(K, p)."""
        return np.array([part.coef for part in self.parts])

    @property
    def intercept(self):
        """(K,), about the means of X̃."""
        return np.array([part.predictor.b for part in self.parts])

    def raw(self):
        """Raw predictions (K, n), offset included."""
        return np.array([part.predictor.linear + part.predictor.b for part in self.parts]) + self.offset

    def slopes(self):
        """(loss, its weighted derivatives (K, n), probabilities (K, n)) at the predictions."""
        raw = np.ascontiguousarray(self.raw().T)
        value, gradient, _ = self.loss(raw, self.y, self.s)
        return value, np.ascontiguousarray(gradient.T), np.ascontiguousarray(self.loss.predict(raw).T)

    def refresh(self, alpha, fresh=False):
        """Loss, the dual point and its correlations: one pass over X; fresh: predictions anew."""
        design = self.design
        if fresh:
            used = np.flatnonzero(self.coef.any(axis=0))
            linear = design.xw(np.ascontiguousarray(self.coef[:, used].T), used).T
            for part, own in zip(self.parts, linear, strict=True):
                part.predictor.linear = np.array(own)
        self.value, gradient, p = self.slopes()
        free = np.flatnonzero((alpha * self.penalty.factor == 0) & (design.sq_norms > 0))
        sets = [free] * self.K
        if not few(sets, design.n) and not fresh:
            sets = [free[:0]] * self.K  # too dear on the way; until then the loss itself is the bound
        elif self.penalty.bounded and len(free):
            sets = [part.loose(free, -g) for part, g in zip(self.parts, gradient, strict=True)]
        self.u = dual_point(design, self.y, p, sets)
        V = design.storage.dots(self.u, design.mean) * design.mult
        V[:, design.sq_norms == 0] = 0
        for part, v in zip(self.parts, V, strict=True):
            part.v, part.exact_v = v, False

    def rounding(self, theta, alpha):
        """What may be left of correlations (p,) with a dual point, theta (n, K) over the weights of rows."""
        size = np.sqrt(self.design.sq_norms * float(np.einsum("ik,ik,i->", theta, theta, self.s[self.s > 0])))
        return size * np.where(alpha * self.penalty.l1_ratio * self.penalty.factor > 0, 1e-15, 1e-9)

    def gap(self, alpha):
        """(gap, primal)."""
        penalty = self.penalty
        primal = self.value + sum(penalty.value(part.coef, alpha) for part in self.parts)
        some = self.s > 0
        theta = (self.u[:, some] / self.s[some]).T
        rounding = self.rounding(theta, alpha)
        scale = min(dual_charge(part.v, part.coef, penalty, alpha, rounding)[0] for part in self.parts)
        charges = [dual_charge(scale * part.v, part.coef, penalty, alpha, rounding) for part in self.parts]
        dual = self.dual(theta, scale, sum(c[1] for c in charges))
        return max(primal - dual, 0.0) + sum(c[2] for c in charges), primal

    def dual(self, theta, scale, charge):
        """The dual objective at ``scale * u``, theta as for `rounding`, of which the penalty takes off a charge."""
        if self.design.fit_intercept and (np.abs(self.u.sum(axis=1)) > 1e-9 * np.abs(self.u).sum(axis=1)).any():
            return 0.0  # rows too certain to correct it: not feasible, 0 is
        some = self.s > 0
        value = -dot(self.s[some], self.loss.conjugate(-scale * theta, self.y[some])) - charge
        value -= scale * float((self.u * self.offset).sum())
        return value if value > 0 else 0.0  # nothing is below 0

    def fits(self):
        """Whether all classes' sets of columns are few enough to move at once."""
        return few([part.block.cols for part in self.parts], self.design.n)

    def minimum(self, joined, G, c, old, slack, alpha, goal):
        """What a step on all classes leads to: see multinomial_newton.py."""
        return minimum(self.penalty, joined, G, c, old, slack, alpha, goal)

    def together(self):
        """Columns of a step feature by feature: those of any class."""
        return np.unique(np.concatenate([part.block.cols for part in self.parts]))

    def charged(self, cols):
        """The penalty of some columns, and that of all classes' coefficients there with free intercepts."""
        some, rest = self.penalty.take(cols), np.zeros(self.K)
        some.bounded = self.penalty.bounded
        ends = (some.factor, rest), (some.lower, rest - np.inf), (some.upper, rest + np.inf)
        each = [np.concatenate([np.tile(part, self.K), end]) for part, end in ends]
        return some, FeatureL1L2(len(rest) + self.K * len(cols), some.l1_ratio, *each)

    def by_rows(self, l1):
        """Whether steps are made feature by feature: where classes share many of too many columns."""
        if l1 == 0 or self.fits():
            return False
        return sum(len(part.block.cols) for part in self.parts) >= SHARED * self.K * len(self.together())

    def round(self, alpha, goal, far, near):
        """A step of every class, then the shift; the decrease that the steps promised."""
        raw = self.raw()
        top = raw.max(axis=0)
        E = np.exp(raw - top)
        total, promise = E.sum(axis=0), 0.0
        for k, part in enumerate(self.parts):
            state = part.predictor
            others = np.maximum(total - E[k], 1e-17 * total)
            state.offset = self.offset[k] - (np.log(others) + top)
            state.evaluate()
            part.exact_v = False
            promise += part._step(alpha, goal / self.K, far, near)
            E[k] = np.exp(np.minimum(state.linear + state.b + self.offset[k] - top, 600.0))
            total = others + E[k]
        self._shift(alpha)
        return promise

    def _shift(self, alpha):
        """Move all classes' coefficients of a feature alike, to where they are charged least."""
        if self.design.fit_intercept:
            mean = self.intercept.mean()
            for part in self.parts:
                part.predictor.b -= mean
        penalty, K = self.penalty, self.K
        coef = self.coef
        some = np.flatnonzero(coef.any(axis=0) & np.isinf(penalty.lower) & np.isinf(penalty.upper))
        W = coef[:, some]
        if alpha == 0 or penalty.l1_ratio == 0:
            c = W.mean(axis=0)
        elif penalty.l1_ratio == 1:
            c = np.median(W if K % 2 else np.vstack([W, np.zeros(len(some))]), axis=0)
        else:
            ratio = penalty.l1_ratio / (1 - penalty.l1_ratio)
            between = (W.sum(axis=0) - ratio * (2 * np.arange(K + 1) - K)[:, None]) / K
            c = np.median(np.vstack([W, between]), axis=0)
        moved = np.flatnonzero(c)
        if not len(moved):
            return
        linear = self.design.xw(c[moved], some[moved])
        for part in self.parts:
            part.coef[some[moved]] -= c[moved]
            part._join(some[moved])
            part.predictor.linear = part.predictor.linear - linear

    def fit(self, alpha, tol, max_iter):
        """Solve at one alpha to a relative gap; returns (gap, primal, rounds)."""
        penalty, design = self.penalty, self.design
        target = max(tol * self.null, self.least)
        asked, alpha = alpha, min(part.felt(alpha, target) for part in self.parts)
        l1 = alpha * penalty.l1_ratio
        rounds = idle = 0
        if takes(penalty, alpha):
            self.ridge = self.ridge or RidgeSteps(self)
            rounds = self.ridge.descend(alpha, 0.5 * target, max_iter)
            self.refresh(alpha, True)
            gap, primal = self.gap(alpha)
            if gap <= target or rounds >= max_iter:
                self.last = alpha
                return gap, primal, max(1, rounds)
        last = self.last
        if l1 > 0 and last is None:
            last = self._alpha_max()
        wide = design.n < TALL * design.p
        step = self.parts[0].block.step
        while l1 > 0 and wide and last * step > alpha:
            last *= step
            for part in self.parts:
                part._prune(last * penalty.l1_ratio, 0)
                part._admit(SURE * last * penalty.l1_ratio)
            self.round(last, 1e-3 * self.null, True, NEAR)
            self.refresh(last)
            rounds += 1
        for part in self.parts:
            if l1 > 0:
                part._prune(l1, 0)
                part._admit(max(2 * l1 - last * penalty.l1_ratio, l1 if last < SURE * alpha else SURE * l1))
            else:
                part._join(np.flatnonzero(design.sq_norms > 0))
        if l1 == 0:  # free columns ask for another dual point
            self.refresh(alpha)
        gap, primal = self.gap(alpha)
        fresh, promise = False, np.inf
        free = ((alpha * penalty.factor == 0) & (design.sq_norms > 0)).any()
        while (gap > target or not fresh) and rounds < max_iter and idle < 5:
            joined = 0
            if gap > target:
                # where columns are free the gap may say nothing of the distance, but steps do; and turns may have ended
                near = min(gap, promise) if free or promise < SPENT * self.null else gap
                goal = max(0.1 * near, 0.3 * target)
                far = near > FAR * self.null
                if self.by_rows(l1):
                    promise, _ = rows_step(self, alpha, goal)
                    self._shift(alpha)
                    rounds += 1
                elif (far and l1 > 0) or not self.fits():  # ridge: no columns are to be found
                    promise = self.round(alpha, 0.1 * goal, far, NEAR)
                    rounds += 1
                else:
                    for _ in range(max_iter - rounds):
                        promise = joint_step(self, alpha, 0.1 * goal)
                        self._shift(alpha)
                        rounds += 1
                        if promise <= goal:
                            break
            else:
                promise = 0.0
            fresh = gap <= target or promise <= target
            self.refresh(alpha, fresh)
            before = gap
            gap, primal = self.gap(alpha)
            if l1 > 0 and gap > target:
                for part in self.parts:
                    part._prune(l1, 0)
                    joined += part._admit(l1 * (1 + 1e-12))
            idle = 0 if gap < 0.99 * before or joined or promise > 1e-12 * self.null else idle + 1
        self.last = alpha
        lost = sum(penalty.value(part.coef, asked) for part in self.parts) if alpha == 0 < asked else 0.0
        return gap + lost, primal + lost, max(1, rounds)
