"""Quantile regression with an L1 penalty: an interior-point method, finished on a vertex.

``min sum_i s_i rho_q(y_i - x_i w - b) + sum_j a_j |w_j|`` is a linear program. Its dual has a variable a row and one a
column, all between bounds::

    max y'u   with   X'u = z,  1'u = 0,  s_i (q - 1) <= u_i <= s_i q,  -a_j <= z_j <= a_j,

and w and b are the multipliers of its equations. u = 0, z = 0 is strictly inside, so that every iterate is feasible
and the gap is known throughout. Mehrotra's predictor and corrector steps (1992; for quantiles Portnoy and Koenker,
1997) solve ``(X'DX + E) dw = ...`` with diagonal D and E: a weighted Gram matrix of the columns for each of some 20
iterations, whatever the number of rows. Wide designs get it on a working set of columns.

Iterates end near the optimum, but not on it. Which rows are interpolated and which columns are 0 is clear by then: a
linear system for w and one for u, both of that size, give the vertex, which is kept where its gap is no larger.
"""

import numpy as np
from scipy.linalg import lstsq

from fastreg._simd.dispatch import dot
from fastreg._threads import serial_blas

from ..losses import Quantile
from ..penalties.features import dual_charge
from .result import Path
from .semidefinite import solver_of

STEP = 0.9995  # share of the way to the boundary
FIRST = 200  # columns of the first working set
MOST = 3000  # coefficients of a vertex
WHOLE = 1000  # columns that are all worked on


class _Box:
    """Variables between bounds, with the multipliers of both: what a row and a column have alike."""

    def __init__(self, low, high, slope, room):
        self.low, self.high = low, high
        self.t = np.zeros(len(low))
        self.above = np.maximum(slope, 0) + room  # multiplier of the upper bound
        self.below = np.maximum(-slope, 0) + room

    def slack(self):
        return self.high - self.t, self.t - self.low

    def complement(self):
        g, ell = self.slack()
        return float(self.above @ g + self.below @ ell)

    def system(self, mu, second=None):
        """(D, c): the multipliers' difference moves by c + dt / D."""
        g, ell = self.slack()
        up, down = mu / g - self.above, mu / ell - self.below
        if second is not None:  # products of the predictor's moves
            dt, da, db = second
            up, down = up + da * dt / g, down - db * dt / ell
        return 1 / (self.above / g + self.below / ell), up - down

    def move(self, dt, mu, second=None):
        """Moves of both multipliers for a move of t."""
        g, ell = self.slack()
        da, db = (mu + self.above * dt) / g - self.above, (mu - self.below * dt) / ell - self.below
        if second is not None:
            pt, pa, pb = second
            da, db = da + pa * pt / g, db - pb * pt / ell
        return dt, da, db

    def reach(self, move):
        """How far the variables, and how far the multipliers, may go."""
        dt, da, db = move
        g, ell = self.slack()

        def most(x, dx):
            down = dx < 0
            return float((-x[down] / dx[down]).min(initial=np.inf))

        return min(most(g, -dt), most(ell, dt)), min(most(self.above, da), most(self.below, db))

    def go(self, move, primal, dual):
        dt, da, db = move
        self.t = self.t + primal * dt
        self.above, self.below = self.above + dual * da, self.below + dual * db


class QuantileProblem:
    """One quantile regression; rows of weight 0 are there, but count for nothing.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
    q : float in (0, 1)
    penalty : FeatureL1L2 with ``l1_ratio=1`` and no bounds, in the units of X̃
    alpha : float
    """

    def __init__(self, design, y, q, penalty, alpha):
        self.design, self.q, self.penalty, self.alpha = design, q, penalty, alpha
        design.scale  # noqa: B018  the statistics are there from here on
        self.loss, self.s = Quantile(q), design.weights
        self.some = self.s > 0
        self.b0 = self.loss.null_raw(y, self.s) if design.fit_intercept else 0.0
        y = y - self.b0
        self.unit = dot(self.s, np.abs(y)) or 1.0
        self.y = y / self.unit
        self.coef, self.b = np.zeros(design.p), 0.0
        self.linear = np.zeros(design.n)
        self.null = self.primal(self.coef, self.y)
        self.gap, self.n_iter = np.inf, 0

    def primal(self, coef, residual):
        return self.loss(np.zeros(self.design.n), residual, self.s)[0] + self.penalty.value(coef, self.alpha)

    def certify(self, coef, b, linear, u):
        """(gap, correlations) of a primal and a nearly feasible dual point."""
        design, s = self.design, self.s
        u = np.clip(u, s * (self.q - 1), s * self.q)
        v = design.xt(u)
        rounding = np.sqrt(design.sq_norms) * np.where(self.alpha * self.penalty.factor > 0, 1e-15, 1e-9)
        scale, _, extra = dual_charge(v, coef, self.penalty, self.alpha, rounding)
        if design.fit_intercept:
            extra += abs(float(u.sum()) * b)
        return max(self.primal(coef, self.y - linear - b) - scale * dot(u, self.y), 0.0) + extra, v

    def solve(self, tol, max_iter):
        """Working sets around the interior-point method; sets coef, b, gap and n_iter, all in units of y."""
        if self.null > 0:  # else a constant is perfect
            self._solve(tol, max_iter)
        else:
            self.gap, self.n_iter = 0.0, 1
        primal = self.primal(self.coef, self.y - self.linear - self.b)
        return tuple(self.unit * value for value in (self.coef, self.b, self.gap, primal, self.null))

    def _solve(self, tol, max_iter):
        design, penalty = self.design, self.penalty
        alive = design.sq_norms > 0
        charge = self.alpha * penalty.factor
        cols = np.flatnonzero(alive)
        target = tol * self.null
        if len(cols) > WHOLE and (charge > 0).any():
            u = np.where(self.y > 0, self.q, self.q - 1) * self.s
            u -= self.s * u.sum() if design.fit_intercept else 0.0
            score = np.where(alive & (charge > 0), np.abs(design.xt(u)) / np.where(charge > 0, charge, 1), 0)
            cols = np.union1d(np.flatnonzero(alive & (charge == 0)), np.argsort(-score)[:FIRST])
        while True:
            u = self._interior(cols, charge[cols], 0.1 * target, max_iter)
            self.gap, v = self.certify(self.coef, self.b, self.linear, u)
            self._vertex(cols, charge, u)
            excess = np.where(alive, np.abs(v) - charge, 0.0)
            excess[cols] = 0
            wrong = np.flatnonzero(excess > 1e-9 * charge.max(initial=0.0))
            if self.gap <= target or not len(wrong) or self.n_iter >= max_iter:
                break
            used = cols[(self.coef[cols] != 0) | (charge[cols] == 0) | (np.abs(v[cols]) > 0.9 * charge[cols])]
            worst = wrong[np.argsort(-excess[wrong] / charge[wrong])][: max(FIRST, len(used))]
            cols = np.union1d(used, worst)

    def _interior(self, cols, charge, target, max_iter):
        """Predictor-corrector steps on some columns; sets coef, b and linear, returns u."""
        design, y, some, n = self.design, self.y, self.some, int(self.some.sum())
        s, centred = n * self.s[some], design.fit_intercept  # weights of about 1: so are the bounds
        paid = np.flatnonzero(charge > 0)
        w, b, linear = np.zeros(len(cols)), 0.0, np.zeros(design.n)
        room = max(float(s @ np.abs(y[some])) / n, 1e-300)
        rows = _Box(s * (self.q - 1), s * self.q, y[some], room)
        units = np.sqrt(np.maximum(design.sq_norms[cols[paid]], 1e-300))
        charges = _Box(-n * charge[paid], n * charge[paid], np.zeros(len(paid)), room / units)
        full = np.zeros(design.n)

        def spread(x):
            full[some] = x
            return full

        def solve(factor, D, E, c, e, mean, total):
            """The move of everything for right-hand sides c of the rows and e of the columns."""
            # what rounding has left of X'u - z and 1'u goes as well: steps are long, small penalties feel it
            shift = float(D @ c + rows.t.sum()) / total if centred else 0.0
            right = design.xt(spread(D * (c - shift)), cols) + design.xt(spread(rows.t), cols)
            right[paid] -= E * e + charges.t
            dw = factor(right)
            moved = design.xw(dw, cols)
            db = shift - float(mean @ dw) if centred else 0.0
            return dw, db, moved, D * (c - moved[some] - db), E * (e + dw[paid])

        for _ in range(60):
            gap = (rows.complement() + charges.complement()) / n
            if gap <= target or self.n_iter >= max_iter:
                break
            self.n_iter += 1
            count = 2 * (n + len(paid))
            D, c = rows.system(0.0)
            E, e = charges.system(0.0)
            total = float(D.sum())
            G, mean = design.reweighted(spread(D / total), cols)
            if centred:
                G = G - np.outer(mean, mean)
            G *= total
            G[paid, paid] += E
            factor = solver_of(G)
            # stationarity holds at every iterate; what rounding does to it is in the residuals
            off = y[some] - linear[some] - b - rows.above + rows.below
            offcol = w[paid] - charges.above + charges.below
            ahead = solve(factor, D, E, off - c, offcol - e, mean, total)
            predictor = rows.move(ahead[3], 0.0), charges.move(ahead[4], 0.0)
            mu = (rows.complement() + charges.complement()) / count
            reach = [box.reach(move) for box, move in zip((rows, charges), predictor, strict=True)]
            reach = [min(1.0, *pair) for pair in zip(*reach, strict=True)]
            after = 0.0
            for box, (dt, da, db) in zip((rows, charges), predictor, strict=True):
                g, ell = box.slack()
                after += float((box.above + reach[1] * da) @ (g - reach[0] * dt))
                after += float((box.below + reach[1] * db) @ (ell + reach[0] * dt))
            mu *= min((after / count / mu) ** 3, 1.0) if mu > 0 else 0.0
            _, c = rows.system(mu, predictor[0])
            _, e = charges.system(mu, predictor[1])
            dw, db, moved, dt, dz = solve(factor, D, E, off - c, offcol - e, mean, total)
            moves = rows.move(dt, mu, predictor[0]), charges.move(dz, mu, predictor[1])
            primal, dual = (
                min(1.0, STEP * min(pair)) for pair in zip(rows.reach(moves[0]), charges.reach(moves[1]), strict=True)
            )
            rows.go(moves[0], primal, dual)
            charges.go(moves[1], primal, dual)
            w, b, linear = w + dual * dw, b + dual * db, linear + dual * moved
            if max(primal, dual) < 1e-8:
                break
        self.coef = np.zeros(design.p)
        self.coef[cols] = w
        self.b, self.linear = b, design.xw(w, cols)
        self.interior = np.zeros(design.n)
        g, ell = rows.slack()
        self.interior[some] = np.minimum(g, ell) / s
        self.used = np.ones(len(cols), dtype=bool)
        g, ell = charges.slack()
        # a coefficient against its slack, each in its unit
        self.used[paid] = np.abs(w[paid]) * units / room > np.minimum(g, ell) / (n * charge[paid])
        return spread(rows.t / n).copy()

    def _vertex(self, cols, charge, u):
        """Interpolate as many rows as there are coefficients; keep it where the gap is no larger."""
        design, s = self.design, self.s
        active = cols[self.used]
        size = len(active) + design.fit_intercept
        if size > MOST:
            return
        coef, b, linear, dual = np.zeros(design.p), 0.0, np.zeros(design.n), u
        if size:
            count = min(size, int(self.some.sum()))  # fewer rows than coefficients: of all solutions the smallest
            rows = np.sort(np.argsort(-self.interior, kind="stable")[:count])
            X = _rows_of(design, rows, active)
            if design.fit_intercept:
                X = np.column_stack([X, np.ones(count)])
            found = lstsq(X, self.y[rows], cond=1e-13, lapack_driver="gelsy")[0]
            if design.fit_intercept:
                found, b = found[:-1], float(found[-1])
            coef[active] = found
            if len(active):
                linear = design.xw(found, active)
            r = self.y - linear - b
            dual = np.where(r > 0, s * self.q, s * (self.q - 1))
            dual[rows] = 0
            want = charge[active] * np.sign(found) - (design.xt(dual, active) if len(active) else 0.0)
            if design.fit_intercept:
                want = np.append(want, -dual.sum())
            dual[rows] = lstsq(X.T, want, cond=1e-13, lapack_driver="gelsy")[0]
        gap, _ = self.certify(coef, b, linear, dual)
        if not gap <= self.gap:
            gap, _ = self.certify(coef, b, linear, u)
        if gap <= self.gap:
            self.gap, self.coef, self.b, self.linear = gap, coef, b, linear


def _rows_of(design, rows, cols):
    """Some rows and columns of X̃, dense: the products of unit vectors with it."""
    out = np.empty((len(rows), len(cols)))
    for start in range(0, len(cols), 256):
        part = cols[start : start + 256]
        out[:, start : start + 256] = design.xw(np.eye(len(part)), part)[rows]
    return out


def solve_quantile(design, y, q, alphas, penalty, *, tol=1e-8, max_iter=200):
    """Minimise ``sum_i s_i rho_q(y_i - x_i w - b) + alpha sum_j f_j |w_j|`` for each of the alphas.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
    q : float in (0, 1)
    alphas : ndarray of shape (K,)
    penalty : FeatureL1L2
        With ``l1_ratio=1``, without bounds.
    tol : float, default=1e-8
        A fit's gap is at most ``tol`` times the objective of the best constant.
    max_iter : int, default=200
        Interior-point steps an alpha.

    Returns
    -------
    Path
    """
    y = np.ascontiguousarray(y, dtype=np.float64)
    coefs, intercepts, found = [], [], []
    for alpha in alphas:
        problem = QuantileProblem(design, y, q, penalty, float(alpha))
        with serial_blas(np.inf, 0):  # between passes over X
            coef, b, gap, primal, null = problem.solve(tol, max_iter)
        coefs.append(coef)
        intercepts.append(b + problem.b0)
        found.append((gap, primal, problem.n_iter))
    gaps, primals, iters = (np.array(part) for part in zip(*found, strict=True))
    coefs, intercepts = design.unscale(np.array(coefs), np.array(intercepts))
    converged = gaps <= np.maximum(max(tol, 1e-14) * null, 1e-14)
    return Path(np.asarray(alphas, dtype=np.float64), coefs, intercepts, gaps, primals, null, iters, converged)
