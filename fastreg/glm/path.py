"""glm_path: coefficients of a generalised linear model along a grid of alphas."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS, warn_path_not_converged
from fastreg._validation import (
    check_alphas,
    check_arguments,
    check_bounds,
    check_finite_solution,
    check_groups,
    check_offset,
    check_path_data,
)
from fastreg.design import Design
from fastreg.glm.generalized import CONSTRAINTS, smooth
from fastreg.model_selection import degrees_of_freedom
from fastreg.penalties.features import FeatureL1L2
from fastreg.penalties.linear import feature_penalty, linear_penalty
from fastreg.solvers import glm_alpha_grid, solve_glm

_CONSTRAINTS = {
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, None, closed="neither")],
    "penalty": CONSTRAINTS["penalty"],
    "groups": CONSTRAINTS["groups"],
    "fit_intercept": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "df": ["boolean"],
} | EXTRA_CONSTRAINTS


@documented
def glm_path(
    X,
    y,
    loss="logistic",
    *,
    penalty=None,
    l1_ratio=1.0,
    alphas=100,
    eps=1e-3,
    sample_weight=None,
    offset=None,
    fit_intercept=True,
    groups=None,
    penalty_factor=None,
    lower=None,
    upper=None,
    standardize=False,
    tol=1e-4,
    max_iter=100,
    df=False,
):
    """Fit a generalised linear model along decreasing alphas, each from the one before.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``; f is `penalty_factor`. `penalty` puts another one in the place of L1 and L2.

    Parameters
    ----------
    X : array-like, dataframe or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Numbers; for the logistic loss from 0 to 1.
    loss : {'logistic', 'poisson', 'gamma', 'tweedie', 'squared', 'huber'} or one of these losses, default='logistic'
        As in `fastreg.losses`, which has their parameters (``Tweedie(power=1.7)``).
    penalty : penalty or str, default=None
        As in `GeneralizedLinearRegressor`, with the alphas of the grid in place of its own. None is L1 and L2.
    l1_ratio : float, default=1.0
        Share of L1 where `penalty` is None.
    alphas : int or array-like of shape (n_alphas,), default=100
        The grid, or its length: then it runs from the smallest alpha whose penalised coefficients are all 0 down to
        `eps` times that.
    eps : float, default=1e-3
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like of shape (n_samples,), default=None
    {fit_intercept}
    {groups}
    penalty_factor, lower, upper, standardize
        As in `PoissonRegressor`.
    tol : float, default=1e-4
        Relative duality gap of every fit, or its estimate: see `GeneralizedLinearRegressor`.
    max_iter : int, default=100
        Most Newton steps for an alpha.
    df : bool, default=False
        Whether the path gets degrees of freedom (n_alphas,) in ``df``, without the intercept: the number of
        coefficients or, where the penalty is curved (L2, groups, ExpAbs), the trace of the hat matrix; for SLOPE the
        number of different sizes. See `fastreg.model_selection.degrees_of_freedom` for the sources.

    Returns
    -------
    fastreg.solvers.Path
        With ``alphas``, decreasing, ``coefs`` (n_alphas, n_features), and ``intercepts``, ``dual_gaps``, ``primals``
        (the objectives), ``n_iters`` and ``converged``, all (n_alphas,); ``null`` is that of the best constant.
        ``violations`` (n_alphas,) is `stationarity_` where a `penalty` is given.

    Raises
    ------
    ValueError
        Invalid arguments or data, a y outside of the loss's range, or a fit that overflowed.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastreg import glm_path
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> path = glm_path(X, y, "logistic", alphas=20, standardize=True)
    >>> path.coefs.shape
    (20, 30)
    """
    given = locals()
    check_arguments(_CONSTRAINTS, {name: given[name] for name in _CONSTRAINTS}, "glm_path")
    loss = smooth(loss, "glm_path")
    X, y, sample_weight = check_path_data(X, y, sample_weight)
    y = column_or_1d(y, warn=True)
    loss.valid(y)
    offset = check_offset(offset, len(y))
    p = X.shape[1]
    bounds = check_bounds(p, penalty_factor, lower, upper)
    if penalty is None:
        penalty = FeatureL1L2(p, l1_ratio, *bounds)
    else:
        penalty = feature_penalty(linear_penalty(penalty), p, *bounds, check_groups(groups, p))[1]
    design = Design(X, sample_weight, fit_intercept=fit_intercept, standardize=standardize)
    with np.errstate(all="ignore"):  # overflow shows in the result
        if isinstance(alphas, Integral):
            alphas = glm_alpha_grid(design, loss, y, penalty, offset=offset, eps=eps, n_alphas=alphas)
        path = solve_glm(design, loss, y, check_alphas(alphas), penalty, offset=offset, tol=tol, max_iter=max_iter)
    check_finite_solution(path.coefs, path.intercepts, path.dual_gaps)
    if df:
        shift = 0.0 if offset is None else offset
        fits = zip(path.coefs, path.intercepts, strict=True)
        curvatures = [loss(design.raw(w, b) + shift, y, design.weights)[2] for w, b in fits]
        path.df = degrees_of_freedom(design, path.coefs, path.alphas, penalty, curvatures)
    warn_path_not_converged(path, tol)
    return path
