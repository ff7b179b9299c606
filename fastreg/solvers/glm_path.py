"""Generalised linear models along a grid of alphas, with warm starts."""

import numpy as np

from .composite import CompositeNewton
from .prox_newton import GOAL, ProxNewton
from .result import Path
from .ridge_glm import Together, shares_steps
from .small_newton import descend_together

SHARE = 0.9  # of the tolerance: what rounding adds to a gap is not to make it too large


def _check_finite(*values):
    if not all(np.isfinite(v) for v in values):
        raise ValueError(
            "The loss overflows at the best constant, or at 0 without an intercept: y or offset hold values too large "
            "for it; rescale them."
        )


def inner(penalty, design):
    """The penalty in the units of X̃; without bounds the column statistics are not needed for it."""
    return penalty.scaled(design.scale) if penalty.bounded else penalty


def generalized_linear(design, loss, y, penalty, coef=None, offset=None):
    """What solves the problem under the penalty, given in the units of X."""
    kind = CompositeNewton if penalty.composite else ProxNewton
    return kind(design, loss, np.ascontiguousarray(y, dtype=np.float64), inner(penalty, design), offset, coef)


def glm_alpha_grid(design, loss, y, penalty, *, offset=None, eps=1e-3, n_alphas=100):
    """Decreasing log grid from the smallest alpha with all penalised coefficients 0 to ``eps`` times that."""
    return log_grid(generalized_linear(design, loss, y, penalty, offset=offset).alpha_max(), eps, n_alphas)


def log_grid(top, eps, n_alphas):
    """From ``top`` down to ``eps`` times that."""
    top = max(top, np.finfo(np.float64).resolution)
    return top * np.exp(np.linspace(0, np.log(eps), n_alphas)) if n_alphas > 1 else np.array([top])


class Trail:
    """The fits of a state, alpha by alpha, and the path that they make.

    Parameters
    ----------
    state : ProxNewton, CompositeNewton or Multinomial
    rows : ndarray of int, optional
        Rows whose raw predictions are kept, in ``raw``.
    """

    def __init__(self, state, rows=None):
        _check_finite(state.null)
        self.state, self.rows = state, rows
        self.coefs, self.intercepts, self.fits, self.nulls, self.off, self.raw = [], [], [], [], [], []

    def add(self, alpha, fit):
        """The state as it is now, after a fit that returned (gap, primal, n_iter)."""
        state = self.state
        self.fits.append(fit)
        self.nulls.append(state.null)  # it may fall
        self.coefs.append(np.array(state.coef))
        self.intercepts.append(state.intercept)
        if state.penalty.composite:
            self.off.append(state.penalty.violation(state.v, state.coef, alpha).max())
        if self.rows is not None:
            self.raw.append(state.raw()[..., self.rows].T)

    def follow(self, alphas, tol, max_iter):
        """Fit at each alpha, from where the last fit ended."""
        for alpha in alphas:
            self.add(alpha, self.state.fit(alpha, SHARE * tol, max_iter))
        return self

    def path(self, alphas, tol):
        """The Path, in the units of X."""
        design, null = self.state.design, self.state.null
        gaps, primals, iters = (np.array(part) for part in zip(*self.fits, strict=True))
        coefs, intercepts = design.unscale(np.array(self.coefs), np.array(self.intercepts))
        if intercepts.ndim == 2 and design.fit_intercept:  # any shift of all classes gives the same predictions
            intercepts = intercepts - intercepts.mean(axis=1, keepdims=True)
        # the objective may be 0 (no error left), and the gap with it
        converged = gaps <= np.maximum(max(tol, 1e-14) * np.array(self.nulls), 10 * self.state.least)
        off = np.array(self.off) if self.off else None
        return Path(alphas, coefs, intercepts, gaps, primals, null, iters, converged, off)


def follow_together(trails, grids, tol, max_iter):
    """Fit at each alpha of every trail's grid, with steps that all of them share."""
    steps = Together([trail.state for trail in trails])
    for alphas in grids.T:
        fits = steps.fit(alphas, SHARE * tol, max_iter)
        for trail, fit, alpha in zip(trails, fits, alphas, strict=True):
            trail.add(alpha, fit)
    return trails


def follow_side_by_side(trails, grids, tol, max_iter):
    """The same for few columns and rows: all trails in one compiled loop, then their fits are certified."""
    states = [trail.state for trail in trails]
    aims = [state.aim(SHARE * tol, np.inf) for state in states]
    for state, aim in zip(states, aims, strict=True):
        state.prepare(aim, max_iter)
    problems = [state.small for state in states]
    starts = [state.predictor for state in states], [state.coef for state in states]
    runs = descend_together(problems, *starts, grids, [GOAL * aim for aim in aims], max_iter)
    for trail, grid, run in zip(trails, grids, runs, strict=True):
        for alpha, coef, linear, intercept, steps in zip(grid, *run, strict=True):
            trail.state.place(coef, linear, intercept)
            gap, primal, _ = trail.state.fit(alpha, SHARE * tol, max_iter)
            trail.add(alpha, (gap, primal, steps + trail.state.steps))
    return trails


def solve_glm(design, loss, y, alphas, penalty, *, offset=None, tol=1e-4, max_iter=100, coef_init=None):
    """Minimise ``sum_i s_i l(x_i w + b + offset_i, y_i) + alpha penalty(w)`` for each of the decreasing ``alphas``.

    Parameters
    ----------
    design : Design
    loss : Loss, or its name
    y : ndarray of shape (n,)
    alphas : ndarray of shape (K,)
    penalty : FeatureL1L2, FeatureSeparable, FeatureGroups or FeatureSorted
        In the units of X.
    offset : ndarray of shape (n,), optional
        Added to the raw predictions.
    tol : float, default=1e-4
        A fit's gap is at most ``tol`` times the objective of the best constant (without an intercept, which can't reach
        that: times what is reached, if it is more).
    max_iter : int, default=100
        Newton steps an alpha.
    coef_init : ndarray of shape (p,), optional
        Start, in the units of X.

    Returns
    -------
    Path
    """
    alphas = np.ascontiguousarray(alphas, dtype=np.float64)
    start = None
    if coef_init is not None:
        start = np.where(design.sq_norms > 0, np.asarray(coef_init, dtype=np.float64) * design.scale, 0.0)
    trail = Trail(generalized_linear(design, loss, y, penalty, start, offset))
    if shares_steps(design, loss, penalty):
        follow_together([trail], alphas[None], tol, max_iter)
    else:
        trail.follow(alphas, tol, max_iter)
    return trail.path(alphas, tol)
