"""Working-set prox-Newton: any smooth loss of a linear predictor, with L1, L2, factors and bounds.

The objective is ``sum_i s_i l(eta_i, y_i) + penalty(w)`` with ``eta = X̃w + b + offset``. A step replaces the loss by its
quadratic model, ``h_i/2 (eta_i - z_i)^2`` with ``z = eta - g/h``: a weighted lasso, whose free intercept drops out by
centring on the h-weighted mean (Friedman, Hastie, Tibshirani, 2010). It is solved on the set's weighted Gram matrix, or by
coordinate descent on the residual for sparse columns; a line search on the cached ``X̃δ`` makes it a descent method
(Lee, Sun, Saunders, 2014). Which columns are in the set, and how they come and go, is working_set.py's.

The certificate is the duality gap at ``u = -g``, made feasible: a Newton correction ``u - h∘(X̃_F c + c_0)`` gives it sum 0
and no correlation with the columns that nothing is charged on, without leaving the conjugate's domain; a scale does the
rest. Losses whose conjugate is not known get the decrease that coordinate steps could still make.
"""

import numpy as np

from ..penalties import dual_charge
from .coordinate import column_sums, residual_descent
from .gram import GramProblem, run_paths
from .working_set import FIRST, GRAM_COLUMNS, SHORT, STEP, SURE, TALL, Block, WorkingSet

NEAR = 0.01  # change of curvature, as a share of all, up to which a model is always good for a step
SAMPLE = 30  # rows a column of the sample that first models are made of
TRACE = False
FAR = 0.02  # relative gap from which on models are made of all rows
FLAT = 1e-4  # curvature of a row, in units of its slope, that is the least: rows far off tell nothing of what is near
ARMIJO = 1e-2  # share of the predicted decrease that a step must make


def dot(a, b):
    """Product of two vectors, without BLAS: its threads would go on spinning beside ours."""
    return float(np.einsum("i,i->", a, b))


class Predictor:
    """Predictions, and the loss there: what a step on any set of columns moves."""

    def __init__(self, design, loss, y, offset):
        self.design, self.loss, self.y, self.s = design, loss, y, design.weights
        self.offset = np.zeros(design.n) if offset is None else np.asarray(offset, dtype=np.float64)
        self.curved = loss.convex
        self.set_intercept()

    def set_intercept(self):
        """The best constant, where there is an intercept."""
        self.b = 0.0
        self.linear = np.zeros(self.design.n)  # X̃w
        if self.design.fit_intercept:
            start = self.loss.null_raw(self.y, self.s)
            self.b = float(np.clip(start, -30, 30) if not np.isfinite(start) else start) - dot(self.s, self.offset)
        self.evaluate()
        if self.design.fit_intercept and self.offset.any():
            self.center(100)

    def at(self, eta):
        """(loss, gradient, curvature) of predictions, weighted."""
        return self.loss(eta, self.y, self.s)

    def evaluate(self):
        self.value, self.g, self.h = self.at(self.linear + self.b + self.offset)

    def center(self, steps=3):
        """The exact intercept of these coefficients, by Newton steps inside a bracket."""
        low, high, reach = -np.inf, np.inf, 4.0
        for _ in range(steps):
            slope, size = float(self.g.sum()), float(np.abs(self.g).sum())
            if abs(slope) <= 1e-13 * size or not np.isfinite(slope):
                break
            low, high = (self.b, high) if slope < 0 else (low, self.b)
            total = float(self.h.sum())
            step = -slope / total if total > 0 else -np.copysign(np.inf, slope)
            b = self.b + min(max(step, -reach), reach)
            reach *= 2
            if not low < b < high:
                b = 0.5 * (low + high)
                if not low < b < high:
                    break
            self.b = b
            self.evaluate()

    def model(self):
        """(h, u) of the quadratic model, each with the sum it has: curvatures that no division suffers from."""
        h = np.maximum(self.h, FLAT * np.abs(self.g))
        positive = h > 0
        if not positive.all():  # rows of weight 0, or beyond the reach of floating point
            h[~positive] = 1e-8 * h.sum() / len(h) if positive.any() else 1.0
        return h, -self.g


class NewtonBlock(Block):
    """A set of columns, the loss's quadratic model on them, and its minimum.

    The model's curvatures are those of some predictions before while they are near (or of a sample of the rows, while
    the fit is far): only their Gram matrix is dear, the gradient is always exact.
    """

    def __init__(self, design, penalty):
        super().__init__(design, None, 0.0, penalty)
        self.h = self.rows = None
        self.mean = np.zeros(0)

    def adopt(self, h, far, near):
        """Curvatures for the model, where those it has are too far off."""
        H = float(h.sum())
        h = h / H
        m, n = len(self.cols), self.design.n
        # A step leaves about this share of the error, the gap that of the gap.
        drift = np.inf if self.h is None else float(np.abs(h - self.h).sum())
        if drift <= near and self.rows is None:
            return
        self.h, self.H, self.filled, self.problem, self.rows = h, H, 0, None, None
        stride = n // max(SAMPLE * m, 1000)
        if far and stride > 1 and not self.design.storage.is_sparse:
            self.rows = np.arange(np.random.default_rng(0).integers(stride), n, stride)
            self.h = h / h[self.rows].sum()
        self.mean = np.zeros(0)

    def keep(self, mask):
        self.mean = self.mean[mask[: self.filled]]
        super().keep(mask)

    def _fill(self):
        m, old, design = len(self.cols), self.filled, self.design
        if old and m > old and design.storage.is_sparse:
            old, self.problem, self.mean = 0, None, np.zeros(0)
        if m > len(self.buffer):
            size = max(2 * len(self.buffer), m + FIRST)
            grown = np.empty((size, size))
            grown[:old, :old] = self.buffer[:old, :old]
            self.buffer, self.problem = grown, None
        if m > old:
            new = self.cols[old:]
            G, mean = design.reweighted(self.h, new, rows=self.rows)
            if design.fit_intercept:
                G = G - np.outer(mean, mean)
            if old:
                cross = design.reweighted(self.h, self.cols[:old], new, self.rows)
                if design.fit_intercept:
                    cross -= np.outer(self.mean, mean)
                self.buffer[:old, old:m], self.buffer[old:m, :old] = cross, cross.T
            self.buffer[old:m, old:m] = G
            self.mean = np.concatenate([self.mean, mean])
            self.filled = m
        return self.buffer[:m, :m]

    def minimum(self, h, u, coef, c, alpha, goal, far, near):
        """Coefficients that minimise the model to within ``goal``, and the shift of the intercept; c is X̃'u."""
        self.adopt(h, far, near)
        G, H = self._fill(), self.H
        U = float(u.sum()) / H if self.design.fit_intercept else 0.0
        mean = self.mean
        g = c / H - mean * U if self.design.fit_intercept else c / H
        product = np.einsum("ij,j->i", G, coef)
        q = product + g
        # the square of the model's y: tolerances are relative to it
        yy = dot(coef, product) + 2 * dot(coef, g) + max(dot(u, u / h) / H - U * U, 0.0)
        if self.problem is None:
            self.problem = GramProblem(len(self.buffer))
        self.problem.bind(G, q, max(yy, 1e-300), self.sub, coef)
        tol = max(2 * goal / (H * max(yy, 1e-300)), 1e-15)
        new = run_paths([self.problem], [np.array([alpha / H])], tol, 1000)[0][0][0]
        return new, U - dot(mean, new - coef) if self.design.fit_intercept else 0.0


class SparseNewtonBlock(NewtonBlock):
    """The same for sparse columns: on the residual where that costs less."""

    growth = 4.0

    def minimum(self, h, u, coef, c, alpha, goal, far, near):
        design, m = self.design, len(self.cols)
        H = float(h.sum())
        root = np.sqrt(h / H)
        data, indices, indptr = design.storage.take(self.cols, design.mult, root)
        if m <= GRAM_COLUMNS and len(data) > SHORT * m * m:
            return super().minimum(h, u, coef, c, alpha, goal, far, near)
        self.h = None
        mult = design.mult[self.cols]
        means, squares = column_sums(data, indices, indptr, root)
        if not design.fit_intercept:
            means = np.zeros(m)
        fit = design.storage.combine(self.cols, (coef * mult)[None, :], np.zeros(m))[0]
        z, U = fit + u / h, 0.0
        if design.fit_intercept:
            z -= dot(h, z) / H
            U = float(u.sum()) / H
        y, w = root * z, np.array(coef)
        r = y - root * fit
        total = dot(root, r) if design.fit_intercept else 0.0
        residual_descent(data, indices, indptr, means, squares - means**2, y, r, w, self.sub, alpha / H, total,
                         goal / H, 1000, np.inf)  # fmt: skip
        shift = U - dot(means - design.mean[self.cols] * mult, w - coef) if design.fit_intercept else 0.0
        return w, shift


class ProxNewton(WorkingSet):
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

    def __init__(self, design, loss, y, penalty, offset=None, coef=None):
        self.design, self.loss, self.y, self.penalty = design, loss, y, penalty
        self.predictor = Predictor(design, loss, y, offset)
        self.null = self.predictor.value
        self.block = (SparseNewtonBlock if design.storage.is_sparse else NewtonBlock)(design, penalty)
        self.inside = np.zeros(design.p, dtype=bool)
        self.coef = np.zeros(design.p)
        self.v = None
        self.last = None
        self.steps = 0
        self.fresh, self.exact_v = True, False
        free = np.flatnonzero((penalty.factor == 0) & (design.sq_norms > 0))
        start = np.flatnonzero(coef) if coef is not None else free[:0]
        self._join(np.union1d(free, start))
        if len(start):
            self.coef[start] = coef[start]
            self.fresh = False
            self._refresh(0.0, fresh=True)
        self.warm = len(start) > 0

    @property
    def intercept(self):
        """Of X̃, about its means."""
        return self.predictor.b

    def _refresh(self, alpha, fresh=False):
        """The exact intercept, and the correlations of a dual point: one pass over X; fresh: predictions from scratch."""
        state, design = self.predictor, self.design
        if fresh and not self.fresh:
            used = np.flatnonzero(self.coef)
            state.linear = design.xw(self.coef[used], used)
            state.evaluate()
            self.fresh = True
        if design.fit_intercept:
            state.center()
        u = -state.g
        h = np.where(self.penalty.factor == 0, 0, 1) if alpha > 0 else np.zeros(design.p)
        free = np.flatnonzero((h == 0) & (design.sq_norms > 0) & self.inside)
        if len(free) or design.fit_intercept:
            curved = np.where(state.h > 0, state.h, 0.0)
            H = curved.sum()
            if H > 0:
                if len(free):
                    u = self._uncorrelated(u, state.model()[0], free)
                elif design.fit_intercept:
                    u = u - curved * (u.sum() / H)
        self.exact_v = not len(free)
        self.u = u
        self.v = design.xt(u) if self.v is not None or "mean" in design.__dict__ else design.first_xt(u)

    def _uncorrelated(self, u, h, free):
        """u less h∘(X̃_F c + c_0): no sum, no correlation with the columns."""
        design, H = self.design, float(h.sum())
        for _ in range(2):  # the second for rounding
            G, mean = design.reweighted(h / H, free)
            U = float(u.sum()) / H if design.fit_intercept else 0.0
            if design.fit_intercept:
                G = G - np.outer(mean, mean)
            c = np.linalg.lstsq(G, design.xt(u, free) / H - mean * U, rcond=1e-12)[0]
            fit = design.xw(c, free)
            if design.fit_intercept:
                fit += U - dot(mean, c)
            u = u - h * fit
        return u

    def _gap(self, alpha):
        """(gap, primal); without a conjugate the gap is an estimate."""
        state, penalty = self.predictor, self.penalty
        primal = state.value + penalty.value(self.coef, alpha)
        some = state.s > 0
        theta = self.u[some] / state.s[some]
        if self.loss.conjugate(-theta[:1], state.y[some][:1]) is None or not self.loss.convex:
            size = float(state.h.sum()) * self.design.sq_norms + alpha * (1 - penalty.l1_ratio) * penalty.factor
            wrong = penalty.violation(self.v, self.coef, alpha)
            with np.errstate(divide="ignore", invalid="ignore"):
                return float(np.where(wrong > 0, wrong**2 / (2 * size), 0).sum()), primal
        norm = np.sqrt(self.design.sq_norms * dot(theta, self.u[some]))
        charged = np.where(alpha * penalty.l1_ratio * penalty.factor > 0, 1e-15, 1e-9) * norm
        scale, charge, extra = dual_charge(self.v, self.coef, penalty, alpha, charged)
        conjugate = dot(state.s[some], self.loss.conjugate(-scale * theta, state.y[some]))
        dual = -conjugate - charge - scale * dot(self.u, state.offset)
        return max(primal - dual, 0.0) + extra, primal

    def _step(self, alpha, goal, far=False, near=0.0):
        """One prox-Newton step on the set; returns the decrease that the model predicted."""
        state, penalty, cols = self.predictor, self.block.sub, self.block.cols
        h, u = state.model()
        self.steps += 1
        old = self.coef[cols]
        before = penalty.value(old, alpha) if len(cols) else 0.0
        if len(cols):
            if self.exact_v:
                u, c = self.u, self.v[cols]
            else:
                c = self.design.xt(u, cols)
            new, shift = self.block.minimum(h, u, old, c, alpha, goal, far, near)
            move = new - old
            moved = np.flatnonzero(move)
            linear = self.design.xw(move[moved], cols[moved])
            after = penalty.value(new, alpha)
        else:
            new = move = old
            linear, after = np.zeros(len(u)), 0.0
            shift = float(u.sum()) / float(h.sum()) if self.design.fit_intercept else 0.0
        slope = after - before - dot(u, linear) - shift * float(u.sum())
        if not slope < 0:
            return 0.0
        start = state.value + before
        t = 1.0
        for _ in range(60):
            eta = state.linear + t * linear + (state.b + t * shift) + state.offset
            value, g, curvature = state.at(eta)
            after = penalty.value(old + t * move, alpha) if len(cols) else 0.0
            if value + after <= start + ARMIJO * t * slope + 1e-15 * abs(start):
                break
            t *= 0.5 if np.isfinite(value) else 0.1
        else:
            return 0.0
        state.linear = state.linear + t * linear
        state.b += t * shift
        state.value, state.g, state.h = value, g, curvature
        self.coef[cols] = old + t * move if t < 1 else new
        self.exact_v = self.fresh = False
        return -slope

    def _newton(self, alpha, goal, limit, far=False, near=0.0):
        """Steps on the set until one promises less than ``goal``; the last promise."""
        for _ in range(limit):
            decrease = self._step(alpha, 0.1 * goal, far, near)
            if decrease <= goal:
                break
        return decrease

    def _narrow(self, threshold):
        """Only what is not 0 or wants to be: the model's Gram matrix is made anew often."""
        cols = self.block.cols
        mask = (self.coef[cols] != 0) | (self.penalty.score(self.v)[cols] > threshold)
        if not mask.all():
            self.inside[cols[~mask]] = False
            self.block.keep(mask)

    def fit(self, alpha, tol, max_iter, polish=0.0):
        """Solve at one alpha to a relative gap; returns (gap, primal, n_iter)."""
        penalty, design = self.penalty, self.design
        l1 = alpha * penalty.l1_ratio
        self.steps = 0
        target = tol * self.null
        if self.v is None:
            if not self.warm and len(self.block.cols) and l1 > 0:
                self._newton(1e300, target, max_iter)
            self._refresh(alpha)
        if self.last is None:
            self.last = alpha if self.warm else penalty.alpha_max(self.v)
        if l1 == 0:
            self._join(np.flatnonzero(design.sq_norms > 0))
        last = self.last
        wide = design.n < TALL * design.p
        while l1 > 0 and wide and last * STEP > alpha:
            last *= STEP
            self._narrow(last * penalty.l1_ratio)
            self._admit(SURE * last * penalty.l1_ratio)
            self._step(last, 1e-3 * self.null, True)
            self._refresh(alpha)
        if l1 > 0:
            self._narrow(l1)
            self._admit(max(2 * l1 - last * penalty.l1_ratio, l1 if last < SURE * alpha else SURE * l1))
        gap, primal = self._gap(alpha)
        while (gap > target or not self.fresh) and self.steps < max_iter:
            if gap > target:
                far = gap > FAR * self.null
                goal = max(0.1 * gap, 0.3 * target)
                promise = self._newton(alpha, goal, 1 if far else 3, far, max(0.5 * target / gap, NEAR))
            self._refresh(alpha, promise <= goal and promise <= target or gap <= target)
            gap, primal = self._gap(alpha)
            if TRACE: print(self.steps, len(self.block.cols), np.count_nonzero(self.coef), gap/self.null, self.block.rows is not None)
            if l1 > 0 and gap > target:
                self._narrow(l1)
                self._admit(l1 * (1 + 1e-12))
        self.last = alpha
        return gap, primal, max(1, self.steps)
