"""Generalised linear models for cross-validation: a path for each fold.

A fold is the whole X with weight 0 on the rows that it does not train on: nothing is copied, and the predictions for
its test rows are there when a fit ends, without another pass over X.
"""

from dataclasses import dataclass

import numpy as np

from ..design import Design
from .glm_path import _check_finite, _inner
from .multinomial import Multinomial
from .prox_newton import ProxNewton


@dataclass
class FoldPaths:
    """What `glm_fold_paths` returns, for F folds, L penalties and K alphas (T classes, if there are more than two).

    ``coefs`` (F, L, K, p) or (F, L, K, T, p) and ``intercepts`` (F, L, K) or (F, L, K, T), in the units of X;
    ``scores`` (F, L, K), what ``measure`` said, or None; ``dual_gaps``, ``n_iters`` and ``converged``, each (F, L, K);
    ``nulls`` (F,), the objective at 0 that a fold's tolerance refers to.
    """

    coefs: np.ndarray
    intercepts: np.ndarray
    scores: np.ndarray | None
    dual_gaps: np.ndarray
    n_iters: np.ndarray
    converged: np.ndarray
    nulls: np.ndarray


def glm_fold_paths(
    design, loss, y, weight, folds, alphas, penalties, *, n_classes=None, offset=None, tol=1e-4, max_iter=100,
    measure=None,
):  # fmt: skip
    """Solve along a grid of alphas, with warm starts, on the training rows of each fold.

    A fold's objective is that of `solve_glm` (or `solve_multinomial`) with the weights of its training rows, scaled to
    sum to 1, and 0 for all others.

    Parameters
    ----------
    design : Design
        Of all rows; its weights are not used.
    loss : Loss
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,), or None for 1
    folds : list of (train, test)
        Row numbers. A row that is twice in ``train`` counts twice.
    alphas : ndarray that broadcasts to (F, L, K)
        Decreasing along the last axis.
    penalties : list of L FeatureL1L2
        In the units of X.
    n_classes : int, optional
        Multinomial models for class numbers y; their loss is the softmax loss, whatever ``loss`` says.
    offset : ndarray of shape (n,), optional
        Not for multinomial models.
    tol, max_iter : float, int
        As for `solve_glm`.
    measure : callable, optional
        ``measure(fold, raw)`` gets the number of a fold and the raw predictions of its test rows, offset included, for
        each alpha, (K, n_test) or (K, n_test, T); it returns K numbers.

    Returns
    -------
    FoldPaths
    """
    n = design.n
    y = np.ascontiguousarray(y, dtype=np.float64)
    alphas = np.asarray(alphas, dtype=np.float64)
    alphas = np.broadcast_to(alphas, (len(folds), len(penalties), alphas.shape[-1]))
    weight = np.ones(n) if weight is None else weight
    rows = []
    for k, (train, test) in enumerate(folds):
        mask = np.bincount(train, minlength=n) * weight
        part = Design(design.X, mask, fit_intercept=design.fit_intercept, standardize=design.standardize)
        rows.append([])
        for grid, penalty in zip(alphas[k], penalties, strict=True):
            path, raw = _fold_path(part, loss, y, n_classes, test, grid, penalty, offset, tol, max_iter)
            rows[k].append((*path, 0.0 if measure is None else measure(k, raw)))

    def table(i):
        return np.array([[row[i] for row in fold] for fold in rows])

    coefs, intercepts, gaps, n_iters, converged, nulls = (table(i) for i in range(6))
    scores = None if measure is None else table(6)
    return FoldPaths(coefs, intercepts, scores, gaps, n_iters, converged, nulls[:, 0])


def _fold_path(design, loss, y, n_classes, test, alphas, penalty, offset, tol, max_iter):
    """((coefs, intercepts, gaps, n_iters, converged, null), raw predictions of the test rows) of a fold and penalty."""
    if n_classes:
        design.scale  # noqa: B018  the statistics are there from here on
        state = Multinomial(design, y, n_classes, penalty.scaled(design.scale))
    else:
        state = ProxNewton(design, loss, y, _inner(penalty, design), offset)
    _check_finite(state.null)
    coefs, intercepts, fits, aims, raw = [], [], [], [], []
    for alpha in alphas:
        fits.append(state.fit(alpha, 0.9 * tol, max_iter))
        aims.append(max(tol, 1e-14) * state.null)
        if n_classes:
            coefs.append(state.coef)
            intercepts.append(state.intercepts)
            raw.append(state.raw()[:, test].T)
        else:
            predictor = state.predictor
            coefs.append(state.coef.copy())
            intercepts.append(state.intercept)
            raw.append(predictor.linear[test] + predictor.b + predictor.offset[test])
    gaps, _, n_iters = (np.array(part) for part in zip(*fits, strict=True))
    coefs, intercepts = design.unscale(np.array(coefs), np.array(intercepts))
    if n_classes and design.fit_intercept:  # any shift gives the same predictions
        intercepts = intercepts - intercepts.mean(axis=-1, keepdims=True)
    converged = gaps <= np.maximum(aims, 1e-14)
    return (coefs, intercepts, gaps, n_iters, converged, state.null), np.array(raw)
