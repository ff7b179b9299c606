"""Quantile regression with L1, L2 and bounds: an interior-point method, finished on the face of the solution.

``min sum_i s_i rho_q(y_i - x_i w - b) + sum_j a_j |w_j|`` is a linear program. Its dual has a variable a row and one a
column, all between bounds::

    max y'u   with   X'u = z,  1'u = 0,  s_i (q - 1) <= u_i <= s_i q,  -a_j <= z_j <= a_j,

and w and b are the multipliers of its equations. u = 0, z = 0 is strictly inside, so that every iterate is feasible
and the gap is known throughout. Bounds of w are caps on multipliers, against which z may exceed a_j; a sign leaves one
side out. With an L2 part d_j w_j^2 / 2 it is z - d w that is between bounds, and both move by the same step. Mehrotra's
predictor and corrector steps (1992; for quantiles Portnoy and Koenker, 1997) solve ``(X'DX + E) dw = ...`` with
diagonal D and E: a weighted Gram matrix of the columns for each of some 20 iterations, whatever the number of rows.
Wide designs get it on a working set of columns.

Iterates end near the optimum, but not on it. Which rows are interpolated and which columns are 0 or at a bound is clear
by then: a linear system for w and one for u give the vertex, with an L2 part one system for both, and it is kept where
its gap is no larger.
"""

import numpy as np
from scipy.linalg import lstsq

from fastreg._simd.dispatch import dot
from fastreg._threads import serial_blas

from ..losses import Quantile
from ..penalties.features import FeatureL1L2, dual_charge
from .barrier import Box, Side
from .result import Path
from .semidefinite import solver_of

STEP = 0.9995  # share of the way to the boundary
FIRST = 200  # columns of the first working set
MOST = 3000  # coefficients of a vertex
WHOLE = 1000  # columns that are all worked on
FAR = 1e4  # cap of a coefficient without charge and bound on one side, in units of y's spread by the column's


class QuantileProblem:
    """One quantile regression; rows of weight 0 are there, but count for nothing.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
    q : float in (0, 1)
    penalty : FeatureL1L2
        In the units of X̃.
    alpha : float
    """

    def __init__(self, design, y, q, penalty, alpha):
        self.design, self.q = design, q
        design.scale  # noqa: B018  the statistics are there from here on
        self.loss, self.s = Quantile(q), design.weights
        self.some = self.s > 0
        self.b0 = self.loss.null_raw(y, self.s) if design.fit_intercept else 0.0
        y = y - self.b0
        self.unit = dot(self.s, np.abs(y)) or 1.0
        self.y = y / self.unit
        # In this unit of y and w: the square of w has another one than its size.
        l1, l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio) * self.unit
        self.alpha, ratio = l1 + l2, l1 / (l1 + l2) if alpha > 0 else 1.0
        bounds = (penalty.lower / self.unit, penalty.upper / self.unit) if penalty.bounded else (None, None)
        self.penalty = FeatureL1L2(penalty.p, ratio, penalty.factor, *bounds)
        self.l1, self.l2 = l1 * penalty.factor, l2 * penalty.factor
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
        rounding = np.sqrt(design.sq_norms) * np.where(self.l1 > 0, 1e-15, 1e-9)
        scale, charge, extra = dual_charge(v, coef, self.penalty, self.alpha, rounding)
        if design.fit_intercept:
            extra += abs(float(u.sum()) * b)
        dual = scale * dot(u, self.y) - charge
        return max(self.primal(coef, self.y - linear - b) - dual, 0.0) + extra, v

    def solve(self, tol, max_iter):
        """Working sets around the interior-point method; sets coef, b, gap and n_iter, all in units of y."""
        if self.null > 0:  # else a constant is perfect
            self._solve(tol, max_iter)
        else:
            self.gap, self.n_iter = 0.0, 1
        primal = self.primal(self.coef, self.y - self.linear - self.b)
        return tuple(self.unit * value for value in (self.coef, self.b, self.gap, primal, self.null))

    def _solve(self, tol, max_iter):
        design, charge, low, high = self.design, self.l1, self.penalty.lower, self.penalty.upper
        alive = (design.sq_norms > 0) & (low < high)
        cols = np.flatnonzero(alive)
        target = tol * self.null
        if len(cols) > WHOLE and (charge > 0).any():
            u = np.where(self.y > 0, self.q, self.q - 1) * self.s
            u -= self.s * u.sum() if design.fit_intercept else 0.0
            score = np.where(alive & (charge > 0), np.abs(design.xt(u)) / np.where(charge > 0, charge, 1), 0)
            cols = np.union1d(np.flatnonzero(alive & (charge == 0)), np.argsort(-score)[:FIRST])
        while True:
            u = self._interior(cols, 0.1 * target, max_iter)
            self.gap, v = self.certify(self.coef, self.b, self.linear, u)
            self._face(cols, charge, u)
            pull = np.where(np.where(v > 0, high > 0, low < 0), np.abs(v), 0.0)  # towards where a coefficient may go
            excess = np.where(alive, pull - charge, 0.0)
            excess[cols] = 0
            wrong = np.flatnonzero(excess > 1e-9 * charge.max(initial=0.0))
            if self.gap <= target or not len(wrong) or self.n_iter >= max_iter:
                break
            used = cols[(self.coef[cols] != 0) | (charge[cols] == 0) | (pull[cols] > 0.9 * charge[cols])]
            worst = wrong[np.argsort(-excess[wrong] / charge[wrong])][: max(FIRST, len(used))]
            cols = np.union1d(used, worst)

    def _boxes(self, cols):
        """(box of the rows with weight, box of the columns with a charge on |w| or bounds, numbers of these)."""
        y, some, n = self.y, self.some, int(self.some.sum())
        s = n * self.s[some]  # weights of about 1: so are the bounds
        self.room = room = max(float(s @ np.abs(y[some])) / n, 1e-300)
        above, below = np.maximum(y[some], 0) + room, np.maximum(-y[some], 0) + room
        rows = Box(n, [Side(1, s * self.q, above), Side(-1, s * (1 - self.q), below)])
        charge, low, high = n * self.l1[cols], self.penalty.lower[cols], self.penalty.upper[cols]
        held = np.flatnonzero((charge > 0) | np.isfinite(low) | np.isfinite(high))
        charge = charge[held]
        units = np.sqrt(np.maximum(self.design.sq_norms[cols[held]], 1e-300))
        sides = []
        for sign, cap in ((1, high[held]), (-1, -low[held])):
            cap = np.where((charge == 0) & np.isinf(cap), FAR * room / units, cap)  # else there is no inside
            free, capped = np.flatnonzero(np.isinf(cap)), np.flatnonzero(np.isfinite(cap) & (cap > 0))
            sides.append(Side(sign, charge[free], room / units[free], free))
            m = np.minimum(room / units[capped], 0.5 * cap[capped])
            sides.append(Side(sign, charge[capped], m, capped, cap[capped], room / (cap[capped] - m)))
        return rows, Box(len(held), [side for side in sides if len(side.m)]), held

    def _interior(self, cols, target, max_iter):
        """Predictor-corrector steps on some columns; sets coef, b and linear, returns u."""
        design, y, some, n = self.design, self.y, self.some, int(self.some.sum())
        rows, charges, held = self._boxes(cols)
        boxes = [box for box in (rows, charges) if len(box.t)]
        square, centred = n * self.l2[cols], design.fit_intercept
        w, b, linear = np.zeros(len(cols)), 0.0, np.zeros(design.n)
        full = np.zeros(design.n)

        def spread(x):
            full[some] = x
            return full

        def solve(factor, D, E, c, e, mean, total):
            """The move of everything for right-hand sides c of the rows and e of the columns."""
            # what rounding has left of X'u - z and 1'u goes as well: steps are long, small penalties feel it
            shift = float(D @ c + rows.t.sum()) / total if centred else 0.0
            right = design.xt(spread(D * (c - shift)), cols) + design.xt(spread(rows.t), cols) - square * w
            right[held] -= E * e + charges.t
            dw = factor(right)
            moved = design.xw(dw, cols)
            db = shift - float(mean @ dw) if centred else 0.0
            return dw, db, moved, [D * (c - moved[some] - db), E * (e + dw[held])][: len(boxes)]

        for _ in range(60):
            complement, count = map(sum, zip(*(box.products() for box in boxes), strict=True))
            if complement / n <= target or self.n_iter >= max_iter:
                break
            self.n_iter += 1
            D, c = rows.system(0.0)
            E, e = charges.system(0.0)
            total = float(D.sum())
            G, mean = design.reweighted(spread(D / total), cols)
            if centred:
                G = G - np.outer(mean, mean)
            G *= total
            G[held, held] += E
            G[np.diag_indices_from(G)] += square
            factor = solver_of(G)
            # stationarity holds at every iterate; what rounding does to it is in the residuals
            off = y[some] - linear[some] - b - rows.multiplier()
            offcol = w[held] - charges.multiplier()
            ahead = solve(factor, D, E, off - c, offcol - e, mean, total)[-1]
            predictor = [box.move(dt, 0.0) for box, dt in zip(boxes, ahead, strict=True)]
            reach = self._steps(boxes, predictor, 1.0)
            after = sum(box.after(move, *reach) for box, move in zip(boxes, predictor, strict=True))
            mu = complement / count
            mu *= min((after / complement) ** 3, 1.0) if mu > 0 else 0.0
            seconds = [*predictor, None]
            _, c = rows.system(mu, seconds[0])
            _, e = charges.system(mu, seconds[1])
            dw, db, moved, ahead = solve(factor, D, E, off - c, offcol - e, mean, total)
            moves = [box.move(dt, mu, second) for box, dt, second in zip(boxes, ahead, predictor, strict=True)]
            primal, dual = self._steps(boxes, moves, STEP)
            for box, move in zip(boxes, moves, strict=True):
                box.go(move, primal, dual)
            w, b, linear = w + dual * dw, b + dual * db, linear + dual * moved
            if max(primal, dual) < 1e-8:
                break
        self.coef = np.zeros(design.p)
        self.coef[cols] = np.clip(w, self.penalty.lower[cols], self.penalty.upper[cols])
        self.interior = np.zeros(design.n)
        up, down = (side.slack(rows.t) for side in rows.sides)
        self.interior[some] = np.minimum(up, down) / (n * self.s[some])
        self._note_faces(cols, charges, held)
        self.b, self.linear = b, design.xw(self.coef[cols], cols)
        return spread(rows.t / n).copy()

    def _steps(self, boxes, moves, share):
        """Steps of u and z, and of w and the multipliers: one and the same with an L2 part, which ties them."""
        reach = [box.reach(move) for box, move in zip(boxes, moves, strict=True)]
        primal, dual = (min(1.0, share * min(each)) for each in zip(*reach, strict=True))
        return (min(primal, dual),) * 2 if self.l2.any() else (primal, dual)

    def _note_faces(self, cols, charges, held):
        """Which columns are at which bound (`fixed`, `bound`), and which of the others are in the model (`used`)."""
        n, room, penalty = int(self.some.sum()), self.room, self.penalty
        units = np.sqrt(np.maximum(self.design.sq_norms[cols[held]], 1e-300))
        zero, bound = np.ones(len(held), dtype=bool), np.full(len(held), np.nan)
        for side in charges.sides:
            # a coefficient, and what is left until its correlation is at the charge, each in its unit
            at, unit = side.at, units[side.at]
            zero[at] &= side.m * unit / room <= side.slack(charges.t) / np.where(side.limit > 0, side.limit, n * unit)
            if side.cap is not None:
                full = (side.cap - side.m) * unit / room < side.excess / (n * unit)
                full = at[full & (side.cap < 0.99 * FAR * room / unit)]
                bound[full] = (penalty.upper if side.sign > 0 else penalty.lower)[cols[held[full]]]
        at_bound = ~np.isnan(bound)
        self.used = np.ones(len(cols), dtype=bool)
        self.used[held] = ~zero & ~at_bound
        self.fixed, self.bound = cols[held[at_bound]], bound[at_bound]

    def _face(self, cols, charge, u):
        """Solve for the rows that are interpolated and the columns in the model; kept where the gap is no larger."""
        design = self.design
        active = cols[self.used]
        if len(active) + design.fit_intercept > MOST:
            return
        coef, b, dual = np.zeros(design.p), 0.0, u
        coef[self.fixed] = self.bound
        linear = design.xw(self.bound, self.fixed) if len(self.fixed) else np.zeros(design.n)
        if len(active) + design.fit_intercept:
            found, b, dual = (self._square if self.l2.any() else self._vertex)(active, charge[active], self.y - linear)
            coef[active] = found
            linear = linear + design.xw(found, active) if len(active) else linear
        if ((coef < self.penalty.lower) | (coef > self.penalty.upper)).any():
            return
        gap, _ = self.certify(coef, b, linear, dual)
        if not gap <= self.gap:
            gap, _ = self.certify(coef, b, linear, u)
        if gap <= self.gap:
            self.gap, self.coef, self.b, self.linear = gap, coef, b, linear

    def _vertex(self, active, charge, y):
        """(w, b, u) that interpolate as many rows as there are coefficients."""
        count = min(len(active) + self.design.fit_intercept, int(self.some.sum()))
        rows = np.sort(np.argsort(-self.interior, kind="stable")[:count])
        X = self._columns(rows, active)
        # fewer rows than coefficients: of all solutions the smallest
        found = lstsq(X, y[rows], cond=1e-13, lapack_driver="gelsy")[0]
        w, b = self._parted(found)
        r = y - b - (self.design.xw(w, active) if len(active) else 0.0)
        dual, want = self._rest(rows, active, charge * np.sign(w), r)
        dual[rows] = lstsq(X.T, want, cond=1e-13, lapack_driver="gelsy")[0]
        return w, b, dual

    def _square(self, active, charge, y):
        """(w, b, u) with an L2 part: w and the u of interpolated rows, as many as there are, in one system."""
        r = self.y - self.linear - self.b
        rows = np.flatnonzero(self.interior > np.abs(r) / self.room)
        if len(rows) > MOST:
            return self.coef[active], self.b, np.where(r > 0, self.q, self.q - 1) * self.s
        X = self._columns(rows, active)
        dual, want = self._rest(rows, active, charge * np.sign(self.coef[active]), r)
        k = X.shape[1]
        system = np.zeros((k + len(rows), k + len(rows)))
        system[:k, k:], system[k:, :k] = X.T, X
        at = np.arange(len(active))
        system[at, at] = -self.l2[active]
        found = lstsq(system, np.append(want, y[rows]), cond=1e-15, lapack_driver="gelsy")[0]
        dual[rows] = found[k:]
        return *self._parted(found[:k]), dual

    def _columns(self, rows, active):
        """The columns in the model and that of the intercept, in some rows."""
        X = _rows_of(self.design, rows, active)
        return np.column_stack([X, np.ones(len(rows))]) if self.design.fit_intercept else X

    def _parted(self, found):
        return (found[:-1], float(found[-1])) if self.design.fit_intercept else (found, 0.0)

    def _rest(self, rows, active, charge, r):
        """(u of all rows but some, 0 in these; what these must add to the columns' products with it)."""
        dual = np.where(r > 0, self.q, self.q - 1) * self.s
        dual[rows] = 0
        want = charge - (self.design.xt(dual, active) if len(active) else 0.0)
        return dual, np.append(want, -dual.sum()) if self.design.fit_intercept else want


def _rows_of(design, rows, cols):
    """Some rows and columns of X̃, dense: the products of unit vectors with it."""
    out = np.empty((len(rows), len(cols)))
    for start in range(0, len(cols), 256):
        part = cols[start : start + 256]
        out[:, start : start + 256] = design.xw(np.eye(len(part)), part)[rows]
    return out


def solve_quantile(design, y, q, alphas, penalty, *, tol=1e-8, max_iter=200):
    """Minimise ``sum_i s_i rho_q(y_i - x_i w - b) + penalty(w, alpha)`` for each of the alphas.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
    q : float in (0, 1)
    alphas : ndarray of shape (K,)
    penalty : FeatureL1L2
        In the units of X.
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
        problem = QuantileProblem(design, y, q, penalty.scaled(design.scale), float(alpha))
        with serial_blas(np.inf, 0):  # between passes over X
            coef, b, gap, primal, null = problem.solve(tol, max_iter)
        coefs.append(coef)
        intercepts.append(b + problem.b0)
        found.append((gap, primal, problem.n_iter))
    gaps, primals, iters = (np.array(part) for part in zip(*found, strict=True))
    coefs, intercepts = design.unscale(np.array(coefs), np.array(intercepts))
    coefs = np.clip(coefs, penalty.lower, penalty.upper)  # against the rounding of two changes of unit
    converged = gaps <= np.maximum(max(tol, 1e-14) * null, 1e-14)
    return Path(np.asarray(alphas, dtype=np.float64), coefs, intercepts, gaps, primals, null, iters, converged)
