"""Generalised linear models with a ridge penalty, for several weightings of the same rows at once.

The folds of a cross-validation see one X with different weights. So their steps are made together: a pass over X
serves all of them, and they share a Cholesky factor. It is that of the curvature of all rows at some predictions
before, right for none of them and near for all: a preconditioner. A step minimises a fold's quadratic model, of its own
exact curvature, on the plane of the preconditioned gradient and the step before. While the model is the same that is
the method of conjugate gradients, and where it changes, at the next alpha, nothing has to start anew. A step is two
passes over X; a step of Newton's is the Gram matrix of the fold's own weights.

Certificates are those of prox_newton.py, whose states are moved here; where they make no way they go on by themselves.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from fastreg._simd.dispatch import dot
from fastreg._threads import serial_blas

from .prox_newton import is_small
from .ridge_model import is_ridge, ridge_block

COLUMNS = 60  # of a Gram matrix that cost as much as the two passes of a step
STALE = 64  # steps after which predictions are computed anew
HARD = 10  # steps at one alpha, at least, before each fold goes on by Newton steps of its own
NEWTON = 5  # these, about, are what it would take: no more is spent before


def shares_steps(design, loss, penalty):
    """Whether `Together` is for such problems."""
    if not is_ridge(penalty) or not (penalty.factor > 0).all():
        return False
    dual = loss.convex and loss.conjugate(np.zeros(1), np.ones(1)) is not None
    return dual and not is_small(design) and ridge_block(design, penalty) is None


class Together:
    """States that move down their paths alpha by alpha, side by side.

    Parameters
    ----------
    states : list of ProxNewton
        On designs of the same X with weights of their own, and the same penalty.
    """

    def __init__(self, states):
        self.design, self.penalty = states[0].design, states[0].penalty
        self.lines = [Line(state) for state in states]
        self.cols = np.arange(self.design.p)
        self.G = self.factor = None
        self.spent = self.age = 0  # steps since the Gram matrix was made, and since predictions were
        self._correlate(self.lines)

    def fit(self, alphas, tol, max_iter):
        """Solve at an alpha a state, each to a relative gap; (gap, primal, n_iter) of each."""
        for line, alpha in zip(self.lines, alphas, strict=True):
            line.begin(alpha, tol)
        self.factor = None
        if self.age >= STALE:
            for line, linear in zip(
                self.lines, self._predict(self.lines, [x.state.coef for x in self.lines]), strict=True
            ):
                line.state.predictor.linear = linear
                line.state.predictor.evaluate()
            self._correlate(self.lines)
            self.age = 0
        limit = max(HARD, NEWTON * len(self.lines) * self.design.p // COLUMNS)
        for turn in range(min(limit, max_iter)):
            lines = [line for line in self.lines if line.moves and line.gap > line.target]
            if not lines:
                break
            # a new one when what the old one's age costs has come to its price
            if self.G is None or (turn > 1 and self.spent >= self.design.p / COLUMNS):
                self._curvature(lines)
            directions = self._precondition(lines)
            for line, z, along in zip(lines, directions, self._predict(lines, directions), strict=True):
                line.step(z, along)
            self._correlate(lines)
            self.spent += 1
            self.age += 1
        return [line.end(tol, max_iter) for line in self.lines]

    def _correlate(self, lines):
        """Exact intercepts, residuals and their correlations with the columns: a pass over X for all."""
        for line in lines:
            line.state.dual_point(line.alpha)
        products = self.design.storage.dots(np.array([line.state.u for line in lines]), self.design.mean)
        for line, v in zip(lines, products, strict=True):
            line.correlated(v)

    def _predict(self, lines, coefs):
        """X̃w for a w of each: a pass over X for all."""
        design = self.design
        scaled = np.array([w * line.state.design.mult for line, w in zip(lines, coefs, strict=True)])
        out = design.storage.combine(self.cols, scaled, design.mean)
        for line, w, linear in zip(lines, scaled, out, strict=True):
            linear += dot(w, design.mean - line.state.design.mean)
        return out

    def _curvature(self, lines):
        """The Gram matrix of the columns under curvatures averaged over folds, in the units of the first design."""
        h = sum(line.curvature() for line in lines)
        G, mean = self.design.reweighted(h / h.sum(), self.cols)
        self.G = G - np.outer(mean, mean) if self.design.fit_intercept else G
        self.factor, self.spent = None, 0

    def _precondition(self, lines):
        """The step that the shared curvature suggests to each."""
        with serial_blas(float(self.design.n) * self.design.p**2, self.design.p):  # beside Gram matrices
            if self.factor is None:
                self.H = np.mean([line.curvature().sum() for line in lines])
                ridge = np.mean([line.alpha for line in lines]) / self.H * self.penalty.factor
                least = 1e-13 * self.G.diagonal().max()
                while self.factor is None:
                    try:
                        self.factor = cho_factor(self.G + np.diag(ridge + least), overwrite_a=True, check_finite=False)
                    except LinAlgError:
                        least *= 100
            # one unit of a coefficient is mult of X's in any design
            units = [line.state.design.mult / self.design.mult for line in lines]
            R = np.array([line.gradient() / unit for line, unit in zip(lines, units, strict=True)])
            Z = cho_solve(self.factor, R.T, check_finite=False).T / self.H
        return [
            np.where(x.state.design.sq_norms > 0, z / unit, 0.0) for x, z, unit in zip(lines, Z, units, strict=True)
        ]


class Line:
    """A state with its last step, for the next plane."""

    def __init__(self, state):
        self.state = state
        self.cols = np.arange(state.design.p)
        self.alpha, self.tol = 1.0, 0.0
        self._forget()

    def _forget(self):
        self.move = np.zeros(self.state.design.p)
        self.linear = np.zeros(self.state.design.n)

    def begin(self, alpha, tol):
        self.alpha, self.tol, self.steps = alpha, tol, 0
        self.moves = self.state.felt(alpha, self.state.aim(tol, np.inf)) > 0
        self._judge()

    def _judge(self):
        self.gap, self.primal = self.state.gap(self.alpha)
        self.target = self.state.aim(self.tol, self.primal)

    def end(self, tol, max_iter):
        """(gap, primal, n_iter), by steps of the state's own if need be."""
        state, steps = self.state, self.steps
        state.last = self.alpha
        if self.gap > self.target:
            self._forget()
            self.gap, self.primal, more = state.fit(self.alpha, tol, max(1, max_iter - steps))
            steps += more
        return self.gap, self.primal, max(1, steps)

    def correlated(self, v):
        design = self.state.design
        self.state.v = np.where(design.sq_norms > 0, v * design.mult, 0.0)
        self._judge()

    def curvature(self):
        return np.maximum(self.state.predictor.h, 0.0)

    def gradient(self):
        """Minus that of the objective."""
        return self.state.v - self.alpha * self.state.penalty.factor * self.state.coef

    def step(self, z, along):
        """Minimise the model on the plane of z, whose predictions are ``along``, and the last step."""
        state, alpha = self.state, self.alpha
        penalty = state.penalty
        self.steps += 1
        moves, linears = [z], [along]
        if self.move.any():
            moves.append(self.move)
            linears.append(self.linear)
        h, r, ridge = self.curvature(), self.gradient(), alpha * penalty.factor
        H = float(h.sum())
        # the intercept follows
        shifts = [-dot(h, linear) / H if state.design.fit_intercept and H > 0 else 0.0 for linear in linears]
        rows = [linear + shift for linear, shift in zip(linears, shifts, strict=True)]
        A = np.array([[dot(h * a, b) + dot(ridge * c, d) for b, d in zip(rows, moves)] for a, c in zip(rows, moves)])
        slopes = np.array([dot(r, move) for move in moves])
        size = 2 if len(moves) == 2 and A[0, 0] * A[1, 1] - A[0, 1] ** 2 > 1e-12 * A[0, 0] * A[1, 1] else 1
        shares = np.linalg.solve(A[:size, :size], slopes[:size])
        move, linear, shift = (sum(t * x for t, x in zip(shares, xs)) for xs in (moves, linears, shifts))
        t, promise = state.advance(alpha, self.cols, penalty, state.coef + move, linear, shift)
        self.move, self.linear = t * move, t * linear
        self.moves = promise > 0
