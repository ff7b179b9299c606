"""lasso_path and enet_path: the coefficients along a grid of alphas."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS, coef_dtype, warn_path_not_converged
from fastreg._validation import (
    check_alphas,
    check_arguments,
    check_bounds,
    check_finite_solution,
    check_path_data,
)
from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import alpha_grid, solve_path

# X and y have their own checks.
_CONSTRAINTS = {
    "l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")],
    "eps": [Interval(Real, 0.0, None, closed="neither")],
    "n_alphas": [Interval(Integral, 1, None, closed="left"), Hidden(StrOptions({"deprecated"}))],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like", None, Hidden(StrOptions({"warn"}))],
    "precompute": [StrOptions({"auto"}), "boolean", "array-like"],
    "Xy": ["array-like", None],
    "copy_X": ["boolean"],
    "coef_init": ["array-like", None],
    "verbose": ["verbose"],
    "return_n_iter": ["boolean"],
    "positive": ["boolean"],
    "check_input": ["boolean"],
    "fit_intercept": ["boolean"],
    "dense_output": ["boolean"],
    "tol": [Interval(Real, 0, np.inf, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "selection": [StrOptions({"cyclic", "random"})],
} | EXTRA_CONSTRAINTS


def _check(arguments, caller):
    arguments = {**arguments, **arguments["params"]}
    check_arguments(_CONSTRAINTS, {name: arguments[name] for name in _CONSTRAINTS if name in arguments}, caller)


@documented
def enet_path(
    X,
    y,
    *,
    l1_ratio=0.5,
    eps=1e-3,
    n_alphas="deprecated",
    alphas="warn",
    precompute="auto",
    Xy=None,
    copy_X=True,
    coef_init=None,
    verbose=False,
    return_n_iter=False,
    positive=False,
    check_input=True,
    penalty_factor=None,
    lower=None,
    upper=None,
    standardize=False,
    fit_intercept=False,
    dense_output=True,
    **params,
):
    """Compute the elastic net along a decreasing grid of alphas.

    Each alpha's objective is that of `ElasticNet`, for 2-D y that of `MultiTaskElasticNet`.

    Parameters
    ----------
    X : array-like or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    l1_ratio : float, default=0.5
    {eps}
    n_alphas : int
        Deprecated, use `alphas`.
    {alphas}
    precompute, Xy, copy_X, verbose
        Accepted for scikit-learn's sake, make no difference.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), default=None
        Where the first alpha starts from.
    return_n_iter : bool, default=False
    {positive}
        For 1-D y.
    check_input : bool, default=True
        False skips the checks of X and y, which must then be arrays of floats (or CSC).
    {factor_alpha}
    {bounds}
        For 1-D y.
    {standardize}
    fit_intercept : bool, default=False
        Fit an unpenalised intercept; it is ``average(y) - average(X, axis=0) @ coefs``, and not returned. The
        default is scikit-learn's: X and y are taken as centred.
    dense_output : bool, default=True
        False returns `coefs` for 1-D y as sparse CSC, which saves memory when X is wide.
    **params
        `tol` (default 1e-4, relative duality gap), `max_iter` (default 1000), `sample_weight`; and
        `random_state`, `selection`, `do_screening`, which make no difference.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        float32 for float32 X.
    dual_gaps : ndarray of shape (n_alphas,)
        In units of the objective.
    n_iters : list of int
        Only if `return_n_iter`.

    Raises
    ------
    ValueError
        Invalid parameters or data, or a fit that overflowed.
    """
    _check(locals(), "enet_path")
    grid = _grid_request(n_alphas, alphas)
    tol = params.pop("tol", 1e-4)
    max_iter = params.pop("max_iter", 1000)
    sample_weight = params.pop("sample_weight", None)
    if params.pop("X_offset", None) is not None and sparse.issparse(X):
        raise ValueError("X_offset is not supported; pass fit_intercept=True to centre sparse X.")
    for ignored in ("selection", "random_state", "do_screening", "X_scale"):
        params.pop(ignored, None)
    if params:
        raise ValueError("Unexpected parameters in params", params.keys())

    X, y, sample_weight = check_path_data(X, y, sample_weight, check_input)
    multitask = y.ndim == 2
    if multitask and (positive or lower is not None or upper is not None):
        raise ValueError("positive=True, lower and upper are not allowed for multi-output (y.ndim != 1)")

    design = Design(X, sample_weight, fit_intercept=fit_intercept, standardize=standardize)
    penalty = FeatureL1L2(X.shape[1], l1_ratio, *check_bounds(X.shape[1], penalty_factor, lower, upper, positive))
    if coef_init is not None:
        coef_init = np.ascontiguousarray(coef_init, dtype=np.float64)
    with np.errstate(all="ignore"):  # overflow shows in the result
        if isinstance(grid, Integral):
            if l1_ratio == 0:
                raise ValueError(NO_AUTOMATIC_GRID)
            grid = alpha_grid(design, y, penalty, eps=eps, n_alphas=grid, multitask=multitask)
        else:
            grid = check_alphas(grid)
        path = solve_path(
            design, y, grid, penalty, tol=tol, max_iter=max_iter, coef_init=coef_init, multitask=multitask
        )
        coefs = _coefs(path.coefs, coef_dtype(X), multitask or dense_output)
    check_finite_solution(coefs.data if sparse.issparse(coefs) else coefs, path.dual_gaps)
    warn_path_not_converged(path, tol)
    if return_n_iter:
        return grid, coefs, path.dual_gaps, path.n_iters.tolist()
    return grid, coefs, path.dual_gaps


def lasso_path(
    X,
    y,
    *,
    eps=1e-3,
    n_alphas="deprecated",
    alphas="warn",
    precompute="auto",
    Xy=None,
    copy_X=True,
    coef_init=None,
    verbose=False,
    return_n_iter=False,
    positive=False,
    penalty_factor=None,
    lower=None,
    upper=None,
    standardize=False,
    fit_intercept=False,
    dense_output=True,
    **params,
):
    """Compute the lasso along a decreasing grid of alphas.

    It is `enet_path` with ``l1_ratio=1``; parameters, returned values and errors are documented there.

    Examples
    --------
    >>> from fastreg import lasso_path
    >>> alphas, coefs, dual_gaps = lasso_path([[1, 2], [2, 1], [3, 1]], [1, 2, 3], alphas=[1.0, 0.1])
    >>> coefs.shape
    (2, 2)
    """
    _check(locals(), "lasso_path")
    return enet_path(
        X,
        y,
        l1_ratio=1.0,
        eps=eps,
        alphas=_grid_request(n_alphas, alphas),
        coef_init=coef_init,
        return_n_iter=return_n_iter,
        positive=positive,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        standardize=standardize,
        fit_intercept=fit_intercept,
        dense_output=dense_output,
        **params,
    )


NO_AUTOMATIC_GRID = (
    "An automatic grid of alphas starts where all coefficients become zero, and with l1_ratio=0 they "
    "never do; pass the values as alphas=[...]."
)


def _grid_request(n_alphas, alphas):
    """Sort out scikit-learn 1.9's two ways of asking for a grid: a number of alphas, or the alphas."""
    request = 100
    if not isinstance(n_alphas, str):
        warnings.warn(
            "'n_alphas' is deprecated, as in scikit-learn 1.9; pass the number as 'alphas'.",
            FutureWarning,
            stacklevel=3,
        )
        request = n_alphas
    if alphas is None:
        warnings.warn(
            "'alphas=None' is deprecated, as in scikit-learn 1.9; pass 'alphas=100'.",
            FutureWarning,
            stacklevel=3,
        )
    elif not isinstance(alphas, str):
        request = alphas
    return request


def _coefs(coefs, dtype, dense):
    """Put the grid last, as scikit-learn does."""
    if sparse.issparse(coefs):
        coefs = (coefs.toarray() if dense else coefs).astype(dtype, copy=False)
        return coefs.T
    coefs = np.moveaxis(coefs, 0, -1).astype(dtype, copy=False)
    return coefs if dense else sparse.csc_array(coefs)
