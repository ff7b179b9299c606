"""Generalised linear models along a grid of alphas, with warm starts."""

import numpy as np

from .composite import CompositeNewton
from .prox_newton import ProxNewton
from .result import Path


def _check_finite(*values):
    if not all(np.isfinite(v) for v in values):
        raise ValueError(
            "The loss overflows at the best constant, or at 0 without an intercept: y or offset hold values too large "
            "for it; rescale them."
        )


def _inner(penalty, design):
    """The penalty in the units of X̃; without bounds the column statistics are not needed for it."""
    return penalty.scaled(design.scale) if penalty.bounded else penalty


def _solver(penalty):
    return CompositeNewton if penalty.composite else ProxNewton


def glm_alpha_grid(design, loss, y, penalty, *, offset=None, eps=1e-3, n_alphas=100):
    """Decreasing log grid from the smallest alpha with all penalised coefficients 0 to ``eps`` times that."""
    state = _solver(penalty)(design, loss, y, _inner(penalty, design), offset)
    top = max(state.alpha_max(), np.finfo(np.float64).resolution)
    return top * np.exp(np.linspace(0, np.log(eps), n_alphas)) if n_alphas > 1 else np.array([top])


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
    y = np.ascontiguousarray(y, dtype=np.float64)
    start = None
    if coef_init is not None:
        start = np.where(design.sq_norms > 0, np.asarray(coef_init, dtype=np.float64) * design.scale, 0.0)
    state = _solver(penalty)(design, loss, y, _inner(penalty, design), offset, start)
    _check_finite(state.null)
    coefs, intercepts, fits, aims, off = [], [], [], [], []
    for alpha in alphas:
        fits.append(state.fit(alpha, 0.9 * tol, max_iter))
        aims.append(max(tol, 1e-14) * state.null)
        coefs.append(state.coef.copy())
        intercepts.append(state.intercept)
        if penalty.composite:
            off.append(state.penalty.violation(state.v, state.coef, alpha).max())
    gaps, primals, iters = (np.array(part) for part in zip(*fits, strict=True))
    coefs, intercepts = design.unscale(np.array(coefs), np.array(intercepts))
    # the objective may be 0 (no error left), and the gap with it
    converged = gaps <= np.maximum(aims, 1e-14)
    return Path(alphas, coefs, intercepts, gaps, primals, state.null, iters, converged, np.array(off) if off else None)
