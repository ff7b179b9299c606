"""GeneralizedLinearRegressor and GeneralizedLinearClassifier: any loss with any penalty."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS
from fastreg._stages import STAGE_CONSTRAINTS
from fastreg._validation import check_bounds, check_fit_data, check_groups, check_offset, check_params
from fastreg.glm._base import LinearClassifier, LinearPredictor
from fastreg.glm.regressors import GLMRegressor
from fastreg.losses import Loss, Softmax, get_loss
from fastreg.penalties import L1L2, Bounds, GroupL1, Penalty
from fastreg.penalties.features import FeatureL1L2
from fastreg.penalties.linear import feature_penalty, linear_penalty
from fastreg.penalties.slope import SLOPE
from fastreg.solvers import solve_path

PARAMETERS = """penalty : penalty, str or None, default='l1'
        `L1`, `L2`, `L1L2`, `MCP`, `SCAD`, `ExpAbs`, `SLOPE`, `GroupL1` (with `groups`; ``l1_ratio`` makes it the sparse
        group lasso), `Bounds` or `NonNegative`; or 'l1', 'l2', 'l1_l2', 'mcp', 'scad', 'exp_abs', 'slope' or 'group_l1'
        with `alpha` as strength. None is no penalty.
    alpha : float, default=1.0
        The strength of a penalty that is given by its name. Otherwise it makes no difference.
    {fit_intercept}
    {standardize}
        MCP and SCAD are made for such features.
    {groups}
    penalty_factor : array-like of shape (n_features,), default=None
        Per-feature multiplier of alpha, the same within a group; 0 leaves a feature unpenalised. Not for SLOPE.
    lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients, ``lower <= 0 <= upper``, in the units of X. Under SLOPE signs only: 0 or infinite.
    {glm_tol}
    {newton_steps}
    {warm_start}
    {adaptive}
        Of `GroupL1` the norm of a group counts. Not for MCP, SCAD, ExpAbs and SLOPE.
    {relax}"""
ATTRIBUTES = """dual_gap_ : float
        Where loss and penalty are convex with known conjugates, the optimum is at most so much below the objective
        reached, in its units. Otherwise (MCP, SCAD, ExpAbs, some losses) an estimate: the decrease that steps on single
        coefficients could make.
    stationarity_ : float or None
        Largest distance of a feature's (a group's) gradient from the subdifferential of the penalty; for SLOPE how far
        a prox step leads. 0 at an optimum, or a stationary point. None where the penalty is made of L1, L2 and bounds.
    n_iter_ : int
        Newton steps.
    {converged}
    {fitted}"""
shared = documented(parameters=PARAMETERS, attributes=ATTRIBUTES)
NAMES = StrOptions({"l1", "l2", "l1_l2", "mcp", "scad", "exp_abs", "slope", "group_l1"})
CONSTRAINTS = {
    "penalty": [NAMES, Penalty, SLOPE, None],
    "alpha": [Interval(Real, 0, np.inf, closed="left")],
    "fit_intercept": ["boolean"],
    "groups": [Interval(Integral, 1, None, closed="left"), "array-like", None],
    "tol": [Interval(Real, 0, None, closed="neither")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    **EXTRA_CONSTRAINTS,
    **STAGE_CONSTRAINTS,
}


def smooth(loss, caller):
    """A loss that Newton steps can lower, or ValueError."""
    loss = get_loss(loss)
    if not loss.has_curvature or isinstance(loss, Softmax):
        raise ValueError(f"{caller} needs a loss with curvature and one output, but got loss={loss.name!r}.")
    return loss


class _Generalized(LinearPredictor):
    """What the two share: the problem, and the call of the solver that it is for."""

    def _features(self, p, many=False):
        """(alpha, penalty of p features); ``many``: targets or classes share the groups."""
        bounds = check_bounds(p, self.penalty_factor, self.lower, self.upper)
        groups = check_groups(self.groups, p)
        if many and groups is None:
            groups = np.arange(p)
        return feature_penalty(linear_penalty(self.penalty, self.alpha), p, *bounds, groups)

    def _penalised(self, X, sample_weight, many=False):
        """(design, alpha, penalty of its features)."""
        alpha, penalty = self._features(X.shape[1], many)
        return self._design(X, sample_weight), alpha, penalty

    def _solver(self, loss, y, offset=None, n_classes=2):
        general = super()._solver(loss, y, offset, n_classes)
        if loss.name != "squared":
            return general
        target = y if offset is None else y - offset

        def solve(design, alphas, penalty, **start):
            wide_ridge = penalty.l1_ratio == 0 and design.n < design.p  # without zeros working sets hold all columns
            if penalty.composite or wide_ridge:
                return general(design, alphas, penalty, **start)
            with np.errstate(all="ignore"):  # what the path solver does: a quadratic problem, with its own certificate
                return solve_path(design, target, alphas, penalty, tol=self.tol, max_iter=10 * self.max_iter, **start)

        return solve

    def _certify(self, path, *args):
        self.stationarity_ = None if path.violations is None else float(path.violations[0])
        return super()._certify(path, *args, stacklevel=5)


@shared
class GeneralizedLinearRegressor(_Generalized, GLMRegressor):
    """A linear predictor with any smooth loss and any penalty.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + penalty(w)

    by Newton steps on working sets, whatever the two are. Where the penalty is not convex (MCP, SCAD) they end at a
    stationary point. A penalty of that kind may leave an objective without a minimum, where classes are separable.

    Several targets are fitted together for squared errors under `GroupL1`: a group is then a feature's coefficients for
    all n_targets, charged ``alpha sqrt(n_targets)`` times their norm, so that a feature serves all targets or none.

    Parameters
    ----------
    loss : {'squared', 'huber', 'poisson', 'gamma', 'tweedie', 'logistic'} or one of these losses, default='squared'
        As in `fastreg.losses`, which has their parameters (``Tweedie(power=1.7)``).
    {parameters}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import MCP, GeneralizedLinearRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GeneralizedLinearRegressor("squared", MCP(8.0), standardize=True).fit(X, y)
    >>> int((model.coef_ != 0).sum())
    3
    """

    _parameter_constraints: dict = {"loss": [str, Loss]} | CONSTRAINTS

    def __init__(
        self,
        loss="squared",
        penalty="l1",
        *,
        alpha=1.0,
        fit_intercept=True,
        standardize=False,
        groups=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        tol=1e-4,
        max_iter=100,
        warm_start=False,
        adaptive=None,
        relax=1.0,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.groups = groups
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.adaptive = adaptive
        self.relax = relax

    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; only their proportions matter.
        offset : array-like of shape (n_samples,), default=None
            Added to the linear predictor; for one target.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a y outside of the loss's range, or a fit that overflowed.
        """
        check_params(self)
        loss = self._loss()
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        if y.ndim == 2 and y.shape[1] > 1 and self._shares(loss):
            return self._fit_targets(X, y, sample_weight, offset)
        y = column_or_1d(y, warn=True)
        offset = check_offset(offset, X.shape[0])
        loss.valid(y)
        design, alpha, penalty = self._penalised(X, sample_weight)
        solve, start = self._solver(loss, y, offset), self._start((design.p,), penalty)
        path = self._stages(solve, design, np.array([alpha]), penalty, coef_init=start)
        self._set_path(path, X)
        self.n_iter_ = self._certify(path, design, penalty, partial(self._perfect, loss, y))
        return self

    def _fit_targets(self, X, y, sample_weight, offset):
        """Several targets that share their features, (n, T)."""
        alpha, factor = self._shared(X.shape[1], offset)
        design = self._design(X, sample_weight)
        penalty, T = FeatureL1L2(X.shape[1], 1.0, factor), y.shape[1]
        start = self._start((T, X.shape[1]), penalty)
        options = {"tol": self.tol, "max_iter": 10 * self.max_iter, "coef_init": start, "multitask": True}
        with np.errstate(all="ignore"):  # overflow shows in the result
            path = solve_path(design, y, np.array([np.sqrt(T) * alpha]), penalty, **options)
        dtype = self._dtype(X)
        self.coef_ = np.asarray(path.coefs[0]).astype(dtype)
        self.intercept_ = path.intercepts[0].astype(dtype) if self.fit_intercept else 0.0
        self.n_iter_ = self._certify(path, design, penalty, lambda *_: False)
        return self

    def score(self, X, y, sample_weight=None, offset=None):
        """D^2, the share of the deviance that the model explains; for several targets the average of their R^2.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            For one target.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            A y outside of the distribution's range.
        """
        check_is_fitted(self)
        if self.coef_.ndim == 2:
            return RegressorMixin.score(self, X, y, sample_weight)
        return super().score(X, y, sample_weight, offset)

    def _shared(self, p, offset):
        """(alpha, factor of each feature) under a penalty that several targets share."""
        if offset is not None:
            raise ValueError("offset is for one target; subtract it from y.")
        if self._staged:
            raise ValueError("adaptive and relax are for one target; fit each by itself, or leave them out.")
        alpha, groups = self._features(p, True)
        if len(groups.weight) < p or groups.each.any():
            raise ValueError("For several targets a group is a feature: leave groups and the penalty's l1_ratio out.")
        if groups.bounded:
            raise ValueError("lower and upper are for one target; fit each by itself.")
        return alpha, groups.factor

    def _shares(self, loss):
        """Whether several targets can be fitted."""
        return loss.name == "squared" and isinstance(linear_penalty(self.penalty, self.alpha), GroupL1)

    def _loss(self):
        return smooth(self.loss, type(self).__name__)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            tags.target_tags.multi_output = self._shares(get_loss(self.loss)) and self.groups is None
        except (ValueError, TypeError):
            tags.target_tags.multi_output = False
        return tags


@shared
class GeneralizedLinearClassifier(_Generalized, LinearClassifier, BaseEstimator):
    """A linear classifier with any smooth loss and any penalty.

    Minimises, with weights sw_i = sample_weight_i * class_weight of the row and s_i = sw_i / sum(sw)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + penalty(w)

    where y is 0 or 1 for the logistic loss, and -1 or 1 for the others. See `GeneralizedLinearRegressor`. More than two
    classes are fitted together, for the logistic loss and penalties made of L1, L2 and bounds, or `GroupL1`: a group
    then holds its features' coefficients for all n_classes (without `groups` each feature is a group), so that a
    feature serves all classes or none; its norm is charged ``alpha sqrt(size n_classes)``.

    Parameters
    ----------
    loss : {'logistic', 'squared', 'huber'} or one of these losses, default='logistic'
    {parameters}
    {class_weight}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of the same shape
    intercept_ : ndarray of shape (1,) or (n_classes,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastreg import GeneralizedLinearClassifier, GroupL1
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> measures = [i % 10 for i in range(30)]  # mean, error and worst of each
    >>> model = GeneralizedLinearClassifier("logistic", GroupL1(0.05), groups=measures, standardize=True).fit(X, y)
    >>> int((model.coef_.reshape(3, 10) != 0).all(axis=0).sum())
    3
    """

    _parameter_constraints: dict = (
        {"loss": [str, Loss]} | CONSTRAINTS | {"class_weight": [dict, StrOptions({"balanced"}), None]}
    )

    def __init__(
        self,
        loss="logistic",
        penalty="l1",
        *,
        alpha=1.0,
        fit_intercept=True,
        standardize=False,
        groups=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        tol=1e-4,
        max_iter=100,
        warm_start=False,
        adaptive=None,
        relax=1.0,
        class_weight=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.groups = groups
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.adaptive = adaptive
        self.relax = relax
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; only their proportions matter.
        offset : array-like of shape (n_samples,), of more than two classes (n_samples, n_classes), default=None
            Added to the linear predictor. Predictions are made without.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a single class, more than two where loss or penalty know two only, or a fit that
            overflowed.
        """
        check_params(self)
        loss = self._loss()
        X, y, coded, classes, _, weight, offset = self._check_data(X, y, sample_weight, offset)
        K, target = len(classes), self._target(loss, coded, len(classes))
        design, alpha, penalty = self._penalised(X, weight, K > 2)
        solve = self._solver(loss, target, offset, K)
        start = self._start((design.p,) if K == 2 else (K, design.p), penalty)
        path = self._stages(solve, design, np.array([alpha]), penalty, coef_init=start)
        self._set_coef(path.dense_coefs()[0], path.intercepts[0], classes, self._dtype(X))
        self.n_iter_ = self._certify(path, design, penalty, partial(self._separated, coded, offset))
        return self

    def _loss(self):
        loss = get_loss(self.loss)
        if loss.name not in ("logistic", "squared", "huber"):
            raise ValueError(f"A classifier has the losses logistic, squared and huber, but got loss={self.loss!r}.")
        return loss

    def _target(self, loss, coded, n_classes):
        """What the loss sees of class numbers."""
        if n_classes > 2 and not self._knows_many():
            raise ValueError(
                f"Only binary classification is supported with loss={self.loss!r} or penalty={self.penalty!r}, but y "
                f"has {n_classes} classes. Fit one against the rest: sklearn.multiclass.OneVsRestClassifier."
            )
        return coded if loss.name == "logistic" else 2 * coded - 1

    def _knows_many(self):
        """Whether more than two classes can be fitted."""
        penalty = linear_penalty(self.penalty, self.alpha)
        return self._is_logistic() and (penalty is None or isinstance(penalty, (L1L2, Bounds, GroupL1)))

    def _is_logistic(self):
        return get_loss(self.loss).name == "logistic"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            tags.classifier_tags.multi_class = self._knows_many()
        except (ValueError, TypeError):
            tags.classifier_tags.multi_class = False
        return tags
