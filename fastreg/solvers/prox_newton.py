"""Working-set prox-Newton: any smooth loss of a linear predictor, with L1, L2, factors and bounds.

The objective is ``sum_i s_i l(eta_i, y_i) + penalty(w)`` with ``eta = X̃w + b + offset``. A step minimises the loss's
quadratic model (newton_model.py) on a set of columns; a line search on the cached ``X̃δ`` makes it a descent method
(Lee, Sun, Saunders, 2014). Which columns are in the set, and how they come and go, is columns.py's, which are
looked at in between shortlist.py's.

The certificate is the duality gap at ``u = -g``, made feasible: a Newton correction ``u - h∘(X̃_F c + c_0)`` gives it
sum 0 and no correlation with the columns that nothing is charged on, without leaving the conjugate's domain; a scale
does the rest. Where these columns are too many for a Gram matrix that is made near the end only, by conjugate
gradients. Losses without a conjugate get the decrease that steps on single coordinates could still make.
"""

from functools import partial

import numpy as np

from fastreg._simd.dispatch import dot

from ..penalties.features import felt
from .columns import SURE, TALL
from .line_search import line_search
from .newton_model import NewtonBlock, Predictor, SparseNewtonBlock
from .ridge_model import ridge_block
from .semidefinite import conjugate_gradients
from .shortlist import Shortlisting
from .small_newton import SmallNewton

NEAR = 0.01  # change of curvature, as a share of all, up to which a model is always good for a step
FAR = 0.02  # relative gap down to which models may be made of a sample of the rows
WIDE = 1500  # columns that nothing is charged on, from which the dual point is made by conjugate gradients
SMALL = 64  # columns that are all worked on from the start
ELEMENTS = 1 << 18  # of X, up to which they are copied for steps in one compiled loop
GOAL = 0.3  # of the gap asked for, that the last step on a set may promise
CLOSE, STEPS = 1e-13, 500  # of conjugate gradients: share of the correlations where they end, and how many at most


def is_small(design):
    """Whether steps are made in one compiled loop, where the penalty lets them."""
    return design.p <= SMALL and design.n * design.p <= ELEMENTS


def _least(G, b):
    return np.linalg.lstsq(G, b, rcond=1e-12)[0]


class ProxNewton(Shortlisting):
    """One target's path; coefficients are those of X̃.

    Parameters
    ----------
    design : Design
    loss : Loss
    y : ndarray of shape (n,)
    penalty : L1L2 in the units of X̃
    offset : ndarray of shape (n,), optional
    coef : ndarray of shape (p,), optional
        Where to start.
    """

    compiled = True  # whether small_newton.pyx knows the penalty

    def __init__(self, design, loss, y, penalty, offset=None, coef=None):
        self.design, self.loss, self.y, self.penalty = design, loss, y, penalty
        self.predictor = Predictor(design, loss, y, offset)
        self.null, self.least = self.predictor.value, self.predictor.least  # what tolerances refer to
        # whether there is a dual problem to bound the error with
        self.dual = loss.convex and penalty.has_dual and loss.conjugate(np.zeros(1), np.ones(1)) is not None
        self.block = self._block(design, penalty)
        self.small = None
        self.inside = np.zeros(design.p, dtype=bool)
        self.coef = np.zeros(design.p)
        self.v = None
        self.last = None
        self.steps = 0
        self.fresh, self.exact_v, self.placed = True, False, False
        free = np.flatnonzero(penalty.factor == 0)
        start = np.flatnonzero(coef) if coef is not None else free[:0]
        if len(free) or len(start):  # else the column statistics can wait for the first pass
            self._join(np.union1d(free, start))
        if len(start):
            self.coef[start] = coef[start]
            self.fresh = False
            self._refresh(1.0, fresh=True)
        self.warm = len(start) > 0

    def exchange(self, loss, null):
        """Go on under another loss, from where the last fit ended; ``null`` is what its tolerances refer to."""
        self.loss = self.predictor.loss = loss
        self.predictor.evaluate()
        self.null = self.predictor.constant = null
        self.v, self.warm, self.exact_v = None, True, False
        if self.small:
            self.small.exchange(loss)

    def _block(self, design, penalty):
        any_kind = SparseNewtonBlock if design.storage.is_sparse else NewtonBlock
        return (ridge_block(design, penalty) or any_kind)(design, penalty)

    def alpha_max(self):
        """Smallest alpha at which all penalised coefficients are 0."""
        if len(self.block.cols):
            self._newton(1e300, 1e-9 * self.null, 100)
        self._refresh(1e300)
        return self.penalty.alpha_max(self.v)

    @property
    def intercept(self):
        """Of X̃, about its means."""
        return self.predictor.b

    def raw(self):
        """Raw predictions (n,), offset included."""
        return self.predictor.linear + self.predictor.b + self.predictor.offset

    def _refresh(self, alpha, fresh=False, cols=None):
        """The exact intercept, and the correlations of a dual point: one pass over X. fresh: predictions anew.

        ``cols``: look at these columns only, as if there were no others.
        """
        state, design = self.predictor, self.design
        if fresh and not self.fresh:
            used = np.flatnonzero(self.coef)
            state.linear = design.xw(self.coef[used], used)
            state.evaluate()
            self.fresh = True
        self.dual_point(alpha)
        self.partial = cols is not None
        if self.partial:
            self.v = np.zeros(design.p)
            self.v[cols] = design.xt(self.u, cols)
        else:
            self.v = design.xt(self.u) if self.v is not None or "mean" in design.__dict__ else design.first_xt(self.u)

    def dual_point(self, alpha):
        """The exact intercept and a dual point there."""
        state, design = self.predictor, self.design
        if design.fit_intercept:
            state.center()
        u = -state.g
        h = self.penalty.factor * alpha
        free = np.flatnonzero((h == 0) & self.inside)
        if self.penalty.bounded and len(free):
            free = self.loose(free, u)
        self.feasible = self.dual and (len(free) <= WIDE or self.fresh)
        if not self.feasible:
            free = free[:0]
        if len(free) or design.fit_intercept:
            curved = np.where(state.h > 0, state.h, 0.0)
            H = curved.sum()
            if H > 0:
                if len(free):
                    u = self._uncorrelated(u, curved, free)
                elif abs(u.sum()) > 1e-14 * np.abs(u).sum():  # rounding would lead saturated rows out of the domain
                    u = u - curved * (u.sum() / H)
        # the correction is rounding, unless the intercept is still on its way
        centred = not design.fit_intercept or not abs(state.g.sum()) > 1e-10 * np.abs(state.g).sum()
        self.exact_v = centred and not len(free)
        self.u = u

    def _correlations(self, threshold):
        return self.v

    def loose(self, cols, u):
        """Those of the columns that no bound holds: the others may stay correlated, pulled against theirs."""
        w, low, high = self.coef[cols], self.penalty.lower[cols], self.penalty.upper[cols]
        v = self.design.xt(u, cols)
        held = ((w == low) & ((v <= 0) | (high < np.inf))) | ((w == high) & ((v >= 0) | (low > -np.inf)))
        return cols[~held]

    def _uncorrelated(self, u, h, free):
        """u less h∘(X̃_F c + c_0): no sum, no correlation with the columns."""
        design, H = self.design, float(h.sum())
        centred = design.fit_intercept
        if len(free) <= WIDE:
            G, mean = design.reweighted(h / H, free)
            G = G - np.outer(mean, mean) if centred else G
            solve = partial(_least, G)
        else:
            mean = design.xt(h - H * design.weights, free) / H if centred else np.zeros(len(free))
            solve = partial(self._iterative, h / H, mean, free)
        first, total = u, 0.0
        for _ in range(2):  # the second for rounding
            U = float(u.sum()) / H if centred else 0.0
            c = solve(design.xt(u, free) / H - mean * U)
            total = total + design.xw(c, free)
            if centred:
                total += U - dot(mean, c)
            # up to 1 no loss leaves its conjugate's domain: rows that these columns alone predict come to be at its end
            size = np.abs(total)
            total = np.where((size > 1) & (size < 1 + 1e-9), np.sign(total), total)
            u = first - h * total
        return u

    def _iterative(self, h, mean, free, b):
        """c of the same system by products with X̃; h sums to 1."""
        design = self.design

        def product(d):
            return design.xt(h * (design.xw(d, free) - dot(mean, d)), free)

        norms = design.sq_norms[free]
        least = CLOSE**2 * float((b * b / norms).sum())
        return conjugate_gradients(product, b, norms, least, STEPS)[0]

    def gap(self, alpha):
        """(gap, primal); without a conjugate the gap is an estimate."""
        state, penalty = self.predictor, self.penalty
        primal = state.value + penalty.value(self.coef, alpha)
        if self.feasible and self.exact_v and penalty.l1_ratio == 0 and not penalty.bounded:
            ridge = alpha * penalty.factor
            if ridge.min(initial=np.inf) > 0:  # rows meet Fenchel's inequality as an equation: what is left is columns'
                return min(float(((self.v - ridge * self.coef) ** 2 / (2 * ridge)).sum()), max(primal, 0.0)), primal
        if not self.feasible:
            size = float(state.h.sum()) * self.design.sq_norms + alpha * (1 - penalty.l1_ratio) * penalty.factor
            wrong = penalty.violation(self.v, self.coef, alpha)
            with np.errstate(divide="ignore", invalid="ignore"):
                return float(np.where(wrong > 0, wrong**2 / (2 * size), 0).sum()), primal
        some = slice(None) if state.s.all() else state.s > 0  # picking rows costs as much as the rest
        s, y, u = state.s[some], state.y[some], self.u[some]
        theta = u / s
        norm = np.sqrt(self.design.sq_norms * dot(theta, u))
        charged = np.where(alpha * penalty.l1_ratio * penalty.factor > 0, 1e-15, 1e-9) * norm
        # the residual as it is, and, where l2 is small, at the scale that is feasible for the problem augmented by l2
        trials = [penalty.dual_charge(self.v, self.coef, alpha, charged)]
        if 0 < penalty.l1_ratio < 1:
            scale = self._augmented(alpha)
            factor, charge, extra = penalty.dual_charge(scale * self.v, self.coef, alpha, charged)
            trials += [(scale, charge, extra)] if factor == 1 else []
        best = max(primal, 0.0)  # nothing is below 0
        across = dot(self.u, state.offset)
        for scale, charge, extra in trials:
            dual = -dot(s, self.loss.conjugate(-scale * theta, y)) - charge - scale * across
            if dual > -np.inf:  # the correction may have left the conjugate's domain
                best = min(best, max(primal - dual, 0.0) + extra)
        return best, primal

    def _augmented(self, alpha):
        """Scale at which the residual is feasible where l2 counts as rows of X, in [0, 1]."""
        penalty = self.penalty
        l1, l2 = alpha * penalty.l1_ratio * penalty.factor, alpha * (1 - penalty.l1_ratio) * penalty.factor
        rest = np.abs(self.v - l2 * self.coef)
        over = (rest > l1) & (l2 > 0)
        return float((l1[over] / rest[over]).min(initial=1.0))

    def _step(self, alpha, goal, far=False, near=0.0):
        """One prox-Newton step on the set; returns the decrease that the model predicted."""
        state, penalty, cols = self.predictor, self.block.sub, self.block.cols
        h, u = state.model()
        self.steps += 1
        old = self.coef[cols]
        if len(cols):
            if self.exact_v:
                u, c = self.u, self.v[cols]
            else:
                c = self.design.xt(u, cols)
            new, shift = self.block.minimum(h, u, old, c, alpha, goal, far, near)
            moved = np.flatnonzero(new - old)
            linear = self.design.xw((new - old)[moved], cols[moved])
        else:
            new, linear = old, np.zeros(len(u))
            shift = float(u.sum()) / float(h.sum()) if self.design.fit_intercept else 0.0
        t, promise = self.advance(alpha, cols, penalty, new, linear, shift)
        return promise if t > 0 else 0.0

    def advance(self, alpha, cols, penalty, new, linear, shift):
        """Go to ``new`` on some columns, or as far along the way as the objective falls by its share.

        ``penalty`` is that of the columns, ``linear`` and ``shift`` what becomes of X̃w and the intercept. Returns the
        share of the way, 0 for none, and the decrease that the model promised.
        """
        state, old = self.predictor, self.coef[cols]
        move = new - old

        def charge(w):
            return penalty.value(w, alpha) if len(cols) else 0.0

        def trial(t):
            found = state.at(state.linear + t * linear + (state.b + t * shift) + state.offset)
            return found[0] + charge(old + t * move), found

        before = charge(old)
        slope = charge(new) - before + dot(state.g, linear) + shift * float(state.g.sum())
        t, found = line_search(trial, state.value, before, slope)
        if t == 0:
            return 0.0, 0.0
        state.linear = state.linear + t * linear
        state.b += t * shift
        state.value, state.g, state.h = found
        self.coef[cols] = old + t * move if t < 1 else new
        self.exact_v = self.fresh = False
        return t, max(-slope, 0.0)

    def _newton(self, alpha, goal, limit, far=False, near=0.0):
        """Steps on the set until one promises less than ``goal``; the last promise."""
        if self.small:
            decrease, steps = self.small.newton(self.predictor, self.coef, alpha, goal, limit)
            self.steps += steps
            self.exact_v = self.fresh = False
            return decrease
        last = np.inf
        for _ in range(limit):
            decrease = self._step(alpha, 0.1 * goal, far, near)
            if decrease <= goal:
                break
            if decrease > 0.1 * last:  # the model is to blame: where few rows matter, a share of all says nothing
                near = 0.0
            last = decrease
        return decrease

    def felt(self, alpha, target):
        """Alpha, or 0 where it is lost in rounding."""
        penalty, state = self.penalty, self.predictor
        if not penalty.has_dual:
            return alpha
        some = state.s > 0
        size = np.sqrt(dot(state.g[some] / state.s[some], state.g[some]))
        return felt(penalty, alpha, self.design.sq_norms, size, max(target, 1e-14 * self.null))

    def aim(self, tol, primal):
        """The gap to reach: a share of the objective of the best constant, or of what is now reached if that is more.

        Without an intercept the start may be far from any constant, and its objective a number without meaning.
        """
        self.null = min(self.null, max(self.predictor.constant, primal))
        return max(tol * self.null, self.least)

    def _look(self, alpha, target, max_iter):
        """The first pass over X."""
        if not self.warm and len(self.block.cols) and alpha * self.penalty.l1_ratio > 0:
            self._newton(1e300, target, max_iter)
        self._refresh(alpha)

    def _begin(self, alpha, whole):
        """The first set of columns at alpha, from the last alpha's; (gap, primal) there."""
        penalty, design = self.penalty, self.design
        l1 = alpha * penalty.l1_ratio
        if self.last is None:
            self.last = alpha if self.warm else penalty.alpha_max(self.v)
        last = self.last
        if whole:
            self._join(np.flatnonzero(design.sq_norms > 0))
        elif design.n < TALL * design.p and last * self.block.step > alpha:
            self._choose(last)
        step = 0.0 if whole or design.n >= TALL * design.p else self._pace()
        while last * step > alpha:
            last *= step
            self._prune(last * penalty.l1_ratio, 0)
            self._admit(SURE * last * penalty.l1_ratio)
            self._step(last, 1e-3 * self.null, True)
            self._glance(last)
        if not whole:
            self._prune(l1, 0)
            self._admit(max(2 * l1 - last * penalty.l1_ratio, l1 if last < SURE * alpha else SURE * l1))
        gap, primal = self.gap(alpha)
        self.whole_gap = np.inf if self.partial else gap
        return gap, primal

    def place(self, coef, linear, intercept):
        """Go to where somebody has found the next fit to end; ``linear`` is X̃ coef."""
        self.coef[:] = coef
        self.predictor.linear, self.predictor.b = linear, float(intercept)
        self.predictor.evaluate()
        self.placed = self.fresh = True

    def prepare(self, target, max_iter):
        """All columns, copied for steps in one compiled loop; whether the free ones have been fitted by them."""
        if self.small:
            return False
        design = self.design
        free = len(self.block.cols) and not self.warm and self.penalty.l1_ratio > 0
        self._join(np.flatnonzero(design.sq_norms > 0))
        self.small = SmallNewton(
            design.take().T, self.loss, self.y, design.weights, self.predictor.offset, self.penalty,
            design.fit_intercept,
        )  # fmt: skip
        if free:  # without them all else may stay 0
            self._newton(1e300, target, max_iter)
        return free

    def _begin_small(self, alpha, target, max_iter):
        """(gap, primal), where there is a fit to look at before the steps."""
        if self.prepare(target, max_iter) or self.placed:
            self.placed = False
            self._refresh(alpha)
            return self.gap(alpha)
        return np.inf, np.inf

    def fit(self, alpha, tol, max_iter, polish=0.0):
        """Solve at one alpha to a relative gap; returns (gap, primal, n_iter)."""
        penalty, design = self.penalty, self.design
        self.steps = 0
        target = self.aim(tol, np.inf)
        small = self.compiled and is_small(design)
        if self.v is None and not small:
            self._look(alpha, target, max_iter)
        asked, alpha = alpha, self.felt(alpha, target)
        l1 = alpha * penalty.l1_ratio
        # no column is to be found: steps need no look at the others in between
        whole = l1 == 0 or design.p <= SMALL
        gap, primal = self._begin_small(alpha, target, max_iter) if small else self._begin(alpha, whole)
        target = self.aim(tol, primal)
        idle = 0  # rounds that bring nothing: rounding has the last word
        near, promise = NEAR, np.inf
        while (gap > target or not self.fresh) and self.steps < max_iter and idle < 3:
            last, promise, joined = promise, 0.0, 0
            if gap > target:
                # where next to nothing is charged gaps are large all but at the end
                distant = min(gap, last) > FAR * self.null and not small
                far = distant and self.block.samples()
                goal = GOAL * target if whole else max(0.1 * gap, GOAL * target)
                goal *= 0.01**idle  # the gap may fall long after the objective has
                limit = (2 if far else max_iter - self.steps) if whole else (1 if distant else 3)
                promise = self._newton(alpha, goal, limit, far, near and max(0.5 * target / gap, near))
                alpha = self.felt(asked, target)
                l1 = alpha * penalty.l1_ratio
            before = gap
            gap, primal = self._survey(alpha, target, gap <= target or promise <= min(goal, target))
            target = self.aim(tol, primal)
            if not whole and gap > target:
                self._prune(l1, 0)
                joined = self._admit(l1 * (1 + 1e-12))
            near = NEAR if joined or gap < 0.5 * before else 0.0
            idle = 0 if gap < 0.5 * before or joined or promise > 1e-12 * self.null else idle + 1
            self.block.slow |= idle > 0
        if self.partial:
            self._refresh(alpha, True)
            gap, primal = self.gap(alpha)
        self.last = alpha
        lost = penalty.value(self.coef, asked) if alpha == 0 < asked else 0.0
        return gap + lost, primal + lost, max(1, self.steps)
