"""Generalised linear models for cross-validation: a path for each fold.

A fold is the whole X with weight 0 on the rows that it does not train on: nothing is copied, and the predictions for
its test rows are there when a fit ends, without another pass over X.
"""

from dataclasses import dataclass

import numpy as np

from .glm_path import Trail, follow_side_by_side, follow_together, generalized_linear
from .multinomial_path import multinomial
from .prox_newton import is_small
from .ridge_glm import shares_steps


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

    @classmethod
    def of(cls, paths, scores):
        """From the Paths of each fold, one a penalty."""
        names = ("coefs", "intercepts", "dual_gaps", "n_iters", "converged")
        tables = {name: np.array([[getattr(path, name) for path in fold] for fold in paths]) for name in names}
        return cls(scores=scores, nulls=np.array([fold[0].null for fold in paths]), **tables)


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
    penalties : list of L FeatureL1L2, or any for `solve_glm` or `solve_multinomial`
        In the units of X.
    n_classes : int, optional
        Multinomial models for class numbers y; their loss is the softmax loss, whatever ``loss`` says.
    offset : ndarray of shape (n,), or (n, n_classes) for multinomial models, optional
    tol, max_iter : float, int
        As for `solve_glm`.
    measure : callable, optional
        ``measure(fold, raw)`` gets the number of a fold and the raw predictions of its test rows, offset included, for
        each alpha, (K, n_test) or (K, n_test, T); it returns K numbers.

    Returns
    -------
    FoldPaths
    """
    alphas = np.asarray(alphas, dtype=np.float64)
    alphas = np.broadcast_to(alphas, (len(folds), len(penalties), alphas.shape[-1]))
    weight = np.ones(design.n) if weight is None else weight
    parts = [design.fold(train, weight) for train, _ in folds]
    tests = [test for _, test in folds]

    def start(part, penalty):
        if n_classes:
            return multinomial(part, y, n_classes, penalty, offset=offset)
        return generalized_linear(part, loss, y, penalty, offset=offset)

    paths, scores = [[] for _ in folds], np.empty(alphas.shape)
    for i, penalty in enumerate(penalties):
        grids = alphas[:, i]
        small = is_small(design) and not penalty.composite
        if not n_classes and (small or shares_steps(design, loss, penalty)):
            trails = [Trail(start(part, penalty), test) for part, test in zip(parts, tests, strict=True)]
            follow = follow_side_by_side if small else follow_together
            follow(trails, grids, tol, max_iter)
        else:  # one after another: only one fold's working set has to be held
            trails = (
                Trail(start(part, penalty), test).follow(grid, tol, max_iter)
                for part, test, grid in zip(parts, tests, grids, strict=True)
            )
        for k, trail in enumerate(trails):
            paths[k].append(trail.path(grids[k], tol))
            if measure is not None:
                scores[k, i] = measure(k, np.array(trail.raw))

    return FoldPaths.of(paths, None if measure is None else scores)
