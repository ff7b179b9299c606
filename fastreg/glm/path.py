"""glm_path: coefficients of a generalised linear model along a grid of alphas."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import Interval

from fastreg._validation import check_alphas, check_arguments, check_bounds, check_finite_solution, check_path_data
from fastreg.design import Design
from fastreg.glm._base import EXTRA_CONSTRAINTS
from fastreg.losses import Gamma, Logistic, Poisson, Squared, Tweedie, get_loss
from fastreg.model_selection import degrees_of_freedom
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import glm_alpha_grid, solve_glm

_CONSTRAINTS = {
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, None, closed="neither")],
    "fit_intercept": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "df": ["boolean"],
} | EXTRA_CONSTRAINTS


def glm_path(
    X,
    y,
    loss="logistic",
    *,
    l1_ratio=1.0,
    alphas=100,
    eps=1e-3,
    sample_weight=None,
    offset=None,
    fit_intercept=True,
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

    subject to ``lower <= w <= upper``; f is `penalty_factor`.

    Parameters
    ----------
    X : array-like, dataframe or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Numbers; for the logistic loss from 0 to 1.
    loss : {'logistic', 'poisson', 'gamma', 'tweedie', 'squared'} or one of these losses, default='logistic'
        As in `fastreg.losses`, which has their parameters (``Tweedie(power=1.7)``).
    l1_ratio : float, default=1.0
    alphas : int or array-like of shape (n_alphas,), default=100
        The grid, or its length: then it runs from the smallest alpha whose penalised coefficients are all 0 down to
        `eps` times that.
    eps : float, default=1e-3
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like of shape (n_samples,), default=None
    fit_intercept : bool, default=True
    penalty_factor, lower, upper, standardize
        As in `PoissonRegressor`.
    tol : float, default=1e-4
        Relative duality gap of every fit.
    max_iter : int, default=100
        Most Newton steps for an alpha.
    df : bool, default=False
        Whether the path gets degrees of freedom (n_alphas,) in ``df``, without the intercept: the number of
        coefficients or, with an L2 part, the trace of the hat matrix.

    Returns
    -------
    fastreg.solvers.Path
        With ``alphas``, decreasing, ``coefs`` (n_alphas, n_features), and ``intercepts``, ``dual_gaps``, ``primals``
        (the objectives), ``n_iters`` and ``converged``, all (n_alphas,); ``null`` is that of the best constant.

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
    loss = get_loss(loss)
    if not isinstance(loss, (Squared, Logistic, Poisson, Gamma, Tweedie)):
        raise ValueError(f"glm_path needs a loss with curvature and one output, but got loss={loss.name!r}.")
    X, y, sample_weight = check_path_data(X, y, sample_weight)
    y = column_or_1d(y, warn=True)
    loss.valid(y)
    if offset is not None:
        offset = check_array(offset, ensure_2d=False, dtype=np.float64, input_name="offset")
        if offset.shape != y.shape:
            raise ValueError(f"offset has shape {offset.shape}, but X has {len(y)} rows; pass one number a row.")
    penalty = FeatureL1L2(X.shape[1], l1_ratio, *check_bounds(X.shape[1], penalty_factor, lower, upper))
    design = Design(X, sample_weight, fit_intercept=fit_intercept, standardize=standardize)
    with np.errstate(all="ignore"):  # overflow shows in the result
        if isinstance(alphas, Integral):
            alphas = glm_alpha_grid(design, loss, y, penalty, offset=offset, eps=eps, n_alphas=alphas)
        path = solve_glm(design, loss, y, check_alphas(alphas), penalty, offset=offset, tol=tol, max_iter=max_iter)
    check_finite_solution(path.coefs, path.intercepts, path.dual_gaps)
    if df:
        curvatures = [
            loss(np.asarray(X @ w + b + (0.0 if offset is None else offset)), y, design.weights)[2]
            for w, b in zip(path.coefs, path.intercepts, strict=True)
        ]
        path.df = degrees_of_freedom(design, path.coefs, path.alphas, penalty, curvatures)
    if not path.converged.all():
        worst = float((path.dual_gaps / path.null).max())
        warnings.warn(
            f"glm_path did not converge for {np.sum(~path.converged)} of {len(path.alphas)} alphas: relative duality "
            f"gap up to {worst:.1e}, tol={tol:g}. Increase max_iter or tol, put the features on one scale "
            "(standardize=True), or end at a larger alpha.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return path
