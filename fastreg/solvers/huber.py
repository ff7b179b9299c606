"""Huber's regression with a scale of its own (Owen, 2007), by prox-Newton steps inside of a search for the scale.

``F(w, b, sigma) = sum_i v_i (sigma + sigma H((y_i - x_i w - b) / sigma)) + penalty(w)`` is jointly convex, with
``H(z) = z^2`` up to ``epsilon`` and ``2 epsilon |z| - epsilon^2`` beyond. For a fixed sigma it is ``2 / sigma`` times
Huber's loss with its bend at ``epsilon sigma``: a generalised linear model. What is left is a convex function of sigma,
whose slope is known at each fit; its root is bracketed, and fits start from one another.

The certificate is joint. ``sup_{r, sigma} u r - F`` is finite only where ``|u_i| <= 2 epsilon v_i`` and
``sum_i u_i^2 / (4 v_i) <= sum_i v_i``: a scale makes the dual point of a fixed sigma feasible.
"""

import numpy as np

from fastreg._simd.dispatch import dot

from ..losses import Huber, weighted_quantile
from ..penalties.features import FeatureL1L2, dual_charge
from .glm_path import inner
from .prox_newton import ProxNewton
from .result import Path

TINY = 10 * np.finfo(np.float64).eps  # sigma where there is no error
ROUGH = 1e-3  # relative gap of the first fit
LEAST = 1e-12  # the smallest sigma, as a share of that of the best constant


def best_scale(r, weights, epsilon):
    """The best sigma of residuals: sum of v_i r_i^2 within the bend, over what is left of the weights."""
    square = r * r
    best = dot(weights, square)  # squared; steps of Newton's on 1 / best, whose slope is concave, end at the root
    for _ in range(100):
        near = np.where(square <= epsilon**2 * best, weights, 0.0)
        inside, room = dot(near, square), 1 - epsilon**2 * (1 - float(near.sum()))
        if not 0 <= inside < (1 - 1e-15) * best * room:
            break
        best = inside / room
    return float(np.sqrt(best))


class _Scales:
    """The problem at one sigma after the other."""

    def __init__(self, design, y, epsilon, alpha, penalty, unit):
        self.design, self.y, self.epsilon = design, y / unit, epsilon
        self.total = design.total_weight
        self.l1, self.l2 = alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio) * unit
        bounds = (penalty.lower / unit, penalty.upper / unit) if penalty.bounded else (None, None)
        share = self.l1 / (self.l1 + 2 * self.l2) if alpha > 0 else penalty.l1_ratio
        self.penalty = FeatureL1L2(penalty.p, share, None if penalty.even else penalty.factor, *bounds)
        self.inner = inner(self.penalty, design)
        self.coef, self.state, self.n_iter = None, None, 0

    def strength(self, sigma):
        """Alpha of the generalised linear model, whose unit is 2 / sigma times the weights."""
        return (self.l1 + 2 * self.l2) * sigma / (2 * self.total)

    def objective(self, r, sigma, coef):
        size = np.abs(r) / sigma
        loss = np.where(size <= self.epsilon, size**2, 2 * self.epsilon * size - self.epsilon**2)
        charge = self.penalty.value(coef, self.l1 + 2 * self.l2)
        return self.total * sigma * (1 + dot(self.design.weights, loss)) + charge

    def fit(self, sigma, tol, max_iter):
        """The best coefficients at sigma: (state, residuals, slope of the objective in sigma / sum of weights)."""
        loss = Huber(self.epsilon * sigma)
        if self.state is None:
            self.state = ProxNewton(self.design, loss, self.y, self.inner, None, self.coef)
        else:
            self.state.exchange(loss, loss(np.full(len(self.y), self.center), self.y, self.design.weights)[0])
        state = self.state
        state.fit(self.strength(sigma), tol, max_iter)
        self.n_iter += state.steps
        r = self.y - state.predictor.linear - state.predictor.b
        inside = np.abs(r) <= self.epsilon * sigma
        s = self.design.weights
        slope = 1 - dot(s, np.where(inside, (r / sigma) ** 2, self.epsilon**2))
        return state, r, slope

    def gap(self, state, r, sigma):
        """(joint gap, objective, the best sigma of these residuals)."""
        best = max(best_scale(r, self.design.weights, self.epsilon), self.least)
        u = state.u  # of the model: 2 total / sigma times it is that of the objective
        s = self.design.weights
        some = s > 0
        size = float((u[some] ** 2 / s[some]).sum()) / sigma**2  # at most 1
        scale = 1 / np.sqrt(size) if size > 1 else 1.0
        charged = state.last * self.inner.l1_ratio * self.inner.factor > 0
        rounding = np.sqrt(self.design.sq_norms) * np.where(charged, 1e-15, 1e-9) * sigma
        shrink, charge, extra = dual_charge(scale * state.v, state.coef, self.inner, state.last, rounding)
        dual = (2 * self.total / sigma) * (shrink * scale * dot(u, self.y) - charge)
        if self.design.fit_intercept and abs(float(u.sum())) > 1e-9 * float(np.abs(u).sum()):
            dual, extra = 0.0, 0.0  # not feasible; 0 is
        primal = self.objective(r, best, state.coef)
        return max(primal - dual, 0.0) + extra * 2 * self.total / sigma, primal, best

    def solve(self, tol, max_iter):
        """(coef, intercept, sigma, gap, objective, null)."""
        design, y = self.design, self.y
        center = Huber(self.epsilon).null_raw(y, design.weights) if design.fit_intercept else 0.0
        self.least = 0.0
        sigma = best_scale(y - center, design.weights, self.epsilon)
        for _ in range(50 if design.fit_intercept else 0):  # the best constant and its scale
            if not sigma > 0:
                break
            center = Huber(self.epsilon * sigma).null_raw(y, design.weights)
            before, sigma = sigma, best_scale(y - center, design.weights, self.epsilon)
            if abs(sigma - before) <= 1e-12 * sigma:
                break
        self.center, self.least = center, max(LEAST * sigma, 1e-300)
        sigma = max(sigma, self.least)
        null = self.objective(y - center, sigma, np.zeros(design.p))
        low, high = self.least, np.inf  # the slope is negative at low, positive at high
        last, best = None, None
        # the slope in sigma is off by the root of what a fit lacks, and the joint gap in proportion to the slope
        finest, inner = max(tol * tol, 1e-15), ROUGH
        for _ in range(100):
            state, r, slope = self.fit(sigma, inner, max(1, max_iter - self.n_iter))
            gap, primal, own = self.gap(state, r, sigma)
            if best is None or gap < best[3]:
                best = state.coef.copy(), state.predictor.b, own, gap, primal
            if gap <= tol * null or self.n_iter >= max_iter:
                break
            low, high = (max(low, sigma), high) if slope < 0 else (low, min(high, sigma))
            if high <= low * (1 + 1e-9):  # a slope had the wrong sign: its fit was not good enough
                if inner <= 1e-14:
                    break
                inner, low, high, last, sigma = 0.01 * inner, self.least, np.inf, None, best[2]
                finest = min(finest, inner)
                continue
            inner = max(finest, min(0.1 * inner, 0.01 * slope * slope))
            # a secant through the last two slopes, on logarithms; at first the sigma that the residuals want
            guess = own
            if last is not None and (last[1] - slope) != 0 and last[0] != sigma:
                t = np.log(sigma) - slope * (np.log(last[0]) - np.log(sigma)) / (last[1] - slope)
                guess = float(np.exp(np.clip(t, -690, 690)))
            last = sigma, slope
            if not low < guess < high:
                guess = own if low < own < high else np.sqrt(low * high) if np.isfinite(high) else 2 * low
            sigma = max(np.clip(guess, 0.01 * sigma, 100 * sigma), self.least)
        return *best, null


def solve_huber(design, y, epsilon, alpha, penalty, *, tol=1e-5, max_iter=100, coef_init=None):
    """Minimise F, with ``alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) w_j^2)`` for a penalty.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
    epsilon : float >= 1
    alpha : float
    penalty : FeatureL1L2
        Its factor, bounds (in the units of X) and l1_ratio.
    tol : float, default=1e-5
        The gap is at most ``tol`` times the objective of the best constant.
    max_iter : int, default=100
        Newton steps, of all scales together.
    coef_init : ndarray of shape (p,), optional

    Returns
    -------
    Path, float
        Of one fit, and sigma.
    """
    y = np.ascontiguousarray(y, dtype=np.float64)
    middle = weighted_quantile(y, design.weights, 0.5) if design.fit_intercept else 0.0
    unit = dot(design.weights, np.abs(y - middle))
    if unit > 0:
        problem = _Scales(design, y - middle, float(epsilon), float(alpha), penalty, unit)
        if coef_init is not None:
            problem.coef = np.where(design.sq_norms > 0, coef_init * design.scale / unit, 0.0)
        *found, null = problem.solve(tol, max_iter)
        coef, b, sigma, gap, primal, null = (unit * value for value in (*found, null))
        n_iter = problem.n_iter
    else:  # a constant is perfect
        coef, b, sigma, gap, primal, null, n_iter = np.zeros(design.p), 0.0, TINY, 0.0, 0.0, 1.0, 1
    coefs, intercepts = design.unscale(coef[None], np.array([b + middle]))
    converged = gap <= max(tol, 1e-14) * null
    path = Path(
        np.array([alpha]), coefs, intercepts, np.array([gap]), np.array([primal]), null, np.array([n_iter]),
        np.array([converged]),
    )  # fmt: skip
    return path, sigma
