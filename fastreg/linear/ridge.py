"""Ridge."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS, warn_not_converged
from fastreg._validation import check_bounds, check_finite_solution, check_fit_data, check_params, check_strength
from fastreg.linear._base import LinearRegressor
from fastreg.solvers.ridge import solve_ridge

SOLVERS = {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}

RIDGE_CONSTRAINTS = {
    "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
    "fit_intercept": ["boolean"],
    "copy_X": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left"), None],
    "tol": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions(SOLVERS)],
    "positive": ["boolean"],
    "random_state": ["random_state"],
} | EXTRA_CONSTRAINTS


@documented
class Ridge(LinearRegressor):
    """Least squares with an L2 penalty, in closed form.

    Minimises, with weights sw_i (1 without `sample_weight`)::

        sum_i sw_i (y_i - x_i w - b)^2 + alpha sum_j f_j w_j^2

    subject to ``lower <= w <= upper``; f is `penalty_factor`. Without factors and bounds this is
    scikit-learn's objective. Every fit ends with a certificate: the optimum is at most `dual_gap_` below the
    objective reached.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty, for all targets or one a target. At 0 the answer is least squares, of minimum
        norm where that is not unique.
    {fit_intercept}
    {copy_X}
    max_iter : int or None, default=None
        Most iterations of the iterative methods; None leaves it to them. Closed forms have none.
    tol : float, default=1e-4
        The relative duality gap that is guaranteed, ``dual_gap_ <= tol * P(0)`` with P(0) the objective of
        the best constant. Closed forms end at rounding error whatever it is; the iterative methods aim ten
        thousand times lower, as the gap is quadratic in the error of the coefficients.
    solver : {'auto', 'svd', 'cholesky', 'lsqr', 'sparse_cg', 'sag', 'saga', 'lbfgs'}, default='auto'
        Accepted for scikit-learn's sake, makes no difference: they all have one answer, and the way to it
        follows from the shape of X. `solver_` says which it was.
    {positive}
    {random_state}
    {factor_alpha}
    {bounds}
    {standardize}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        float32 for float32 X.
    intercept_ : float or ndarray of shape (n_targets,)
    {gap_each}
    n_iter_ : None or ndarray of shape (n_targets,)
        None for a closed form.
    converged_ : bool
        Whether every target reached `tol`.
    solver_ : {'cholesky', 'svd', 'eigen', 'sparse_cg', 'coordinate_descent'}
        What ran: Cholesky of the smaller Gram; singular values where that is singular; eigenvalues for many
        different alphas or singular wide X; conjugate gradients for big sparse X; coordinate descent for
        bounds.
    {fitted}

    Notes
    -----
    The gap is primal minus dual, with two exceptions. Where the penalty is so small that rounding in the dual
    bound exceeds 1e-10 of the objective, it is what a Newton step would still gain. For conjugate gradients
    with alpha = 0 or over 500 unpenalised features it is an estimate, as there is no bound to be had.

    Examples
    --------
    >>> from fastreg import Ridge
    >>> model = Ridge(alpha=0.5).fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> model.solver_, model.converged_
    ('cholesky', True)
    """

    _parameter_constraints: dict = RIDGE_CONSTRAINTS

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        solver="auto",
        positive=False,
        random_state=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Any real dtype and strides, read-only or memory-mapped; CSC is used as it is, other sparse formats
            are converted to CSC.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative. The loss is a sum, so their scale matters: twice the weights is half the alpha.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        check_params(self)
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight, scalar_weight=True)
        return fit_ridge(self, X, y, sample_weight)


def fit_ridge(estimator, X, y, sample_weight):
    """Fit validated data with the parameters of `estimator` (a `Ridge` or `RidgeClassifier`)."""
    n_features = X.shape[1]
    bounds = check_bounds(n_features, estimator.penalty_factor, estimator.lower, estimator.upper, estimator.positive)
    alpha = check_strength(estimator.alpha, 1 if y.ndim == 1 else y.shape[1])
    design = estimator._design(X, sample_weight)
    result = solve_ridge(design, y, alpha, *bounds, tol=estimator.tol, max_iter=estimator.max_iter)
    return set_fitted(estimator, X, y, result)


def set_fitted(estimator, X, y, result):
    """Set `coef_` and its company from a `RidgeResult`, and warn if it did not converge."""
    coef, intercept, gap = result.coef, result.intercept, result.dual_gap
    with np.errstate(over="ignore"):  # of float32
        coef, intercept = (part.astype(estimator._dtype(X), copy=False) for part in (coef, intercept))
    check_finite_solution(coef, intercept, gap)
    if y.ndim == 2 and y.shape[1] == 1:  # scikit-learn's shapes
        coef, gap = coef[0], gap.item()
    estimator.coef_ = coef
    estimator.intercept_ = intercept if estimator.fit_intercept else 0.0
    estimator.dual_gap_ = gap
    estimator.n_iter_ = None if result.n_iter is None else np.atleast_1d(result.n_iter)
    estimator.converged_ = result.converged
    estimator.solver_ = result.method
    if not result.converged:
        n_iter = 0 if result.n_iter is None else int(np.max(result.n_iter))
        warn_not_converged(estimator, gap, result.null, n_iter)
    return estimator
