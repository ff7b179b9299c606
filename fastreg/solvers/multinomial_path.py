"""Multinomial models along a grid of alphas, with warm starts."""

import numpy as np

from .glm_path import Trail, log_grid
from .multinomial import Multinomial
from .multinomial_groups import GroupedMultinomial


def multinomial(design, y, n_classes, penalty, coef=None, offset=None):
    """What solves the problem under the penalty, given in the units of X."""
    design.scale  # noqa: B018  the statistics are there from here on
    kind = GroupedMultinomial if penalty.composite else Multinomial
    y, inner = np.ascontiguousarray(y, dtype=np.float64), penalty.scaled(design.scale)
    return kind(design, y, n_classes, inner, coef, offset)


def multinomial_alpha_grid(design, y, n_classes, penalty, *, offset=None, eps=1e-3, n_alphas=100):
    """As `glm_alpha_grid`."""
    return log_grid(multinomial(design, y, n_classes, penalty, offset=offset).alpha_max(), eps, n_alphas)


def solve_multinomial(
    design, y, n_classes, alphas, penalty, *, offset=None, tol=1e-4, max_iter=100, coef_init=None
):  # fmt: skip
    """Minimise the mean cross-entropy of K classes and ``alpha sum_k penalty(w_k)`` for each of the decreasing alphas.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,)
        Class numbers.
    n_classes : int
    alphas : ndarray
    penalty : FeatureL1L2 or FeatureGroups
        In the units of X; of each class. A group's norm is over all classes.
    offset : ndarray of shape (n, K), optional
        Added to the raw predictions.
    tol, max_iter : float, int
        As for `solve_glm`; an iteration is a step of every class.
    coef_init : ndarray of shape (K, p), optional

    Returns
    -------
    Path
        ``coefs`` (n_alphas, K, p), intercepts (n_alphas, K) of mean 0.
    """
    alphas = np.ascontiguousarray(alphas, dtype=np.float64)
    start = None if coef_init is None else np.where(design.sq_norms > 0, coef_init * design.scale, 0.0)
    state = multinomial(design, y, n_classes, penalty, start, offset)
    return Trail(state).follow(alphas, tol, max_iter).path(alphas, tol)
