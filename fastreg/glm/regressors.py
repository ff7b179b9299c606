"""PoissonRegressor, GammaRegressor and TweedieRegressor."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS
from fastreg._stages import STAGE_CONSTRAINTS
from fastreg._validation import check_fit_data, check_offset, check_params, check_sample_weight
from fastreg.glm._base import LinearPredictor
from fastreg.losses import Gamma, Poisson, Squared, Tweedie

PARAMETERS = """alpha : float, default=1.0
        Strength of the penalty; 0 is maximum likelihood.
    {fit_intercept}
    solver : {'lbfgs', 'newton-cholesky'}, default='lbfgs'
        Makes no difference: Newton steps on working sets, always.
    {newton_steps}
    {glm_tol}
    {warm_start}
    verbose : int, default=0
        Makes no difference.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, between 0 (ridge, as scikit-learn) and 1 (lasso).
    {factor_alpha}
    {bounds}
    {standardize}
    {adaptive}
    {relax}"""
ATTRIBUTES = """coef_ : ndarray of shape (n_features,)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    dual_gap_ : float
        The optimum is at most so much below the objective reached (in its units; where the loss is not convex an
        estimate: the decrease that steps on single coefficients could make).
    n_iter_ : int
        Newton steps.
    {converged}
    {fitted}"""
shared = documented(parameters=PARAMETERS, attributes=ATTRIBUTES)


class GLMRegressor(LinearPredictor, RegressorMixin, BaseEstimator):
    """A regressor on half the deviance of a distribution: what the classes share."""

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"lbfgs", "newton-cholesky"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        **EXTRA_CONSTRAINTS,
        **STAGE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        fit_intercept=True,
        solver="lbfgs",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        l1_ratio=0.0,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
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
            Added to the linear predictor; under a log link the logarithm of an exposure.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a y outside of the distribution's range, or a fit that overflowed.
        """
        check_params(self)
        loss = self._loss()
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        y = column_or_1d(y, warn=True)
        offset = check_offset(offset, X.shape[0])
        loss.valid(y)
        design, penalty = self._problem(X, sample_weight, self.l1_ratio)
        solve, grid, start = self._solver(loss, y, offset), np.array([self.alpha]), self._start((design.p,), penalty)
        path = self._stages(solve, design, grid, penalty, coef_init=start)
        self._set_path(path, X)
        self.n_iter_ = self._certify(path, design, penalty, partial(self._perfect, loss, y))
        return self

    def _perfect(self, loss, y, path, design, penalty):
        """Whether rates of 0 (or classes) are predicted so well that there is no end to it."""

        def perfect():
            charge = penalty.value(path.dense_coefs()[0] * design.scale, path.alphas[0])
            some = loss.out_of_reach(y[design.weights > 0])
            return some.any() and path.primals[0] - charge <= 1e-3 * path.null

        return self._endless(path, design, penalty, perfect)

    def _with_offset(self, X, offset):
        raw = self._raw(X)
        offset = check_offset(offset, len(raw))
        return raw if offset is None else raw + offset

    def predict(self, X, offset=None):
        """Predict the mean of y.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            Added to the linear predictor.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._loss().predict(self._with_offset(X, offset))

    def score(self, X, y, sample_weight=None, offset=None):
        """D^2, the share of the deviance that the model explains (1 is perfect, 0 the best constant).

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None

        Returns
        -------
        float

        Raises
        ------
        ValueError
            A y outside of the distribution's range.
        """
        raw = np.ascontiguousarray(self._with_offset(X, offset), dtype=np.float64)
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        weight = check_sample_weight(sample_weight, raw)
        loss = self._loss()
        loss.valid(y)
        null = np.full(len(y), loss.null_raw(y, np.ones(len(y)) if weight is None else weight))
        null = np.nan_to_num(null, neginf=-700.0)
        return float(1 - loss(raw, y, weight)[0] / loss(null, y, weight)[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            self._loss().valid(np.array([-1.0]))
            tags.target_tags.positive_only = False
        except (ValueError, TypeError):
            tags.target_tags.positive_only = True
        return tags


@shared
class PoissonRegressor(GLMRegressor):
    """Poisson regression (log link) with L1 and L2 penalties.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) and mu_i = exp(x_i w + b + offset_i)::

        sum_i s_i (mu_i - y_i log mu_i + y_i log y_i - y_i)
            + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``; f is `penalty_factor`. With ``l1_ratio=0`` this is scikit-learn's objective.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from fastreg import PoissonRegressor
    >>> PoissonRegressor(alpha=0.1).fit([[1.0], [2.0], [3.0]], [1, 2, 4]).predict([[4.0]]).round(1)
    array([6.9])
    """

    def _loss(self):
        return Poisson()


@shared
class GammaRegressor(GLMRegressor):
    """Gamma regression (log link) with L1 and L2 penalties.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) and mu_i = exp(x_i w + b + offset_i)::

        sum_i s_i (log mu_i + y_i / mu_i - log y_i - 1)
            + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``; f is `penalty_factor`. With ``l1_ratio=0`` this is scikit-learn's objective.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}
    """

    def _loss(self):
        return Gamma()


@shared
class TweedieRegressor(GLMRegressor):
    """Regression on half the deviance of a Tweedie distribution, variance mean^power, with L1 and L2 penalties.

    The objective is that of `PoissonRegressor` with the distribution's deviance. With ``l1_ratio=0`` it is
    scikit-learn's.

    Parameters
    ----------
    power : float, default=0.0
        0: normal; 1: Poisson; between 1 and 2: compound Poisson-Gamma; 2: Gamma; 3: inverse Gaussian. Not between 0
        and 1.
    link : {'auto', 'identity', 'log'}, default='auto'
        'auto' is 'identity' for the normal distribution, else 'log'. Of the others none has the link 'identity' here.
    {parameters}

    Attributes
    ----------
    {attributes}
    """

    _parameter_constraints: dict = GLMRegressor._parameter_constraints | {
        "power": [Interval(Real, None, None, closed="neither")],
        "link": [StrOptions({"auto", "identity", "log"})],
    }

    def __init__(
        self,
        *,
        power=0.0,
        alpha=1.0,
        fit_intercept=True,
        link="auto",
        solver="lbfgs",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        l1_ratio=0.0,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        super().__init__(
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
            l1_ratio=l1_ratio,
            penalty_factor=penalty_factor,
            lower=lower,
            upper=upper,
            standardize=standardize,
            adaptive=adaptive,
            relax=relax,
        )
        self.power = power
        self.link = link

    def _loss(self):
        if self.link == "log" or (self.link == "auto" and self.power > 0):
            return Tweedie(self.power)
        if self.power != 0:
            raise ValueError(f"The link 'identity' needs power=0, got power={self.power:g}; take link='log'.")
        return Squared()
