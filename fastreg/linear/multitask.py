"""MultiTaskElasticNet and MultiTaskLasso: several targets that share their features."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg._docs import documented
from fastreg._validation import check_fit_data, check_params
from fastreg.linear._base import SparseLinearRegressor
from fastreg.linear.paths import enet_path
from fastreg.penalties.features import FeatureL1L2


@documented
class MultiTaskElasticNet(SparseLinearRegressor):
    """Linear regression of several targets, L1/L2 norm and L2 penalty: a feature serves all or none.

    Minimises over W of shape (n_features, n_targets), with weights s_i = sample_weight_i / sum(sample_weight)
    (1 / n_samples without)::

        1/2 sum_i s_i ||y_i - x_i W - b||^2 + alpha sum_j f_j (r ||W_j|| + (1 - r) / 2 ||W_j||^2)

    W_j is the row of feature j, r is `l1_ratio`, f is `penalty_factor`. Without factors this is
    scikit-learn's objective. Every fit ends with a certificate: the optimum is at most `dual_gap_` below the
    objective reached. There are no bounds: with them the update of a feature has no closed form.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 is least squares.
    l1_ratio : float, default=0.5
        Share of the L1/L2 penalty, between 0 and 1.
    {fit_intercept}
    {copy_X}
    {sweeps}
    {tol}
    {warm_start}
    {random_state}
    {selection}
    {factor_alpha}
    {standardize}

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : ndarray of shape (n_targets,)
    {gap}
    eps_ : float
        What `dual_gap_` had to come down to, ``tol * P(0)``.
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, np.inf, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
        "penalty_factor": ["array-like", None],
        "standardize": ["boolean"],
    }

    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        fit_intercept=True,
        copy_X=True,
        max_iter=1000,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        standardize=False,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Any real dtype and strides, read-only or memory-mapped; CSC is used as it is, other sparse formats
            are converted to CSC.
        y : array-like of shape (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; only their proportions matter, so a single number makes no difference.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        check_params(self)
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        if y.ndim == 1:
            raise ValueError(f"For mono-task outputs, use {type(self).__name__.removeprefix('MultiTask')}")
        n_features = X.shape[1]
        penalty = FeatureL1L2(n_features, self.l1_ratio, *self._bounds(n_features))
        path = self._fit_one_alpha(
            self._design(X, sample_weight),
            y,
            self.alpha,
            penalty,
            coef_init=self._start((y.shape[1], n_features), penalty),
            multitask=True,
        )
        self.eps_ = float(self.tol * path.null)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = False
        return tags


@documented
class MultiTaskLasso(MultiTaskElasticNet):
    """Linear regression of several targets, L1/L2 norm penalty: a feature serves all or none.

    Minimises over W of shape (n_features, n_targets), with weights s_i = sample_weight_i / sum(sample_weight)
    (1 / n_samples without)::

        1/2 sum_i s_i ||y_i - x_i W - b||^2 + alpha sum_j f_j ||W_j||

    W_j is the row of feature j, f is `penalty_factor`. Without factors this is scikit-learn's objective.
    Every fit ends with a certificate: the optimum is at most `dual_gap_` below the objective reached. There
    are no bounds: with them the update of a feature has no closed form.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 is least squares.
    {fit_intercept}
    {copy_X}
    {sweeps}
    {tol}
    {warm_start}
    {random_state}
    {selection}
    {factor_alpha}
    {standardize}

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : ndarray of shape (n_targets,)
    {gap}
    eps_ : float
        What `dual_gap_` had to come down to, ``tol * P(0)``.
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = {
        name: constraint
        for name, constraint in MultiTaskElasticNet._parameter_constraints.items()
        if name != "l1_ratio"
    }

    # an attribute, as in scikit-learn, but no parameter
    l1_ratio = 1.0

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=1000,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        standardize=False,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
