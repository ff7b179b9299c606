"""The loss at the predictions, and its quadratic model on a set of columns.

A prox-Newton step replaces the loss by ``h_i/2 (eta_i - z_i)^2`` with ``z = eta - g/h``: a weighted lasso, whose free
intercept drops out by centring on the h-weighted mean (Friedman, Hastie, Tibshirani, 2010). It is solved on the set's
weighted Gram matrix, or by coordinate descent on the residual for sparse columns; where a ridge penalty keeps all
columns, see ridge_model.py.
"""

import numpy as np

from fastreg._simd.dispatch import dot

from .columns import Block
from .coordinate import column_sums, residual_descent
from .gram import GramProblem, run_paths
from .working_set import GRAM_COLUMNS, SHORT

SAMPLE = 30  # rows a column of the sample that first models are made of
FLAT = 1e-4  # curvature of a row, in units of its slope, that is the least: rows far off tell nothing of what is near


class Predictor:
    """Predictions, and the loss there: what a step on any set of columns moves."""

    def __init__(self, design, loss, y, offset):
        self.design, self.loss, self.y, self.s = design, loss, y, design.weights
        self.offset = np.zeros(design.n) if offset is None else np.asarray(offset, dtype=np.float64)
        self.curved = loss.convex
        self.set_intercept()

    def set_intercept(self):
        """The best constant, or 0 without an intercept.

        ``constant`` is the loss at the best, ``least`` what rounding leaves of a loss of 0.
        """
        self.linear = np.zeros(self.design.n)  # X̃w
        start, offset = self.loss.null_raw(self.y, self.s), self.offset
        self.least = 1e-15 * self.loss.size(start)
        if not np.isfinite(start):  # nearly there, for every row
            self.b = float(-30 - offset.max() if start < 0 else 30 - offset.min())
        elif offset.any():
            self.b = self.loss.null_beside(offset, self.y, self.s)
        else:
            self.b = start
        self.evaluate()
        if offset.any():
            self.center(100)
        self.constant = self.value
        if not self.design.fit_intercept:
            self.b = 0.0
            self.evaluate()

    def at(self, eta):
        """(loss, gradient, curvature) of predictions, weighted."""
        return self.loss(eta, self.y, self.s)

    def evaluate(self):
        self.value, self.g, self.h = self.at(self.linear + self.b + self.offset)

    def center(self, steps=3):
        """The exact intercept of these coefficients, by Newton steps inside a bracket."""
        low, high, reach = -np.inf, np.inf, 4.0
        for turn in range(100):
            slope, size = float(self.g.sum()), float(np.abs(self.g).sum())
            # a loss without curvature where it is takes more steps than those asked for
            if abs(slope) <= (1e-13 if turn < steps else 1e-6) * size or not np.isfinite(slope):
                break
            low, high = (self.b, high) if slope < 0 else (low, self.b)
            total = float(self.h.sum())
            step = -slope / total if total > 0 else -np.copysign(np.inf, slope)
            reach = max(reach, abs(slope) / self.loss.lipschitz)  # no step that short goes too far
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
        least = FLAT * np.abs(self.g)
        if np.isfinite(self.loss.lipschitz):  # slopes may have the units of y, curvatures do not
            least = np.minimum(least, self.loss.lipschitz * self.s)
        h = np.maximum(self.h, least)
        positive = h > 0
        if not positive.all():  # rows of weight 0, or beyond the reach of floating point
            h[~positive] = 1e-8 * h.sum() / len(h) if positive.any() else 1.0
        return h, -self.g


class NewtonBlock(Block):
    """A set of columns, the loss's quadratic model on them, and its minimum.

    The model's curvatures are those of some predictions before while they are near (or of a sample of the rows, while
    the fit is far): only their Gram matrix is dear, the gradient is always exact.
    """

    growth = 0.25

    def __init__(self, design, penalty):
        super().__init__(design, None, 0.0, penalty)
        self.h = self.rows = None
        self.mean = np.zeros(0)
        self.slow = False

    def adopt(self, h, far, near):
        """Curvatures for the model, where those it has are too far off."""
        H = float(h.sum())
        h = h / H
        m, n = len(self.cols), self.design.n
        # A step leaves about this share of the error, the gap that of the gap.
        drift = np.inf if self.h is None else float(np.abs(h - self.h).sum())
        if drift <= near and self.rows is None:
            self.H = H
            return
        self.h, self.H, self.rows = h, H, None
        self.empty()
        if far and self.samples():
            stride = n // max(SAMPLE * m, 1000)
            self.rows = np.arange(np.random.default_rng(0).integers(stride), n, stride)
            self.h = h / h[self.rows].sum()
        self.mean = np.zeros(0)

    def samples(self):
        """Whether a sample of the rows would be many fewer."""
        return self.design.n >= 2 * max(SAMPLE * len(self.cols), 1000) and not self.design.storage.is_sparse

    def keep(self, mask):
        self.mean = self.mean[mask[: self.filled]]
        super().keep(mask)

    def _fill(self):
        m, old, design = len(self.cols), self.filled, self.design
        if old and m > old and design.storage.is_sparse:
            old, self.mean = 0, np.zeros(0)
            self.empty()
        self._grow()
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
        tol = max(2 * goal / max(H * yy, 1e-300), 1e-15)
        new = run_paths([self.problem], [np.array([alpha / H])], tol, 1000)[0][0][0]
        return new, U - dot(mean, new - coef) if self.design.fit_intercept else 0.0


class SparseNewtonBlock(NewtonBlock):
    """The same for sparse columns: on the residual where that costs less."""

    growth = 1.0

    def minimum(self, h, u, coef, c, alpha, goal, far, near):
        design, m = self.design, len(self.cols)
        H = float(h.sum())
        root = np.sqrt(h / H)
        data, indices, indptr = design.storage.take(self.cols, design.mult, root)
        small, nnz = m <= GRAM_COLUMNS, len(data)
        if small and (self.slow or nnz > SHORT * m * m):
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
        # Give up where the Gram matrix of the set would have been cheaper.
        budget = 10.0 * nnz * max(1.0, nnz / design.n) + 10.0 * m * m + 1e5 if small else np.inf
        gap = residual_descent(
            data,
            indices,
            indptr,
            means,
            squares - means**2,
            y,
            r,
            w,
            self.sub,
            alpha / H,
            total,
            goal / H,
            1000,
            budget,
        )[1]
        if small and gap > goal / H:
            self.slow = True
            return super().minimum(h, u, coef, c, alpha, goal, far, near)
        shift = U - dot(means - design.mean[self.cols] * mult, w - coef) if design.fit_intercept else 0.0
        return w, shift
