"""Lasso and ElasticNet."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS
from fastreg._stages import STAGE_CONSTRAINTS
from fastreg._validation import check_fit_data, check_params, check_sample_weight
from fastreg.linear._base import SparseLinearRegressor
from fastreg.linear.paths import enet_path
from fastreg.penalties.features import FeatureL1L2


@documented
class ElasticNet(SparseLinearRegressor):
    """Linear regression with an L1 and an L2 penalty.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without)::

        1/2 sum_i s_i (y_i - x_i w - b)^2 + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``; f is `penalty_factor`. Without factors and bounds this is
    scikit-learn's objective. Every fit ends with a certificate: the optimum is at most `dual_gap_` below the
    objective reached.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 is least squares.
    l1_ratio : float, default=0.5
        Share of the L1 penalty, between 0 and 1.
    {fit_intercept}
    {precompute}
    {sweeps}
    {copy_X}
    {tol}
    {warm_start}
    {positive}
    {random_state}
    {selection}
    {factor_alpha}
    {bounds}
    {standardize}
    {adaptive}
    {relax}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    {gap_each}
    n_iter_ : int or list of int
    converged_ : bool or ndarray of shape (n_targets,)
        Whether the gap asked for was reached.
    {fitted}
    """

    # as in scikit-learn: not something to be routed through a pipeline
    __metadata_request__fit = {"check_input": metadata_routing.UNUSED}

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "precompute": ["boolean", "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, np.inf, closed="left")],
        "warm_start": ["boolean"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
        **EXTRA_CONSTRAINTS,
        **STAGE_CONSTRAINTS,
    }

    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        fit_intercept=True,
        precompute=False,
        max_iter=1000,
        copy_X=True,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.adaptive = adaptive
        self.relax = relax

    def fit(self, X, y, sample_weight=None, check_input=True):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Any real dtype and strides, read-only or memory-mapped; CSC is used as it is, other sparse formats
            are converted to CSC.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Several targets are fitted one by one (see `MultiTaskElasticNet` for a joint penalty).
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; only their proportions matter, so a single number makes no difference.
        check_input : bool, default=True
            False skips the checks of X, y and sample_weight, which must then be arrays of floats (or CSC).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        check_params(self)
        if check_input:
            X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        else:
            y = np.ascontiguousarray(y, dtype=np.float64)
            sample_weight = check_sample_weight(sample_weight, X)
        n_features = X.shape[1]
        penalty = FeatureL1L2(n_features, self.l1_ratio, *self._bounds(n_features))
        start = self._start((*y.shape[1:], n_features), penalty)
        column = self._staged and y.ndim == 2
        if column:
            if y.shape[1] > 1:
                raise ValueError(
                    f"adaptive and relax are for a single target, but y has {y.shape[1]}; fit them one by one."
                )
            y, start = y.ravel(), None if start is None else start[0]
        self._fit_one_alpha(self._design(X, sample_weight), y, self.alpha, penalty, coef_init=start)
        if column and self.fit_intercept:
            self.intercept_ = np.atleast_1d(self.intercept_)
        return self


@documented
class Lasso(ElasticNet):
    """Linear regression with an L1 penalty.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without)::

        1/2 sum_i s_i (y_i - x_i w - b)^2 + alpha sum_j f_j |w_j|

    subject to ``lower <= w <= upper``; f is `penalty_factor`. Without factors and bounds this is
    scikit-learn's objective. Every fit ends with a certificate: the optimum is at most `dual_gap_` below the
    objective reached.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 is least squares.
    {fit_intercept}
    {precompute}
    {copy_X}
    {sweeps}
    {tol}
    {warm_start}
    {positive}
    {random_state}
    {selection}
    {factor_alpha}
    {bounds}
    {standardize}
    {adaptive}
    {relax}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    {gap_each}
    n_iter_ : int or list of int
    converged_ : bool or ndarray of shape (n_targets,)
        Whether the gap asked for was reached.
    {fitted}

    Examples
    --------
    >>> from fastreg import Lasso
    >>> model = Lasso(alpha=0.1).fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> model.converged_
    True
    """

    _parameter_constraints: dict = {
        name: constraint for name, constraint in ElasticNet._parameter_constraints.items() if name != "l1_ratio"
    }

    # an attribute, as in scikit-learn, but no parameter
    l1_ratio = 1.0

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        precompute=False,
        copy_X=True,
        max_iter=1000,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.adaptive = adaptive
        self.relax = relax
