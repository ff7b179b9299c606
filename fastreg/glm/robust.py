"""HuberRegressor and QuantileRegressor."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS, LinearValues
from fastreg._stages import STAGE_CONSTRAINTS
from fastreg._validation import check_fit_data, check_offset, check_params
from fastreg.glm._base import LinearPredictor
from fastreg.solvers import solve_huber, solve_quantile
from fastreg.solvers.huber import best_scale


class RobustRegressor(LinearPredictor, LinearValues, BaseEstimator):
    """A linear regressor on errors that are not squared: what the classes share."""

    _keeps_float32 = False

    def _check(self, X, y, sample_weight, offset, scalar_weight):
        check_params(self)
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight, scalar_weight=scalar_weight)
        y = column_or_1d(y, warn=True)
        offset = check_offset(offset, X.shape[0])
        return X, y if offset is None else y - offset, sample_weight

    def _fit_one(self, solve, design, penalty, start=None):
        """Solve, set coefficients and certificate; returns the Path."""
        with np.errstate(all="ignore"):  # overflow shows in the result
            path = self._stages(solve, design, np.array([self.alpha]), penalty, coef_init=start)
        self._set_path(path, design.X)
        self.n_iter_ = self._certify(path, design, penalty, lambda *_: False, stacklevel=5)
        return path


@documented
class HuberRegressor(RobustRegressor):
    """Linear regression that outliers don't sway, with its scale estimated along.

    Minimises over w, b and sigma > 0, with weights v_i = sample_weight_i (1 without)::

        sum_i v_i (sigma + H((y_i - x_i w - b) / sigma) sigma) + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) w_j^2)

    with H(z) = z^2 for abs(z) < epsilon and 2 epsilon abs(z) - epsilon^2 beyond, subject to ``lower <= w <= upper``; f
    is `penalty_factor`. With ``l1_ratio=0``, no factors and no bounds this is scikit-learn's objective. The optimum is
    at most `dual_gap_` below the objective reached.

    Parameters
    ----------
    epsilon : float, default=1.35
        Errors beyond epsilon times the scale count as outliers; at least 1, where the best scale is 0.
    {newton_steps}
    alpha : float, default=0.0001
        Strength of the penalty.
    {warm_start}
    {fit_intercept}
    tol : float, default=1e-5
        The relative duality gap to reach, ``dual_gap_ <= tol * P(0)``, with P(0) the objective of the best constant
        (and its scale).
    l1_ratio : float, default=0.0
        Share of the L1 penalty, between 0 and 1.
    {penalty_factor}
    {bounds}
    {standardize}
    {adaptive}
    {relax}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    scale_ : float
        sigma; of a relaxed fit the best for its coefficients.
    outliers_ : ndarray of bool of shape (n_samples,)
        Rows whose error is beyond ``epsilon * scale_``.
    dual_gap_ : float
        In units of the objective.
    n_iter_ : int
        Newton steps.
    {converged}
    {fitted}

    Examples
    --------
    >>> from fastreg import HuberRegressor
    >>> HuberRegressor(alpha=0.0).fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0, 1, 2.1, 3, 40]).coef_.round(1)
    array([1.])
    """

    _parameter_constraints: dict = {
        "epsilon": [Interval(Real, 1.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        **EXTRA_CONSTRAINTS,
        **STAGE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        epsilon=1.35,
        max_iter=100,
        alpha=0.0001,
        warm_start=False,
        fit_intercept=True,
        tol=1e-5,
        l1_ratio=0.0,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.l1_ratio = l1_ratio
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.adaptive = adaptive
        self.relax = relax

    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a number counts as the weight of every row.
        offset : array-like of shape (n_samples,), default=None
            Added to the prediction of each row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        X, target, sample_weight = self._check(X, y, sample_weight, offset, True)
        design, penalty = self._problem(X, sample_weight, self.l1_ratio)
        options = {"tol": self.tol, "max_iter": max(1, self.max_iter)}

        def solve(design, alphas, penalty, coef_init=None):
            path, self.scale_ = solve_huber(
                design, target, self.epsilon, alphas[0], penalty, coef_init=coef_init, **options
            )
            return path

        path = self._fit_one(solve, design, penalty, self._start((X.shape[1],), penalty))
        errors = target - design.raw(path.coefs[0], path.intercepts[0])
        if self.relax < 1:
            self.scale_ = best_scale(errors, design.weights, self.epsilon)
        self.outliers_ = np.abs(errors) > self.epsilon * self.scale_
        return self


@documented
class QuantileRegressor(RobustRegressor):
    """Linear regression of a quantile, with L1, L2 and bounds; without L2 a linear program, solved to the last digit.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without) and r = y - Xw - b::

        sum_i s_i (quantile max(r_i, 0) + (1 - quantile) max(-r_i, 0))
            + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``, with f the `penalty_factor`. With ``l1_ratio=1``, no factors and no bounds this
    is scikit-learn's objective. The optimum is at most `dual_gap_` below the objective reached. Where several w reach
    it, any of them may come back.

    Parameters
    ----------
    quantile : float, default=0.5
        Between 0 and 1, both excluded.
    alpha : float, default=1.0
        Strength of the penalty.
    {fit_intercept}
    solver : str, default='highs'
        {no_difference}
    solver_options : dict, default=None
        {no_difference}
    tol : float, default=1e-8
        The relative duality gap to reach, ``dual_gap_ <= tol * P(0)``, with P(0) the objective of the best constant.
        Without an L2 part rounding is mostly all that is left.
    max_iter : int, default=1000
        Most interior-point steps, of all working sets together.
    l1_ratio : float, default=1.0
        Share of the L1 penalty, between 0 and 1.
    {penalty_factor}
    {bounds}
    {standardize}
    {adaptive}
    {relax}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    dual_gap_ : float
        In units of the objective.
    n_iter_ : int
        Interior-point steps.
    {converged}
    {fitted}

    Examples
    --------
    >>> from fastreg import QuantileRegressor
    >>> QuantileRegressor(alpha=0.0).fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [0, 1, 2, 3, 40]).coef_.round(6)
    array([1.])
    """

    _parameter_constraints: dict = {
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"highs-ds", "highs-ipm", "highs", "interior-point", "revised simplex"})],
        "solver_options": [dict, None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        **EXTRA_CONSTRAINTS,
        **STAGE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        quantile=0.5,
        alpha=1.0,
        fit_intercept=True,
        solver="highs",
        solver_options=None,
        tol=1e-8,
        max_iter=1000,
        l1_ratio=1.0,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.tol = tol
        self.max_iter = max_iter
        self.l1_ratio = l1_ratio
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.adaptive = adaptive
        self.relax = relax

    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; only their proportions matter.
        offset : array-like of shape (n_samples,), default=None
            Added to the prediction of each row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        X, target, sample_weight = self._check(X, y, sample_weight, offset, False)
        design, penalty = self._problem(X, sample_weight, self.l1_ratio)
        options = {"tol": self.tol, "max_iter": self.max_iter}

        def solve(design, alphas, penalty, coef_init=None):
            return solve_quantile(design, target, self.quantile, alphas, penalty, **options)

        self._fit_one(solve, design, penalty)
        return self
